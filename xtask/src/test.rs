//! `cargo xtask test`: everything that has to pass, one step after the other, stopping at the first that fails.
//!
//! Invariant: whatever a step starts ends with this process, even when that is killed with SIGKILL.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use clap::ValueEnum;
use sandbox::testing::{DEADLOCK_LOG_VARIABLE, Deadlocks, read_deadlocks};
use sandbox::{Output, ProcessSpec, Supervised};
use tokio::signal::unix::{SignalKind, signal};

use crate::{deploy, deps, say};

/// nextest gives its tests ten seconds to end when it is asked to end itself.
const GRACE: Duration = Duration::from_secs(15);
/// The servers of a run stop when nextest has ended.
const SERVERS_STOP_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Examples for each operation of the description; `script/schemathesis` alone takes many more.
const EXAMPLES: &str = "5";

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this step; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Step>,
    /// The steps too that build a second time or take minutes: kubernetes, breaks.
    #[arg(long, conflicts_with = "only")]
    long: bool,
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
    /// Manifests, alert rules and workflows against the programs.
    Deploy,
    /// All tests, by nextest.
    Nextest,
    /// Lints and tests of what is built with the feature `kubernetes` alone; only with `--long`.
    Kubernetes,
    /// The examples in the documentation of the pure crates.
    Doc,
    /// The service held to its own description, in a short form.
    Contract,
    /// A short run of the bench against the service.
    Smoke,
    /// Every fault in turn against a cluster of the service under checked load, in the short form; only with `--long`.
    Breaks,
}

