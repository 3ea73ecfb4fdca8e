//! `stampede chaos`: one fault, or a plan of faults under load, against a cluster that `stampede cluster` started.
//!
//! Invariants: only what that cluster started is ever hit; every fault ends, also when this program is killed in the middle of it;
//! an undo that was not seen to have worked ends with exit code 6.

mod args;
pub(crate) mod axis;
mod campaign;
mod checked;
mod load;
pub(crate) mod looking;
pub(crate) mod output;
pub(crate) mod plan;

use std::env;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use stampede_engine::chaos::{Chaos, ChaosError, JournalFile, Order, Target, guard, recover};
use stampede_model::chaos::Kind;
use stampede_model::units::show_duration;
use tokio::time::sleep;

pub(crate) use args::ChaosArgs;

use crate::exit::Exit;
use crate::print::Append;
use crate::watch::Stops;
use crate::{Failure, cluster, print};
use args::{ChaosCommand, OneArgs, PlaceArgs};

/// Carries out the subcommand.
pub(crate) fn command(args: &ChaosArgs) -> Result<Exit, Failure> {
    match &args.command {
        None => one(&args.one),
        Some(ChaosCommand::Run(args)) => plan::command(args),
        Some(ChaosCommand::Report { file, output }) => output::again(file, output),
        Some(ChaosCommand::Recover { place }) => recover_all(place),
        Some(ChaosCommand::List) => {
            print::result(&list());
            Ok(Exit::Pass)
        }
        Some(ChaosCommand::Guardian { journal }) => {
            let left = cluster::runtime()?.block_on(guard(journal)).map_err(Failure::tool)?;
            Ok(if left.iter().all(|(_, undone)| undone.verified) { Exit::Pass } else { Exit::FaultNotUndone })
        }
    }
}

fn list() -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        match kind.unavailable() {
            None => text.append(format_args!("{:<14} {}\n", kind.word(), kind.about())),
            Some(why) => text.append(format_args!("{:<14} not possible here: {why}\n", kind.word())),
        }
    }
    text
}

/// A number to draw from, when none was given.
fn drawn_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros() % 1_000_000).unwrap_or(1)
}

/// Takes the journal and starts the guardian.
async fn begin(place: &PlaceArgs) -> Result<Chaos, Failure> {
    let card = cluster::find(&place.folder.dir)?;
    let program = env::current_exe().context("cannot find this program's own file").map_err(Failure::tool)?;
    Chaos::begin(Target::of(&card), &place.journal(), &program).await.map_err(failure)
}

/// What is open in a journal is a fault that was not undone, whatever else is to be done.
fn failure(error: ChaosError) -> Failure {
    match error {
        ChaosError::Open { .. } | ChaosError::BadJournal { .. } => {
            Failure { exit: Exit::FaultNotUndone, error: error.into() }
        }
        ChaosError::Aim(_) => Failure::usage(error),
        other => Failure::tool(other),
    }
}

fn one(args: &OneArgs) -> Result<Exit, Failure> {
    let raw = args.raw();
    let usage = |error: stampede_model::chaos::BadFault| Failure::usage(anyhow!(error.text));
    let order = Order {
        kind: raw.kind().map_err(usage)?,
        fault: raw.fault().map_err(usage)?,
        lasts: raw.lasts().map_err(usage)?,
        on: raw.on,
        seed: args.seed.unwrap_or_else(drawn_seed),
        index: 0,
    };
    cluster::runtime()?.block_on(carry_out(args, &order))
}

async fn carry_out(args: &OneArgs, order: &Order) -> Result<Exit, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    let chaos = begin(&args.place).await?;
    let injected = match chaos.inject(order).await {
        Ok(injected) => injected,
        Err(error) => {
            let whole = chaos.end().await.map_err(failure)?;
            let failed = failure(error);
            return Err(if whole { failed } else { Failure { exit: Exit::FaultNotUndone, ..failed } });
        }
    };
    let (words, on) = (injected.words.clone(), injected.on.clone());
    let instant = order.kind.is_an_instant();
    let until = if instant { String::new() } else { format!(", for {}", show_duration(order.lasts)) };
    print::remark(format_args!("{words} on {on}{until} (seed {})", order.seed));
    let mut exit = Exit::Pass;
    if !instant {
        tokio::select! {
            () = sleep(order.lasts) => {}
            () = stops.next() => exit = Exit::Interrupted,
        }
    }
    let undoing = Instant::now();
    let ended = chaos.undo(injected).await.map_err(failure)?;
    let took = show_duration(std::time::Duration::from_millis(undoing.elapsed().as_millis() as u64));
    let whole = chaos.end().await.map_err(failure)?;
    if ended.verified && whole {
        print::result(&format!("{words} on {on}: undone after {took}, {}\n", ended.note));
        return Ok(exit);
    }
    let error = anyhow!(
        "{words} on {on} is not undone: {}\nhint: `stampede chaos recover --dir {}` tries again",
        ended.note,
        args.place.folder.dir.display()
    );
    Err(Failure { exit: Exit::FaultNotUndone, error })
}

fn recover_all(place: &PlaceArgs) -> Result<Exit, Failure> {
    let path = place.journal();
    if !path.exists() {
        print::remark(format_args!("{} is not there: nothing was broken", path.display()));
        return Ok(Exit::Pass);
    }
    let mut journal = JournalFile::open_alone(&path).map_err(failure)?;
    let recovered = cluster::runtime()?.block_on(recover(&mut journal, "recover")).map_err(failure)?;
    if recovered.is_empty() {
        print::remark("nothing is open");
    }
    let mut exit = Exit::Pass;
    for (fault, undone) in recovered {
        let word = if undone.verified { "undone" } else { "NOT UNDONE" };
        print::result(&format!("{} on {}: {word}, {}\n", fault.fault, fault.on, undone.note));
        if !undone.verified {
            exit = Exit::FaultNotUndone;
        }
    }
    Ok(exit)
}
