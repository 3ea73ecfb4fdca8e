//! `stampede load`: one URL, open or closed model, thresholds, a summary, a run file.
//!
//! Invariants: without a threshold of the user's own, `errors<1%` holds; an error in the arguments or an output file that
//! cannot be written is found before the first request.

mod args;
mod finish;
mod look;
mod order;
mod outcome;
mod stage;

use std::time::{SystemTime, UNIX_EPOCH};

use stampede_engine::load;
use stampede_model::run::RunFile;

pub(crate) use args::LoadArgs;
pub(crate) use finish::{Files, environment, exit_of, report};
pub(crate) use look::exchange;
pub(crate) use order::read_body;
pub(crate) use outcome::OutcomeArgs;

use crate::compare::against;
use crate::exit::Exit;
use crate::watch::{Heading, Show, watched};
use crate::{Failure, print};
use order::{Noise, Order};

/// Carries out the subcommand.
pub(crate) fn command(args: &LoadArgs) -> Result<Exit, Failure> {
    let order = Order::from_args(args).map_err(Failure::usage)?;
    if args.dry_run {
        print::result(&look::plan(&order));
        return Ok(Exit::Pass);
    }
    if args.once {
        return look::once(&order);
    }
    let baseline = args.outcome.against()?;
    if let Some(baseline) = &baseline {
        baseline.check(&order.plan.record())?;
    }
    let run = carry_out(&order)?;
    report(&run, order.summary, &order.files).map_err(Failure::tool)?;
    Ok(baseline.map_or(Exit::Pass, |baseline| against(&run, &baseline)).and(exit_of(&run)))
}

fn carry_out(order: &Order) -> Result<RunFile, Failure> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let show = match order.noise {
        Noise::Quiet => Show::Nothing,
        Noise::Progress => Show::Progress { of: order.plan.stop.duration },
        Noise::Live => Show::Live(heading(order)),
    };
    let plan = order.plan.clone();
    let result = watched(show, move |control| load::run(&plan, control))?;
    let started_unix_ns = u64::try_from(started.as_nanos()).unwrap_or(u64::MAX);
    let mut run = RunFile::conclude(started_unix_ns, order.plan.record(), &order.thresholds, result);
    run.environment = environment();
    Ok(run)
}

fn heading(order: &Order) -> Heading {
    let request = &order.plan.requests[0];
    Heading {
        title: format!("{} {}", request.method(), request.endpoint()),
        model: look::arrivals(&order.plan),
        of: order.plan.stop.duration,
    }
}