impl Step {
    /// Whether it is left out unless it is asked for.
    const fn is_long(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Breaks)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Deps => "deps",
            Self::Clippy => "clippy",
            Self::Build => "build",
            Self::Deploy => "deploy",
            Self::Nextest => "nextest",
            Self::Kubernetes => "kubernetes",
            Self::Doc => "doc",
            Self::Contract => "contract",
            Self::Smoke => "smoke",
            Self::Breaks => "breaks",
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
    let chosen = |step: &&Step| match args.only.as_slice() {
        [] => args.long || !step.is_long(),
        only => only.contains(step),
    };
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
            // Both are about the whole.
            Step::Deploy | Step::Kubernetes if scope != ["--workspace"] => Ok(Outcome::Passed),
            Step::Deploy => self.deploy(),
            Step::Nextest => self.nextest(scope),
            Step::Kubernetes => self.kubernetes(),
            Step::Doc => {
                self.cargo(&["test", "--quiet", "--doc", "--package", "kv-types", "--package", "stampede-model"])
            }
            Step::Contract => self.contract(),
            Step::Smoke => self.smoke(),
            Step::Breaks => self.breaks(),
        }
    }

    /// Lints as it is built, and what only a bench's build of the service has.
    fn clippy(&self, scope: &[&str]) -> Result<Outcome> {
        let strict = ["--all-targets", "--", "-D", "warnings"];
        let usual = self.cargo(&[&["clippy"], scope, &strict].concat())?;
        if scope != ["--workspace"] || matches!(usual, Outcome::Failed { .. }) {
            return Ok(usual);
        }
        // The whole workspace once more, so that what both need is not checked twice.
        let wrong = ["clippy", "--workspace", "--features", "kv-erp/wrong-strategies"];
        self.cargo(&[wrong.as_slice(), &["--", "-D", "warnings"]].concat())
    }

    /// Manifests and workflows against the programs that were built.
    fn deploy(&self) -> Result<Outcome> {
        let found = deploy::everything(&self.root, &self.target, &self.target.join("debug"), deploy::Rules::Checked)?;
        Ok(if found == 0 {
            Outcome::Passed
        } else {
            Outcome::Failed { code: 1, what: format!("{found} findings; to see them again: cargo xtask check-deploy") }
        })
    }

    /// What no default build has. `kube` gives common crates other features, so all that uses them is built once more: by package,
    /// which leaves the service out.
    fn kubernetes(&self) -> Result<Outcome> {
        let bench = ["--package", "stampede-engine", "--package", "stampede", "--features", "stampede/kubernetes"];
        let strict = ["--all-targets", "--", "-D", "warnings"];
        let linted = self.cargo(&[&["clippy"], &bench[..], &strict].concat())?;
        if matches!(linted, Outcome::Failed { .. }) {
            return Ok(linted);
        }
        self.cargo(&[&["nextest", "run"], &bench[..], &["-E", "test(kubernetes)"]].concat())
    }

    /// The service against its own description.
    fn contract(&self) -> Result<Outcome> {
        let script = self.root.join("script/schemathesis");
        let status = self.run(&script, &[EXAMPLES], None)?;
        Ok(outcome(status, ("script/schemathesis", &[EXAMPLES]), CodeOf::Ours))
    }

    /// The bench's own acceptance of the service, in its short form. Builds nothing.
    fn smoke(&self) -> Result<Outcome> {
        let bench = self.target.join("debug/stampede");
        let args = ["accept", "--target", "targets/kv-erp.toml", "--quick"];
        let status = self.run(&bench, &args, None)?;
        Ok(outcome(status, ("stampede", &args), CodeOf::TheProgram))
    }

    /// What the service promises while everything under it breaks. Builds nothing.
    fn breaks(&self) -> Result<Outcome> {
        let (script, args) = (self.root.join("script/breaks"), ["--quick"]);
        let status = self.run(&script, &args, None)?;
        Ok(outcome(status, ("script/breaks", &args), CodeOf::TheProgram))
    }

    /// The tests, and whether any of their servers met a deadlock that no test was about.
    fn nextest(&self, scope: &[&str]) -> Result<Outcome> {
        let file = self.target.join("deadlocks.log");
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("remove the last run's log");
            }
            _ => {}
        }
        let tested = self.cargo_with(&[&["nextest", "run"], scope].concat(), Some((DEADLOCK_LOG_VARIABLE, &file)))?;
        let told = self.runtime.block_on(until_servers_have_stopped(&file))?;
        say(&deadlock_line(told))?;
        Ok(match tested {
            Outcome::Passed => judge_deadlocks(told),
            failed @ Outcome::Failed { .. } => failed,
        })
    }

    fn cargo(&self, args: &[&str]) -> Result<Outcome> {
        self.cargo_with(args, None)
    }

    fn cargo_with(&self, args: &[&str], variable: Option<(&str, &Path)>) -> Result<Outcome> {
        // The cargo that runs this is the one to go on with.
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let status = self.run(&cargo, args, variable)?;
        Ok(outcome(status, ("cargo", args), CodeOf::Ours))
    }

    fn run(&self, program: &Path, args: &[&str], variable: Option<(&str, &Path)>) -> Result<ExitStatus> {
        let mut spec = ProcessSpec::new(program)
            .args(args)
            .cwd(&self.root)
            // The tests' servers watch this process too: nextest may be gone before they are even started.
            .env("SANDBOX_OWNER_PID", std::process::id().to_string())
            .output(Output::Inherited)
            .grace(GRACE);
        if let Some((name, value)) = variable {
            spec = spec.env(name, value);
        }
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

/// What the servers told, once the last of them has stopped: they end a moment after the tests.
async fn until_servers_have_stopped(file: &Path) -> Result<Deadlocks> {
    let deadline = Instant::now() + SERVERS_STOP_WITHIN;
    loop {
        let told = read_deadlocks(file).context("read what the servers told of deadlocks")?;
        if told.running == 0 || Instant::now() > deadline {
            return Ok(told);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn deadlock_line(told: Deadlocks) -> String {
    let Deadlocks { servers, deadlocks, unread, running } = told;
    let mut line = format!("deadlocks: {deadlocks} in {servers} servers");
    if unread > 0 {
        // Writing to a String cannot fail.
        write!(line, ", {unread} more were killed by their tests and not asked").ok();
    }
    if running > 0 {
        write!(line, ", {running} still run").ok();
    }
    line
}

fn judge_deadlocks(told: Deadlocks) -> Outcome {
    let what = match told {
        Deadlocks { deadlocks: 1.., .. } => "the tests' servers met deadlocks; see `40P01` in their logs",
        Deadlocks { running: 1.., .. } => "servers of the tests have not stopped",
        _ => return Outcome::Passed,
    };
    Outcome::Failed { code: 1, what: what.to_owned() }
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
            Args { only: Vec::new(), long: false, package }.scope().join(" ")
        };
        assert_eq!(scope(&[]), "--workspace");
        assert_eq!(scope(&["sandbox", "kv-coord"]), "--package sandbox --package kv-coord");
    }

    #[test]
    fn a_deadlock_fails_the_tests_and_a_killed_server_does_not() {
        let told = |deadlocks, unread, running| Deadlocks { servers: 3, deadlocks, unread, running };
        assert_eq!(deadlock_line(told(0, 0, 0)), "deadlocks: 0 in 3 servers");
        assert!(matches!(judge_deadlocks(told(0, 2, 0)), Outcome::Passed));
        assert!(matches!(judge_deadlocks(told(1, 0, 0)), Outcome::Failed { code: 1, .. }));
        assert!(matches!(judge_deadlocks(told(0, 0, 1)), Outcome::Failed { code: 1, .. }));
        let line = "deadlocks: 1 in 3 servers, 2 more were killed by their tests and not asked, 1 still run";
        assert_eq!(deadlock_line(told(1, 2, 1)), line);
    }

    #[test]
    fn every_step_is_called_as_it_is_chosen() {
        for step in Step::value_variants() {
            let value = step.to_possible_value().unwrap();
            assert_eq!(value.get_name(), step.name());
        }
    }
}
