//! `cargo xtask test`: everything that has to pass, one step after the other, stopping at the first that fails.
//!
//! Invariant: whatever a step starts ends with this process, even when that is killed with SIGKILL.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use clap::ValueEnum;
use sandbox::{Output, ProcessSpec, Supervised};
use tokio::signal::unix::{SignalKind, signal};

use crate::{deps, say};

/// nextest gives its tests ten seconds to end when it is asked to end itself.
const GRACE: Duration = Duration::from_secs(15);

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this step; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Step>,
    /// Lints, builds and tests this package only; may be given several times.
    #[arg(long, short)]
    package: Vec<String>,
}

impl Args {
    /// The arguments that tell cargo which packages are meant.
    fn scope(&self) -> Vec<&str> {
        if self.package.is_empty() {
            return vec!["--workspace"];
        }
        self.package.iter().flat_map(|package| ["--package", package]).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The format of the code.
    Fmt,
    /// Arrows between crates, licences, bans, duplicates.
    Deps,
    /// Clippy without a warning, in the whole workspace.
    Clippy,
    /// The programs, as the tests and the smoke run need them.
    Build,
    /// All tests, by nextest.
    Nextest,
    /// The examples in the documentation of the pure crates.
    Doc,
    /// A short run of the bench against the service.
    Smoke,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Deps => "deps",
            Self::Clippy => "clippy",
            Self::Build => "build",
            Self::Nextest => "nextest",
            Self::Doc => "doc",
            Self::Smoke => "smoke",
        }
    }
}

/// Somebody asked this process to end, and the step has been ended.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Where things are.
struct House {
    root: PathBuf,
    target: PathBuf,
    runtime: tokio::runtime::Runtime,
}

/// Runs the steps; the code of a smoke run that fails is passed on, as it says what was found.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("make a runtime")?;
    let house = House { root: metadata.workspace_root.into(), target: metadata.target_directory.into(), runtime };
    let begun = Instant::now();
    let chosen = |step: &&Step| args.only.is_empty() || args.only.contains(step);
    for step in Step::value_variants().iter().filter(chosen) {
        say(&format!("== {}", step.name()))?;
        let step_begun = Instant::now();
        let outcome = house.check(*step, &args.scope()).with_context(|| format!("step {}", step.name()))?;
        let seconds = step_begun.elapsed().as_secs_f64();
        if let Outcome::Failed { code, what } = outcome {
            say(&format!("== {} FAILED after {seconds:.1} s: {what}", step.name()))?;
            return Ok(ExitCode::from(code));
        }
        say(&format!("== {} passed in {seconds:.1} s", step.name()))?;
    }
    say(&format!("== all passed in {:.1} s", begun.elapsed().as_secs_f64()))?;
    Ok(ExitCode::SUCCESS)
}

enum Outcome {
    Passed,
    Failed { code: u8, what: String },
}

impl House {
    fn check(&self, step: Step, scope: &[&str]) -> Result<Outcome> {
        match step {
            // The formatter alone calls the whole workspace `--all`.
            Step::Fmt if scope == ["--workspace"] => self.cargo(&["fmt", "--all", "--check"]),
            Step::Fmt => self.cargo(&[&["fmt", "--check"], scope].concat()),
            Step::Deps => Ok(match deps::run() {
                Ok(()) => Outcome::Passed,
                Err(error) => Outcome::Failed { code: 1, what: format!("{error:#}") },
            }),
            Step::Clippy => self.clippy(scope),
            Step::Build => self.cargo(&[&["build"], scope, &["--bins"]].concat()),
            Step::Nextest => self.cargo(&[&["nextest", "run"], scope].concat()),
            Step::Doc => {
                self.cargo(&["test", "--quiet", "--doc", "--package", "kv-types", "--package", "stampede-model"])
            }
            Step::Smoke => self.smoke(),
        }
    }

    /// Lints as it is built, and what only a bench's build of the service has.
    fn clippy(&self, scope: &[&str]) -> Result<Outcome> {
        let strict = ["--all-targets", "--", "-D", "warnings"];
        let usual = self.cargo(&[&["clippy"], scope, &strict].concat())?;
        if scope != ["--workspace"] || matches!(usual, Outcome::Failed { .. }) {
            return Ok(usual);
        }
        let wrong = ["clippy", "--package", "kv-erp", "--features", "wrong-strategies"];
        self.cargo(&[wrong.as_slice(), &["--", "-D", "warnings"]].concat())
    }

    /// The bench's own acceptance of the service, in its short form. Builds nothing.
    fn smoke(&self) -> Result<Outcome> {
        let bench = self.target.join("debug/stampede");
        let args = ["accept", "--target", "targets/kv-erp.toml", "--quick"];
        let status = self.run(&bench, &args)?;
        Ok(outcome(status, ("stampede", &args), CodeOf::TheProgram))
    }

    fn cargo(&self, args: &[&str]) -> Result<Outcome> {
        // The cargo that runs this is the one to go on with.
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let status = self.run(&cargo, args)?;
        Ok(outcome(status, ("cargo", args), CodeOf::Ours))
    }

    fn run(&self, program: &Path, args: &[&str]) -> Result<ExitStatus> {
        let spec = ProcessSpec::new(program)
            .args(args)
            .cwd(&self.root)
            // The tests' servers watch this process too: nextest may be gone before they are even started.
            .env("SANDBOX_OWNER_PID", std::process::id().to_string())
            .output(Output::Inherited)
            .grace(GRACE);
        self.runtime.block_on(async {
            let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            let program = Supervised::spawn(spec)?;
            tokio::select! {
                status = program.wait() => return Ok(status),
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            program.terminate().await;
            Err(Interrupted.into())
        })
    }
}

/// Which exit code a failed step ends the run with.
#[derive(Clone, Copy)]
enum CodeOf {
    TheProgram,
    Ours,
}

fn outcome(status: ExitStatus, (program, args): (&str, &[&str]), code: CodeOf) -> Outcome {
    if status.success() {
        return Outcome::Passed;
    }
    let code = match code {
        CodeOf::TheProgram => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        CodeOf::Ours => 1,
    };
    Outcome::Failed { code, what: format!("{status}; to see it again: {program} {}", args.join(" ")) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn code_of(raw: i32, code: CodeOf) -> Option<u8> {
        match outcome(ExitStatus::from_raw(raw), ("cargo", &["fmt"]), code) {
            Outcome::Passed => None,
            Outcome::Failed { code, what } => {
                assert!(what.ends_with("to see it again: cargo fmt"), "{what}");
                Some(code)
            }
        }
    }

    #[test]
    fn the_benchs_own_code_is_passed_on_and_a_death_by_signal_is_one() {
        assert_eq!(code_of(0, CodeOf::TheProgram), None);
        assert_eq!(code_of(3 << 8, CodeOf::TheProgram), Some(3));
        assert_eq!(code_of(9, CodeOf::TheProgram), Some(1));
        assert_eq!(code_of(101 << 8, CodeOf::Ours), Some(1));
    }

    #[test]
    fn the_scope_is_everything_or_what_was_named() {
        let scope = |packages: &[&str]| {
            let package = packages.iter().map(|package| (*package).to_owned()).collect();
            Args { only: Vec::new(), package }.scope().join(" ")
        };
        assert_eq!(scope(&[]), "--workspace");
        assert_eq!(scope(&["sandbox", "kv-coord"]), "--package sandbox --package kv-coord");
    }

    #[test]
    fn every_step_is_called_as_it_is_chosen() {
        for step in Step::value_variants() {
            let value = step.to_possible_value().unwrap();
            assert_eq!(value.get_name(), step.name());
        }
    }
}
