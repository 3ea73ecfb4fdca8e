//! Result files.

use anyhow::Context;
use stampede_model::stress::StressRun;
use stampede_report::export::Format;
use stampede_report::stress::{self, check_as, write_as};

use super::args::Output;
use crate::Failure;

/// Makes sure every file can be written before anything is started, without harming what stands there.
pub(super) fn check(output: &Output) -> Result<(), Failure> {
    let json = output.json.iter().try_for_each(|path| check_as(path, Format::Json)).context("--json");
    json.and_then(|()| output.reports.iter().try_for_each(|path| stress::check(path)).context("-o"))
        .map_err(Failure::usage)
}

/// Writes the run's files.
pub(super) fn write(output: &Output, run: &StressRun) -> anyhow::Result<()> {
    output.json.iter().try_for_each(|path| write_as(path, Format::Json, run))?;
    Ok(output.reports.iter().try_for_each(|path| stress::write(path, run))?)
}
