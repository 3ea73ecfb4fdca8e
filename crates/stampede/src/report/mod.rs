//! `stampede report` and `stampede export`: a run file shown again, or turned into other files, long after the run.
//!
//! Invariants: the run file is the only input; nothing is sent anywhere; every place to write is checked before the first
//! file is written. A report of a failed run is a success of this command: the verdict is in what it shows.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use stampede_model::run::RunFile;
use stampede_report::export::{self, Format};
use stampede_report::summary::{self, Detail};

use crate::exit::{self, Exit};
use crate::{Failure, print};

/// Show a run again: as a summary, or as files whose kind follows from their endings.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct ReportArgs {
    /// The run file.
    pub(crate) run: PathBuf,

    /// Write a report: .html, .json, .csv, .md, .xml, .hgrm, .hlog or .prom; may be repeated.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Vec<PathBuf>,

    /// How much the summary says: short, full, json or none [default: full; with -o none].
    #[arg(long, value_name = "DETAIL")]
    pub(crate) summary: Option<Detail>,
}

/// Turn a run into what other tools read.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct ExportArgs {
    /// The run file.
    pub(crate) run: PathBuf,

    /// Kind of file: html, json, oha, csv, md, junit, hgrm, hlog or prom [default: by the ending].
    #[arg(short = 'f', long, value_name = "FORMAT", required_unless_present = "output")]
    pub(crate) format: Option<Format>,

    /// Where to write it [default: standard output].
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Carries out `stampede report`.
pub(crate) fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    for path in &args.output {
        export::check(path).map_err(Failure::usage)?;
    }
    let run = read(&args.run)?;
    let without = if args.output.is_empty() { Detail::Full } else { Detail::None };
    print::result(&summary::render_painted(&run, args.summary.unwrap_or(without), print::paint()));
    for path in &args.output {
        export::write(path, &run).map_err(Failure::tool)?;
        print::remark(format_args!("wrote {}", path.display()));
    }
    Ok(Exit::Pass)
}

/// Carries out `stampede export`.
pub(crate) fn export(args: &ExportArgs) -> Result<Exit, Failure> {
    let Some(path) = &args.output else {
        let format = args.format.context("no format: use --format, or -o with an ending").map_err(Failure::usage)?;
        let run = read(&args.run)?;
        print::result_bytes(&export::render(format, &run).map_err(Failure::tool)?);
        return Ok(Exit::Pass);
    };
    let format = args.format.map_or_else(|| Format::of(path), Ok).map_err(Failure::usage)?;
    export::check_as(path).map_err(Failure::usage)?;
    let run = read(&args.run)?;
    export::write_as(path, format, &run).map_err(Failure::tool)?;
    print::remark(format_args!("wrote {}", path.display()));
    Ok(Exit::Pass)
}

/// Reads a run file that somebody named; a file that is none is a mistake in the arguments.
fn read(path: &Path) -> Result<RunFile, Failure> {
    let run = stampede_report::read(path).with_context(|| format!("{} is no run to report", path.display()));
    run.map_err(Failure::usage)
}
