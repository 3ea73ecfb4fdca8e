//! `stampede`: loads, checks and reports on any HTTP API.
//!
//! Invariants: every mistake in the arguments is named before anything is sent; results go to standard output, everything
//! else to standard error; the exit code follows [`exit`].
//! Absent on purpose: any knowledge of the system under test beyond HTTP.

mod ab;
mod accept;
mod autoscale;
mod baseline;
mod chaos;
mod check;
mod cli;
mod cluster;
mod compare;
mod diagnose;
mod doctor;
mod exit;
mod gateway;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod live;
mod load;
mod monitor;
mod plan;
mod print;
mod report;
mod run;
mod selftest;
mod stress;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Accept(args) => accept::command(&args),
        Command::Check(args) => check::command(&args),
        Command::Selftest(args) => selftest::command(&args),
        Command::Load(args) => load::command(&args),
        Command::Run(args) => run::command(&args),
        Command::Plan(args) => plan::command(&args),
        Command::Stress(args) => stress::command(&args),
        Command::Report(args) => report::report(&args),
        Command::Export(args) => report::export(&args),
        Command::Compare(args) => compare::command(&args),
        Command::Baseline(args) => baseline::command(&args),
        Command::Ab(args) => ab::command(&args),
        Command::Gateway(args) => gateway::command(&args),
        Command::Doctor(args) => doctor::command(&args),
        Command::Cluster(args) => cluster::command(&args),
        Command::Autoscale(args) => autoscale::command(&args),
        Command::Chaos(args) => chaos::command(&args),
        #[cfg(feature = "kubernetes")]
        Command::Kubernetes(args) => kubernetes::command(&args),
        Command::Watch(args) => monitor::command(&args),
        Command::Diagnose(args) => diagnose::command(&args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            print::error(&failure.error);
            failure.exit.into()
        }
    }
}

/// A command that came to no result.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    /// The arguments make no sense.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }

    /// The tool could not do its work.
    pub(crate) fn tool(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::ToolError, error: error.into() }
    }
}
