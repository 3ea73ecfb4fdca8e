//! The chores of the house, in Rust: `cargo xtask test` is what has to pass before anything is taken in, `cargo xtask deps` is its part
//! that guards who may depend on whom, `cargo xtask check-deploy` its part that reads the manifests, and `cargo xtask bench` measures a
//! figure beside its reference.
//!
//! Absent on purpose: shell. The few scripts in `script/` only prepare a machine and call this.

mod bench;
mod deploy;
mod deps;
mod fuzz;
mod test;
mod wrong;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The chores of the house.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check everything: format, arrows between crates, lints, tests, doc tests, and a short run against the real service.
    Test(test::Args),
    /// Check who depends on whom, licences, banned crates and duplicate versions.
    Deps,
    /// Check manifests, alert rules and workflows against the programs they start.
    CheckDeploy(deploy::Args),
    /// Throw bytes at the parser of answers.
    Fuzz(fuzz::Args),
    /// Put the service with known wrong strategies before the bench.
    Wrong(wrong::Args),
    /// Measure a figure beside its reference.
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().chore {
        Chore::Test(args) => test::run(&args),
        Chore::Deps => deps::run().map(|()| ExitCode::SUCCESS),
        Chore::CheckDeploy(args) => deploy::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Wrong(args) => wrong::run(&args),
        Chore::Bench(args) => bench::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        // With its causes on one line; nobody is left to be told when the output is closed.
        writeln!(std::io::stderr(), "xtask: {error:#}").ok();
        if error.is::<test::Interrupted>() { ExitCode::from(130) } else { ExitCode::FAILURE }
    })
}

/// One line for the reader.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
