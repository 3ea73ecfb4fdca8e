//! The files of a run of faults, and showing one again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use stampede_model::chaos::{CHAOS_FORMAT, CHAOS_VERSION, ChaosReport};

use crate::exit::Exit;
use crate::{Failure, print};

/// The longest file that is read: a day of figures is a fraction of it.
const BYTES_MAX: u64 = 256 << 20;

/// What a file's ending asks for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Json,
    Html,
}

/// Refuses endings that nobody knows, before anything is broken.
pub(crate) fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    files.iter().try_for_each(|file| kind_of(file).map(drop))
}

/// Writes the run to each file.
fn write(files: &[PathBuf], report: &ChaosReport) -> anyhow::Result<()> {
    for file in files {
        let text = match kind_of(file)? {
            Kind::Json => json(report)?,
            Kind::Html => stampede_report::chaos::html(report),
        };
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        print::remark(format_args!("wrote {}", file.display()));
    }
    Ok(())
}

/// Shows a run, and writes it to where it was asked for.
pub(crate) fn tell(report: &ChaosReport, file: Option<&Path>, output: &[PathBuf]) -> Result<(), Failure> {
    print::result(&stampede_report::chaos::text(report));
    if let Some(file) = file {
        let text = json(report).map_err(Failure::tool)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display())).map_err(Failure::tool)?;
    }
    write(output, report).map_err(Failure::tool)
}

/// The run as a document.
fn json(report: &ChaosReport) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report).context("cannot write the run as JSON")? + "\n")
}

/// Shows a run again. A report of a failed run is a success of this command.
pub(super) fn again(file: &Path, output: &[PathBuf]) -> Result<Exit, Failure> {
    check(output).map_err(Failure::usage)?;
    let report = read(file).map_err(Failure::usage)?;
    print::result(&stampede_report::chaos::text(&report));
    write(output, &report).map_err(Failure::tool)?;
    Ok(Exit::Pass)
}

fn read(file: &Path) -> anyhow::Result<ChaosReport> {
    let name = file.display();
    let hint = "hint: name a file that `stampede chaos run --json FILE` has written";
    let length = fs::metadata(file).map_err(|error| anyhow!("cannot read {name}: {error}\n{hint}"))?.len();
    if length > BYTES_MAX {
        bail!("{name} is longer than any run of faults\n{hint}");
    }
    let text = fs::read_to_string(file).map_err(|error| anyhow!("cannot read {name}: {error}\n{hint}"))?;
    let report: ChaosReport =
        serde_json::from_str(&text).map_err(|error| anyhow!("{name} is no run of faults: {error}\n{hint}"))?;
    if report.format != CHAOS_FORMAT || report.version > CHAOS_VERSION {
        bail!(
            "{name} is `{}` version {}, and this program reads {CHAOS_FORMAT} up to {CHAOS_VERSION}",
            report.format,
            report.version
        );
    }
    Ok(report)
}

fn kind_of(file: &Path) -> anyhow::Result<Kind> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(Kind::Json),
        Some("html") => Ok(Kind::Html),
        _ => bail!("-o: {} ends in no known way\nhint: .html or .json", file.display()),
    }
}
