//! One fault, or the same kind again and again: the guide's "kill a random pod every 60 s".

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use stampede_engine::chaos::kubernetes::{KubernetesChaos, KubernetesOrder};
use stampede_model::chaos::BadFault;
use stampede_model::units::show_duration;
use tokio::time::{Instant, sleep, sleep_until};

use super::args::ChaosArgs;
use super::{failure, target};
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, cluster, print};

/// No fault may last longer: one that is forgotten must end in somebody's working day.
const LONGEST: Duration = Duration::from_hours(1);

pub(super) fn command(args: &ChaosArgs) -> Result<Exit, Failure> {
    let fault = args.raw().fault().map_err(|bad: BadFault| Failure::usage(anyhow!(bad.text)))?;
    if args.lasts > LONGEST || args.lasts.is_zero() {
        return Err(Failure::usage(anyhow!("--for: a fault lasts longer than 0s and at most an hour")));
    }
    if args.every.is_some_and(|every| every.is_zero() || (!fault.kind().is_an_instant() && every <= args.lasts)) {
        return Err(Failure::usage(anyhow!("--every: a fault ends before it comes again\nhint: longer than --for")));
    }
    let target = target(&args.place)?;
    let order = KubernetesOrder {
        fault,
        on: args.service.on.clone(),
        lasts: args.lasts,
        seed: args.seed.unwrap_or_else(drawn_seed),
        index: 0,
    };
    let runtime = cluster::runtime()?;
    if args.dry_run {
        let planned = runtime.block_on(target.plan(&order)).map_err(failure)?;
        print::remark(format_args!("{} on {} (seed {}); nothing is sent", planned.words, planned.on, order.seed));
        for line in &planned.does {
            print::result(&format!("{line}\n"));
        }
        let undo = serde_json::to_string(&planned.undo).map_err(Failure::tool)?;
        print::result(&format!("UNDO {undo}\n"));
        return Ok(Exit::Pass);
    }
    runtime.block_on(async {
        let program = env::current_exe().context("cannot find this program's own file").map_err(Failure::tool)?;
        let chaos = KubernetesChaos::begin(target, &args.journal, &program).await.map_err(failure)?;
        rounds(args, chaos, order).await
    })
}

/// Faults until they are enough or somebody says stop; whatever happens, what was broken is undone first.
async fn rounds(args: &ChaosArgs, chaos: KubernetesChaos, mut order: KubernetesOrder) -> Result<Exit, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    print::remark(format_args!("seed {}", order.seed));
    let times = if args.every.is_some() { args.times.unwrap_or(u64::MAX) } else { 1 };
    let began = Instant::now();
    let (mut exit, mut error) = (Exit::Pass, None);
    for round in 0..times {
        if let Some(every) = args.every {
            let due = began + every.saturating_mul(u32::try_from(round).unwrap_or(u32::MAX));
            tokio::select! {
                () = sleep_until(due) => {}
                () = stops.next() => {
                    exit = Exit::Interrupted;
                    break;
                }
            }
        }
        order.index = round;
        match one(&chaos, &order, &mut stops).await {
            Ok(Exit::Pass) => {}
            Ok(other) => {
                exit = other;
                break;
            }
            Err(failed) => {
                error = Some(failed);
                break;
            }
        }
    }
    let whole = chaos.end().await.map_err(failure)?;
    if !whole {
        let error = error.map_or_else(|| anyhow!("a fault is not undone"), |failed: Failure| failed.error);
        let hint = format!("hint: `stampede chaos recover --journal {}` tries again", args.journal.display());
        return Err(Failure { exit: Exit::FaultNotUndone, error: anyhow!("{error:#}\n{hint}") });
    }
    error.map_or(Ok(exit), Err)
}

/// One fault from its injection to its undo.
async fn one(chaos: &KubernetesChaos, order: &KubernetesOrder, stops: &mut Stops) -> Result<Exit, Failure> {
    let injected = chaos.inject(order).await.map_err(failure)?;
    let (words, on) = (injected.words.clone(), injected.on.clone());
    let is_an_instant = order.fault.kind().is_an_instant();
    let until = if is_an_instant { String::new() } else { format!(", for {}", show_duration(order.lasts)) };
    print::remark(format_args!("{words} on {on}{until}"));
    let mut exit = Exit::Pass;
    if !is_an_instant {
        tokio::select! {
            () = sleep(order.lasts) => {}
            () = stops.next() => exit = Exit::Interrupted,
        }
    }
    let undoing = Instant::now();
    let ended = chaos.undo(injected).await.map_err(failure)?;
    let took = show_duration(Duration::from_millis(undoing.elapsed().as_millis() as u64));
    if !ended.verified {
        return Err(Failure {
            exit: Exit::FaultNotUndone,
            error: anyhow!("{words} on {on} is not undone: {}", ended.note),
        });
    }
    print::result(&format!("{words} on {on}: undone after {took}, {}\n", ended.note));
    Ok(exit)
}

/// A number to draw from, when none was given.
fn drawn_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros() % 1_000_000).unwrap_or(1)
}
