//! What follows a run, whichever command made it: summary, files, exit code.
//!
//! Invariant: a file that cannot be written is found before the first request.

use std::path::{Path, PathBuf};

use anyhow::Context;
use stampede_model::run::{Environment, RunFile};
use stampede_model::run_result::Ending;
use stampede_model::threshold::Judgement;
use stampede_report::export::{self, Format};
use stampede_report::summary::{self, Detail};

use crate::exit::Exit;
use crate::print;

/// Where a run is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// The run file, whatever its ending.
    pub(crate) json: Option<PathBuf>,
    /// Each as its ending says.
    pub(crate) others: Vec<PathBuf>,
}

impl Files {
    /// Finds what could not be written.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.json.iter().try_for_each(|path| export::check_as(path)).context("--json")?;
        self.others.iter().try_for_each(|path| export::check(path)).context("-o")
    }

    fn write(&self, run: &RunFile) -> anyhow::Result<()> {
        self.json.iter().try_for_each(|path| export::write_as(path, Format::Json, run))?;
        Ok(self.others.iter().try_for_each(|path| export::write(path, run))?)
    }
}

/// Prints the summary and writes the files.
pub(crate) fn report(run: &RunFile, detail: Detail, files: &Files) -> anyhow::Result<()> {
    print::result(&summary::render_painted(run, detail, print::paint()));
    files.write(run)
}

/// The exit code that a run deserves.
pub(crate) fn exit_of(run: &RunFile) -> Exit {
    let mut exit = Exit::Pass;
    if run.any(Judgement::Fail) || run.result.ending == Ending::Aborted {
        exit = exit.and(Exit::ThresholdFailed);
    }
    if run.any(Judgement::Unknown) || !run.trust.stands() {
        exit = exit.and(Exit::NotTrustworthy);
    }
    if run.result.ending == Ending::Interrupted {
        exit = exit.and(Exit::Interrupted);
    }
    exit
}

/// The machine and program that measure.
pub(crate) fn environment() -> Environment {
    let kernel = |name: &str| {
        let text = std::fs::read_to_string(Path::new("/proc/sys/kernel").join(name));
        text.map_or(String::new(), |text| text.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    Environment {
        stampede: env!("CARGO_PKG_VERSION").to_owned(),
        system: format!("{} {}", kernel("ostype"), kernel("osrelease")).trim().to_owned(),
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
    }
}
