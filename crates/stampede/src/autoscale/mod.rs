//! `stampede autoscale`: the algorithm of Kubernetes' `HorizontalPodAutoscaler` over a service of a local cluster, and its manifest.
//!
//! Invariants: the whole file is checked before anything is started or sent; the manifest has the numbers of the run; a cluster that
//! was started for the run ends with it, one that was found is left.

mod args;
mod place;
mod row;
mod run;

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use stampede_model::autoscale::{AUTOSCALE_FORMAT, AUTOSCALE_VERSION, AutoscaleReport, Autoscaler, ScalePlan};
use stampede_model::verdict::{RowReport, Verdict};

pub(crate) use args::AutoscaleArgs;
pub(crate) use row::horizontal_scale_row;

use crate::exit::Exit;
use crate::{Failure, print};
use args::{AutoscaleCommand, RunArgs};

/// Carries out the subcommand.
pub(crate) fn command(args: &AutoscaleArgs) -> Result<Exit, Failure> {
    match &args.command {
        AutoscaleCommand::Run(args) => run(args),
        AutoscaleCommand::Row { file, json } => row_of(file, json.as_deref()),
        AutoscaleCommand::Manifest { file } => {
            let scaler = Autoscaler::parse(&file.display().to_string(), &text_of(file)?).map_err(Failure::usage)?;
            print::result(&scaler.manifest());
            Ok(Exit::Pass)
        }
        AutoscaleCommand::Report { run, html } => {
            let report = read(run).map_err(Failure::usage)?;
            match html {
                Some(file) => write_page(file, &report).map_err(Failure::tool)?,
                None => print::result(&stampede_report::autoscale::text(&report)),
            }
            Ok(Exit::Pass)
        }
    }
}

fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let report = run::carry_out(args)?;
    print::result(&stampede_report::autoscale::text(&report));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report).map_err(Failure::tool)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display())).map_err(Failure::tool)?;
        print::remark(format_args!("wrote {}", file.display()));
    }
    if let Some(file) = &args.html {
        write_page(file, &report).map_err(Failure::tool)?;
    }
    let exit = exit_of(&report.rows);
    Ok(if report.interrupted { exit.and(Exit::Interrupted) } else { exit })
}

fn row_of(file: &Path, json: Option<&Path>) -> Result<Exit, Failure> {
    // What is wrong with the file is a mistake in the arguments; what goes wrong later is a row.
    ScalePlan::parse(&file.display().to_string(), &text_of(file)?).map_err(Failure::usage)?;
    let row = horizontal_scale_row(file);
    print::result(&stampede_report::accept::table(std::slice::from_ref(&row)));
    if !row.reason.is_empty() {
        print::result(&format!("\n{}\n", row.reason));
    }
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&row).map_err(Failure::tool)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display())).map_err(Failure::tool)?;
    }
    Ok(exit_of(&[row]))
}

/// The gravest row decides, and without rows nothing was shown.
fn exit_of(rows: &[RowReport]) -> Exit {
    let of = |row: &RowReport| match row.verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Violated => Exit::CorrectnessViolated,
        Verdict::Missed => Exit::ThresholdFailed,
        Verdict::Unknown => Exit::NotTrustworthy,
        Verdict::NotRun => Exit::ToolError,
    };
    rows.iter().map(of).reduce(Exit::and).unwrap_or(Exit::NotTrustworthy)
}

fn text_of(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| {
        let file = file.display();
        Failure::usage(anyhow!("cannot read {file}: {error}\nhint: scenarios/autoscale.toml is a file to begin with"))
    })
}

fn read(file: &Path) -> anyhow::Result<AutoscaleReport> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let value: serde_json::Value = serde_json::from_str(&text).with_context(|| format!("{shown} is not JSON"))?;
    if value["format"] != AUTOSCALE_FORMAT || value["version"] != AUTOSCALE_VERSION {
        let (format, version) = (&value["format"], &value["version"]);
        return Err(anyhow!(
            "{shown} is {format} version {version}, not {AUTOSCALE_FORMAT} version {AUTOSCALE_VERSION}"
        ));
    }
    serde_json::from_value(value).with_context(|| format!("{shown} is damaged"))
}

fn write_page(file: &Path, report: &AutoscaleReport) -> anyhow::Result<()> {
    let page = stampede_report::autoscale::page(report);
    fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))?;
    print::remark(format_args!("wrote {}", file.display()));
    Ok(())
}
