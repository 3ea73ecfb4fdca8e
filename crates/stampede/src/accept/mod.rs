//! `stampede accept`: starts a described target, checks it row by row, prints the guide's table, stops everything.
//!
//! Invariants: the whole target file is checked before anything is started; each row is printed as soon as it is known; a row that
//! could not be run is never a pass; whatever ends the run, the target is stopped unless it was asked to be kept.
//! An acceptance file does the same for a whole cluster, which is also broken and watched ([`full`]).

mod args;
mod full;
mod order;
mod output;
mod run;

pub(crate) use args::AcceptArgs;

use stampede_model::target::Origin;
use stampede_model::verdict::{AcceptRun, RunEnd, Verdict};

use crate::exit::Exit;
use crate::{Failure, print};
use order::Order;

/// Carries out the subcommand.
pub(crate) fn command(args: &AcceptArgs) -> Result<Exit, Failure> {
    if let Some(file) = &args.file {
        return full::command(args, file);
    }
    let order = Order::from_args(args).map_err(Failure::usage)?;
    if args.list {
        print::result(&output::list(&order));
        return Ok(Exit::Pass);
    }
    for file in order.files() {
        output::touch(file).map_err(Failure::usage)?;
    }
    if args.keep && order.target.start.origin() == Origin::Found {
        print::remark("note: nothing is started, so --keep changes nothing");
    }
    let run = run::run(&order)?;
    print::result(&format!("\n{}", stampede_report::accept::text(&run)));
    output::write((&order.json, &order.markdown), &run).map_err(Failure::tool)?;
    Ok(exit_of(&run))
}

/// A proven violation first, then what is not known, then a missed threshold, then a row that could not be run.
fn exit_of(run: &AcceptRun) -> Exit {
    if run.end == RunEnd::Interrupted {
        return Exit::Interrupted;
    }
    let by_gravity = [
        (Verdict::Violated, Exit::CorrectnessViolated),
        (Verdict::Unknown, Exit::NotTrustworthy),
        (Verdict::Missed, Exit::ThresholdFailed),
        (Verdict::NotRun, Exit::ToolError),
    ];
    by_gravity.into_iter().find(|(verdict, _)| run.any(*verdict)).map_or(Exit::Pass, |(_, exit)| exit)
}

#[cfg(test)]
mod tests {
    use stampede_model::verdict::{ACCEPT_FORMAT, ACCEPT_VERSION, RowReport};

    use super::*;

    fn run(verdicts: &[Verdict]) -> AcceptRun {
        let row = |verdict: &Verdict| RowReport {
            id: String::new(),
            test: String::new(),
            metric: String::new(),
            target: String::new(),
            figure: String::new(),
            verdict: *verdict,
            reason: String::new(),
            evidence: Vec::new(),
            elapsed_ms: 0,
        };
        AcceptRun {
            format: ACCEPT_FORMAT.into(),
            version: ACCEPT_VERSION,
            target: String::new(),
            url: String::new(),
            started_unix_ms: 0,
            elapsed_ms: 0,
            end: RunEnd::Complete,
            rows: verdicts.iter().map(row).collect(),
        }
    }

    #[test]
    fn the_gravest_row_decides_and_only_passes_pass() {
        use Verdict::{Missed, NotRun, Pass, Unknown, Violated};
        assert_eq!(exit_of(&run(&[Pass, Pass])), Exit::Pass);
        assert_eq!(exit_of(&run(&[Pass, NotRun])), Exit::ToolError);
        assert_eq!(exit_of(&run(&[NotRun, Missed])), Exit::ThresholdFailed);
        assert_eq!(exit_of(&run(&[Missed, Unknown])), Exit::NotTrustworthy);
        assert_eq!(exit_of(&run(&[Unknown, NotRun, Violated])), Exit::CorrectnessViolated);
        let interrupted = AcceptRun { end: RunEnd::Interrupted, ..run(&[Pass]) };
        assert_eq!(exit_of(&interrupted), Exit::Interrupted);
    }
}
