//! `stampede accept FILE`: starts a cluster as an acceptance file says, checks it row by row, breaks it, watches it throughout, prints
//! the whole table, stops everything.
//!
//! Invariants: both files are checked before anything is started; a row that could not be run is never a pass; the cluster ends with
//! this process, however that ends.

mod command;
mod plan;
mod rows;
mod run;

use std::path::Path;

use crate::accept::{AcceptArgs, exit_of, output};
use crate::exit::Exit;
use crate::{Failure, print};
use plan::Plan;

/// Carries out the subcommand with an acceptance file.
pub(super) fn command(args: &AcceptArgs, file: &Path) -> Result<Exit, Failure> {
    let plan = Plan::from_args(args, file).map_err(Failure::usage)?;
    if args.list {
        print::result(&plan.list());
        return Ok(Exit::Pass);
    }
    for file in args.json.iter().chain(&args.markdown) {
        output::touch(file).map_err(Failure::usage)?;
    }
    let run = run::run(&plan)?;
    print::result(&format!("\n{}", stampede_report::accept::text(&run)));
    output::write((&args.json, &args.markdown), &run).map_err(Failure::tool)?;
    let exit = exit_of(&run);
    if exit != Exit::Pass {
        print::remark(format_args!("the logs are in {}", plan.dir.join("log").display()));
    }
    Ok(exit)
}
