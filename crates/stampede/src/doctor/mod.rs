//! `stampede doctor`: what this machine can measure, and a demonstration of what a closed loop hides.
//!
//! Invariants: all load stays on the loopback and is bounded in time and rate; nothing is installed or changed.
//! Absent on purpose: advice on the kernel's settings. What limits a run is named by the run itself.

mod args;
mod bench;
mod ceiling;
mod machine;
mod report;
mod stall;

use std::io;

use anyhow::Context;
use serde::Serialize;

pub(crate) use args::DoctorArgs;

use crate::exit::Exit;
use crate::{Failure, print};
use bench::Bench;
use ceiling::Ceiling;
use machine::Machine;
use stall::Stall;

/// What stands in `format`.
const FORMAT: &str = "stampede.doctor";
/// The only version there is.
const VERSION: u32 = 1;

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
struct Findings {
    format: &'static str,
    version: u32,
    machine: Machine,
    #[serde(skip_serializing_if = "Option::is_none")]
    ceiling: Option<Ceiling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stall: Option<Stall>,
    /// Why this machine's measurements cannot be trusted; empty when they can.
    doubts: Vec<String>,
    /// What is worth knowing.
    remarks: Vec<String>,
}

/// Carries out the subcommand.
pub(crate) fn command(args: &DoctorArgs) -> Result<Exit, Failure> {
    if args.serve_null {
        stampede_engine::null_server::attend(args.habits(), io::stdin().lock(), io::stdout())
            .context("the null server")
            .map_err(Failure::tool)?;
        return Ok(Exit::Pass);
    }
    if let Some(path) = &args.json {
        // Found out before 40 s are spent.
        std::fs::write(path, "").with_context(|| format!("cannot write {}", path.display())).map_err(Failure::usage)?;
    }
    let bench = Bench::new()?;
    bench.say("looking at the machine");
    let machine = Machine::look();
    let ceiling = if args.stall { None } else { Some(Ceiling::find(&bench, args.probe)?) };
    let stall = if args.no_stall { None } else { Some(Stall::show(&bench)?) };
    let doubts = report::doubts(ceiling.as_ref(), stall.as_ref());
    let remarks = report::remarks(&machine);
    let findings = Findings { format: FORMAT, version: VERSION, machine, ceiling, stall, doubts, remarks };
    print::result(&report::render(&findings));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&findings).context("the findings as JSON").map_err(Failure::tool)?;
        let written = std::fs::write(path, text + "\n");
        written.with_context(|| format!("cannot write {}", path.display())).map_err(Failure::tool)?;
    }
    Ok(if findings.doubts.is_empty() { Exit::Pass } else { Exit::NotTrustworthy })
}
