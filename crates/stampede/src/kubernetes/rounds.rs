//! One fault, or the same kind again and again: the guide's "kill a random pod every 60 s".

use std::env;
use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use stampede_engine::chaos::kubernetes::{KubernetesChaos, KubernetesOrder};
use stampede_model::chaos::{BadFault, Expected, FaultReport};
use stampede_model::units::show_duration;
use tokio::time::{Instant, sleep, sleep_until};

use super::args::ChaosArgs;
use super::under_load::{Prepared, UnderLoad, ns};
use super::{failure, target};
use crate::chaos::output;
use crate::chaos::plan::exit_of;
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, cluster, print};

/// No fault may last longer: one that is forgotten must end in somebody's working day.
const LONGEST: Duration = Duration::from_hours(1);
/// How long clients are at work before the first fault: what they see without one.
const LEAD: Duration = Duration::from_secs(2);

pub(super) fn command(args: &ChaosArgs) -> Result<Exit, Failure> {
    let fault = args.raw().fault().map_err(|bad: BadFault| Failure::usage(anyhow!(bad.text)))?;
    if args.lasts > LONGEST || args.lasts.is_zero() {
        return Err(Failure::usage(anyhow!("--for: a fault lasts longer than 0s and at most an hour")));
    }
    if args.every.is_some_and(|every| every.is_zero() || (!fault.kind().is_an_instant() && every <= args.lasts)) {
        return Err(Failure::usage(anyhow!("--every: a fault ends before it comes again\nhint: longer than --for")));
    }
    let target = target(&args.place)?;
    let seed = args.seed.unwrap_or_else(drawn_seed);
    let order = KubernetesOrder { fault, on: args.service.on.clone(), lasts: args.lasts, seed, index: 0 };
    let prepared = Prepared::of(args, seed).map_err(Failure::usage)?;
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
    let exit = runtime.block_on(async {
        let program = env::current_exe().context("cannot find this program's own file").map_err(Failure::tool)?;
        let chaos = KubernetesChaos::begin(target.clone(), &args.journal, &program).await.map_err(failure)?;
        let clients = match prepared {
            None => None,
            Some(prepared) => match prepared.begin(&target, &order.on).await {
                Ok(clients) => Some(clients),
                Err(failed) => {
                    chaos.end().await.map_err(failure)?;
                    return Err(failed);
                }
            },
        };
        rounds(args, chaos, (order, clients)).await
    });
    // Generators of a run that failed may still be draining: nobody waits for them.
    runtime.shutdown_background();
    exit
}

/// Faults until they are enough or somebody says stop; whatever happens, what was broken is undone first.
async fn rounds(
    args: &ChaosArgs,
    chaos: KubernetesChaos,
    (mut order, clients): (KubernetesOrder, Option<UnderLoad>),
) -> Result<Exit, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    print::remark(format_args!("seed {}", order.seed));
    let times = if args.every.is_some() { args.times.unwrap_or(u64::MAX) } else { 1 };
    let began = clients.as_ref().map_or_else(Instant::now, UnderLoad::start);
    let lead = if clients.is_some() { LEAD } else { Duration::ZERO };
    let expected = Expected { recovery_ns: args.load.recovery.map(ns), ..Expected::default() };
    let (mut exit, mut error, mut faults) = (Exit::Pass, None, Vec::new());
    for round in 0..times {
        if args.every.is_some() || clients.is_some() {
            let every = args.every.unwrap_or_default();
            let due = began + lead + every.saturating_mul(u32::try_from(round).unwrap_or(u32::MAX));
            tokio::select! {
                () = sleep_until(due) => {}
                () = over(clients.as_ref()) => break,
                () = stops.next() => {
                    exit = Exit::Interrupted;
                    break;
                }
            }
        }
        order.index = round;
        let blank = FaultReport::begins(order.fault.words(), order.on.clone(), (ns(began.elapsed()), expected.clone()));
        match one(&chaos, &order, (&mut stops, began, blank)).await {
            Ok((fault, ended)) => {
                faults.push(fault);
                exit = ended;
                if ended != Exit::Pass {
                    break;
                }
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
    if let Some(failed) = error {
        return Err(failed);
    }
    let Some(clients) = clients else { return Ok(exit) };
    let report = clients.finish(order.seed, faults).await?;
    output::tell(&report, args.load.json.as_deref(), &args.load.output)?;
    Ok(exit_of(&report).and(exit))
}

/// Returns when the clients are done; without clients never.
async fn over(clients: Option<&UnderLoad>) {
    match clients {
        Some(clients) => clients.over().await,
        None => pending().await,
    }
}

/// One fault from its injection to its undo.
async fn one(
    chaos: &KubernetesChaos,
    order: &KubernetesOrder,
    (stops, began, mut fault): (&mut Stops, Instant, FaultReport),
) -> Result<(FaultReport, Exit), Failure> {
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
    (fault.fault, fault.on, fault.note, fault.undone_ns) = (words, on, ended.note, ns(began.elapsed()));
    Ok((fault, exit))
}

/// A number to draw from, when none was given.
fn drawn_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros() % 1_000_000).unwrap_or(1)
}
