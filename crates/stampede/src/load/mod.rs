//! `stampede load`: one URL, open or closed model, thresholds, a summary, a run file.
//!
//! Invariants: without a threshold of the user's own, `errors<1%` holds; an error in the arguments or an output file that
//! cannot be written is found before the first request.

mod args;
mod look;
mod order;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use stampede_engine::load;
use stampede_model::run::RunFile;
use stampede_model::run_result::Ending;
use stampede_model::threshold::Judgement;
use stampede_report::summary::{self, Detail};

pub(crate) use args::LoadArgs;
pub(crate) use look::exchange;
pub(crate) use order::read_body;

use crate::exit::Exit;
use crate::watch::{Show, watched};
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
    if let Some(path) = &order.json {
        touch(path).map_err(Failure::usage)?;
    }
    let run = carry_out(&order)?;
    print::result(&summary::render_painted(&run, Detail::Full, print::paint()));
    if let Some(path) = &order.json {
        write(path, &run).map_err(Failure::tool)?;
    }
    Ok(exit_of(&run))
}

fn carry_out(order: &Order) -> Result<RunFile, Failure> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let show = match order.noise {
        Noise::Quiet => Show::Nothing,
        Noise::Progress => Show::Progress { of: order.plan.stop.duration },
    };
    let plan = order.plan.clone();
    let result = watched(show, move |control| load::run(&plan, control))?;
    let started_unix_ns = u64::try_from(started.as_nanos()).unwrap_or(u64::MAX);
    Ok(RunFile::conclude(started_unix_ns, order.plan.record(), &order.thresholds, result))
}

fn exit_of(run: &RunFile) -> Exit {
    let mut exit = Exit::Pass;
    if run.any(Judgement::Fail) {
        exit = exit.and(Exit::ThresholdFailed);
    }
    if run.any(Judgement::Unknown) || !run.trust.stands() {
        exit = exit.and(Exit::NotTrustworthy);
    }
    if run.result.ending == Ending::Interrupted {
        exit = exit.and(Exit::Interrupted);
    }
    exit
}

/// Makes sure the file can be written, without harming what stands there.
fn touch(path: &Path) -> anyhow::Result<()> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).with_context(|| format!("cannot write {}", path.display()))
}

fn write(path: &Path, run: &RunFile) -> anyhow::Result<()> {
    let saved = || -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(run)?;
        text.push(b'\n');
        let mut file = OpenOptions::new().write(true).truncate(true).create(true).open(path)?;
        Ok(file.write_all(&text)?)
    };
    saved().with_context(|| format!("cannot write {}", path.display()))
}
