//! `stampede diagnose`: a few looks at a system in trouble, and what they show, worst first.
//!
//! Invariant: it looks and changes nothing, unless it is told to give a lock back; then it deletes that one key, and only while it has
//! the value that was seen.

mod args;
mod look;
mod release;

pub(crate) use args::DiagnoseArgs;

use stampede_model::diagnose::{Finding, Severity, findings};

use crate::cluster::runtime;
use crate::exit::Exit;
use crate::print::Append;
use crate::{Failure, print};

/// Carries out the subcommand: 0 when nothing was found that needs anybody now, 99 otherwise.
pub(crate) fn command(args: &DiagnoseArgs) -> Result<Exit, Failure> {
    let plan = args.plan().map_err(Failure::usage)?;
    if let Some(key) = &args.release {
        return runtime()?.block_on(release::command(args, &plan, key));
    }
    let seen = runtime()?.block_on(look::look(args, &plan))?;
    let found = findings(&seen);
    if args.json {
        print::result(&(serde_json::to_string_pretty(&found).map_err(Failure::tool)? + "\n"));
    } else {
        print::result(&text(&found));
    }
    let now = found.iter().any(|finding| finding.severity == Severity::Now);
    Ok(if now { Exit::ThresholdFailed } else { Exit::Pass })
}

fn text(found: &[Finding]) -> String {
    if found.is_empty() {
        return "nothing was found\n".to_owned();
    }
    let mut text = String::new();
    for Finding { severity, seen, evidence, hint, .. } in found {
        text.append(format_args!("{:<5} {seen}\n", severity.to_string()));
        for line in evidence {
            text.append(format_args!("      | {line}\n"));
        }
        text.append(format_args!("      hint: {hint}\n"));
    }
    text
}
