//! `stampede plan`: what a scenario will do, reckoned before it is done, and what looks wrong in it.
//!
//! Invariant: nothing is sent, not even a connection made.

mod describe;

use clap::Args;
use stampede_model::scenario::schema;

pub(crate) use describe::{describe, headline};

use crate::exit::Exit;
use crate::run::{ScenarioArgs, read};
use crate::{Failure, exit, print};

/// Check a scenario and reckon what it will do: requests per second, users at work, rows needed, time.
///
/// Mistakes end with exit code 2; warnings with 0, or with --strict also with 2.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,

    /// Warnings are mistakes.
    #[arg(long)]
    strict: bool,

    /// Print the JSON schema of scenario files, for editors.
    #[arg(long)]
    schema: bool,
}

/// Carries out the subcommand.
pub(crate) fn command(args: &PlanArgs) -> Result<Exit, Failure> {
    if args.schema {
        let text = serde_json::to_string_pretty(&schema()).map_err(Failure::tool)?;
        print::result(&format!("{text}\n"));
        return Ok(Exit::Pass);
    }
    let plan = read(&args.scenario).map_err(Failure::usage)?;
    print::result(&describe(&plan, args.scenario.assume));
    let forecast = plan.forecast(args.scenario.assume);
    for warning in &plan.warnings {
        print::remark(format_args!("warning: {warning}\n"));
    }
    for warning in &forecast.warnings {
        print::remark(format_args!("warning: {warning}"));
    }
    let is_clean = plan.warnings.is_empty() && forecast.warnings.is_empty();
    Ok(if args.strict && !is_clean { Exit::Usage } else { Exit::Pass })
}
