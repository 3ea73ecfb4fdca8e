//! `stampede report` and `stampede export`: a run shown again, or turned into other files, long after it was made.
//!
//! Invariants: files of runs are the only input; nothing is sent anywhere; every place to write is checked before the first
//! file is written. A report of a failed run is a success of this command: the verdict is in what it shows.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use stampede_report::Record;
use stampede_report::export::{self, ExportError, Format};
use stampede_report::stress;
use stampede_report::summary::{self, Detail, Paint};

use crate::exit::{self, Exit};
use crate::{Failure, print};

/// Show a run again: as a summary, or as files whose kind follows from their endings.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct ReportArgs {
    /// The file of a load run or a stress run.
    pub(crate) run: PathBuf,

    /// Put a stress run beside the load run; may be repeated.
    #[arg(long = "with", value_name = "FILE")]
    pub(crate) with: Vec<PathBuf>,

    /// Write a report: .html, .json, .csv, .md, .xml, .hgrm, .hlog or .prom; may be repeated.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Vec<PathBuf>,

    /// Write the run itself, with what was put beside it, whatever the file's ending.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// How much the summary says: short, full, json or none [default: full; with -o or --json none].
    #[arg(long, value_name = "DETAIL")]
    pub(crate) summary: Option<Detail>,
}

/// Turn a run into what other tools read.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct ExportArgs {
    /// The file of a load run or a stress run.
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
    let of_ending = |path: &PathBuf| Ok((path.clone(), Format::of(path)?));
    let files = args.output.iter().map(of_ending).collect::<Result<Vec<_>, ExportError>>().map_err(Failure::usage)?;
    let files: Vec<(PathBuf, Format)> =
        files.into_iter().chain(args.json.iter().map(|path| (path.clone(), Format::Json))).collect();
    for (path, _) in &files {
        export::check_as(path).map_err(Failure::usage)?;
    }
    let mut run = read(&args.run)?;
    for path in &args.with {
        put(&mut run, path).map_err(Failure::usage)?;
    }
    for (path, format) in &files {
        check(path, *format, &run).map_err(Failure::usage)?;
    }
    let without = if files.is_empty() { Detail::Full } else { Detail::None };
    print::result(&shown(&run, args.summary.unwrap_or(without), print::paint()));
    for (path, format) in &files {
        write(path, *format, &run).map_err(Failure::tool)?;
        print::remark(format_args!("wrote {}", path.display()));
    }
    Ok(Exit::Pass)
}

/// Carries out `stampede export`.
pub(crate) fn export(args: &ExportArgs) -> Result<Exit, Failure> {
    let Some(path) = &args.output else {
        let format = args.format.context("no format: use --format, or -o with an ending").map_err(Failure::usage)?;
        let bytes = match read(&args.run)? {
            Record::Load(run) => export::render(format, &run),
            Record::Stress(run) => stress::render(format, &run),
        };
        print::result_bytes(&bytes.map_err(failure)?);
        return Ok(Exit::Pass);
    };
    let format = args.format.map_or_else(|| Format::of(path), Ok).map_err(Failure::usage)?;
    export::check_as(path).map_err(Failure::usage)?;
    let run = read(&args.run)?;
    check(path, format, &run).map_err(Failure::usage)?;
    write(path, format, &run).map_err(Failure::tool)?;
    print::remark(format_args!("wrote {}", path.display()));
    Ok(Exit::Pass)
}

/// Reads a file that somebody named; one that is no run is a mistake in the arguments.
fn read(path: &Path) -> Result<Record, Failure> {
    let run = stampede_report::read_any(path).with_context(|| format!("{} is no run to report", path.display()));
    run.map_err(Failure::usage)
}

/// Puts the stress run at `path` beside a load run.
fn put(run: &mut Record, path: &Path) -> anyhow::Result<()> {
    let named = || format!("--with {}", path.display());
    let Record::Load(load) = run else {
        return Err(anyhow!("the run itself is a stress run: name a load run first")).with_context(named);
    };
    match stampede_report::read_any(path).with_context(named)? {
        Record::Stress(beside) => stress::attach(load, *beside).with_context(named),
        Record::Load(_) => {
            Err(anyhow!("it is a load run, and only stress runs can be put beside one")).with_context(named)
        }
    }
}

fn check(path: &Path, format: Format, run: &Record) -> Result<(), ExportError> {
    match run {
        Record::Load(_) => export::check_as(path),
        Record::Stress(_) => stress::check_as(path, format),
    }
}

fn write(path: &Path, format: Format, run: &Record) -> Result<(), ExportError> {
    match run {
        Record::Load(run) => export::write_as(path, format, run),
        Record::Stress(run) => stress::write_as(path, format, run),
    }
}

fn shown(run: &Record, detail: Detail, paint: Paint) -> String {
    match run {
        Record::Load(run) => summary::render_painted(run, detail, paint),
        Record::Stress(run) => stress::summary(run, detail, paint),
    }
}

/// A format that does not fit the run is a mistake in the arguments, anything else is not.
fn failure(error: ExportError) -> Failure {
    match error {
        ExportError::NotForStress { .. } => Failure::usage(error),
        other => Failure::tool(other),
    }
}
