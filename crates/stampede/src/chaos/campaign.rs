//! The faults of a plan, each at its time, several at once where the plan says so.
//!
//! Invariants: every fault that was injected is undone before the campaign returns, also when it is given up; what could not be
//! injected is told as that, and the others go on.

use std::sync::Arc;
use std::time::Duration;

use stampede_engine::chaos::{Chaos, ChaosError, Order};
use stampede_model::chaos::{ChaosPlan, Due, Expected, FaultReport};
use stampede_model::units::show_duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::print;

/// When to stop: the end of the run, an abort, Ctrl-C.
pub(super) type Over = watch::Receiver<bool>;

/// Why a fault was not injected whose turn did not come.
const TOO_LATE: &str = "the run was over before its turn";

/// Carries out the plan's faults; `start` is when the load began.
pub(super) async fn campaign(
    chaos: Arc<Chaos>,
    plan: &ChaosPlan,
    (seed, start): (u64, Instant),
    mut over: Over,
) -> Result<Vec<FaultReport>, ChaosError> {
    if let Some(gap) = plan.gap {
        return follow(chaos, plan, (seed, start, gap), over).await;
    }
    let (mut under_way, mut never) = (JoinSet::new(), Vec::new());
    for due in plan.dues() {
        let one = One { chaos: Arc::clone(&chaos), order: order(plan, due, seed), start, over: over.clone() };
        let expected = plan.faults[due.fault].expected.clone();
        let is_over = tokio::select! {
            () = sleep_until(start + due.at) => false,
            _ = over.wait_for(|over| *over) => true,
        };
        if is_over {
            let refused = Some(TOO_LATE.to_owned());
            never.push(FaultReport { refused, ..one.blank(expected) });
            continue;
        }
        under_way.spawn(async move { one.carry_out(expected).await });
    }
    let mut reports = Vec::new();
    let mut failed = None;
    while let Some(ended) = under_way.join_next().await {
        match ended {
            Ok(Ok(report)) => reports.push(report),
            Ok(Err(error)) => failed = Some(error),
            Err(panic) => failed = Some(ChaosError::Aim(format!("a fault's task ended badly: {panic}"))),
        }
    }
    reports.sort_by_key(|report| report.injected_ns);
    reports.extend(never);
    failed.map_or(Ok(reports), Err)
}

/// One fault after the other, each `gap` after the one before was undone; those whose turn does not come are told.
async fn follow(
    chaos: Arc<Chaos>,
    plan: &ChaosPlan,
    (seed, start, gap): (u64, Instant, Duration),
    mut over: Over,
) -> Result<Vec<FaultReport>, ChaosError> {
    let mut reports = Vec::new();
    for due in plan.dues() {
        let one = One { chaos: Arc::clone(&chaos), order: order(plan, due, seed), start, over: over.clone() };
        let expected = plan.faults[due.fault].expected.clone();
        if is_over(&mut over, gap).await {
            let refused = Some(TOO_LATE.to_owned());
            reports.push(FaultReport { refused, ..one.blank(expected) });
            continue;
        }
        reports.push(one.carry_out(expected).await?);
    }
    // The last one has its time as well.
    is_over(&mut over, gap).await;
    Ok(reports)
}

/// Waits; whether the end of the run came first.
async fn is_over(over: &mut Over, wait: Duration) -> bool {
    tokio::select! {
        biased;
        _ = over.wait_for(|over| *over) => true,
        () = sleep(wait) => false,
    }
}

fn order(plan: &ChaosPlan, due: Due, seed: u64) -> Order {
    let fault = &plan.faults[due.fault];
    Order {
        kind: fault.kind,
        fault: fault.fault.clone(),
        on: fault.on.clone(),
        lasts: fault.lasts,
        seed,
        index: due.index,
    }
}

struct One {
    chaos: Arc<Chaos>,
    order: Order,
    start: Instant,
    over: Over,
}

impl One {
    async fn carry_out(mut self, expected: Expected) -> Result<FaultReport, ChaosError> {
        let mut report = self.blank(expected);
        let injected = match self.chaos.inject(&self.order).await {
            Ok(injected) => injected,
            Err(error @ (ChaosError::Aim(_) | ChaosError::Inject { .. })) => {
                let why = error.to_string();
                if let ChaosError::Inject { left: Some(left), .. } = &error {
                    (report.verified, report.note) = (false, left.clone());
                }
                self.say(&format!("{} was not injected: {why}", report.fault));
                report.refused = Some(why);
                return Ok(report);
            }
            Err(error) => return Err(error),
        };
        (report.fault, report.on) = (injected.words.clone(), injected.on.clone());
        self.say(&format!("{} on {}", report.fault, report.on));
        if !self.order.kind.is_an_instant() {
            tokio::select! {
                () = sleep(self.order.lasts) => {}
                _ = self.over.wait_for(|over| *over) => {}
            }
        }
        let ended = self.chaos.undo(injected).await?;
        (report.undone_ns, report.verified, report.note) = (ns(self.start.elapsed()), ended.verified, ended.note);
        let word = if report.verified { "undone" } else { "NOT UNDONE" };
        self.say(&format!("{} on {} {word}: {}", report.fault, report.on, report.note));
        Ok(report)
    }

    /// Nothing has happened yet. Clients may notice from the first moment on, so the window begins before the injection.
    fn blank(&self, expected: Expected) -> FaultReport {
        let (fault, on) = (self.order.kind.to_string(), self.order.on.clone().unwrap_or_default());
        FaultReport::begins(fault, on, (ns(self.start.elapsed()), expected))
    }

    fn say(&self, text: &str) {
        let at = Duration::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX));
        print::remark(format_args!("{:>9}  {text}", show_duration(at)));
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
