//! Takes the connections of a service's database away and sees how the service answers: before, meanwhile, afterwards.
//!
//! Invariants: the first connection taken is one of our own to look and release by, so that the end never depends on a
//! free place; every held connection is given back when the run ends, whatever ends it; requests leave on their schedule
//! whatever the service does.
//! Absent on purpose: ending the service's own connections. What it holds already stays its own.

mod hold;
mod probe;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stampede_model::run_result::Ending;
use stampede_model::stress::pool::{HoldRecord, Moments, PoolRule};
use stampede_model::stress::{Figure, StressKind, StressRun, Unit};
use tokio::time::{interval, sleep};

use super::postgres::Address;
use super::{StressError, Watcher, ns, unix_ns};
use crate::http::RequestPlan;
use hold::Holder;
use probe::Probes;

/// How long the one connection before a run may take.
const REACH: Duration = Duration::from_secs(5);
/// How often freed places are taken again.
const TOP_UP_EVERY: Duration = Duration::from_millis(200);
/// How much longer answers are watched than recovery may take: whether it lasts.
const WATCH_ON: Duration = Duration::from_secs(2);

/// What to do.
#[derive(Clone, Debug)]
pub struct PoolOrder {
    /// The request.
    pub request: RequestPlan,
    /// The database's URL, which may hold a password.
    pub database: String,
    /// How many connections are held.
    pub hold: HoldCount,
    /// How.
    pub manner: Manner,
    /// Time before anything is held.
    pub before: Duration,
    /// How long connections are held.
    pub hold_for: Duration,
    /// Requests per second.
    pub rate_per_s: f64,
    /// Time one request may take.
    pub timeout: Duration,
    /// Time from the release to good answers.
    pub recover_within: Duration,
    /// Statuses that are as good as a 2xx.
    pub also_good: Vec<u16>,
}

/// How many connections are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldCount {
    /// So many.
    Exactly(u32),
    /// All that ordinary users may have, but so many; places that become free meanwhile are taken too.
    AllBut(u32),
}

/// How connections are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// They do nothing.
    Idle,
    /// Each is in a transaction.
    InTransaction,
    /// One of them locks this table, the others do nothing.
    Lock(String),
}

/// Carries out the order.
///
/// # Errors
/// When nothing could be tried: no service, no database, not one connection held.
/// # Cancel safety
/// Dropping the future gives all connections back.
pub async fn run(order: &PoolOrder, watcher: Watcher<'_>) -> Result<StressRun, StressError> {
    let address = Address::parse(&order.database)?;
    order.request.endpoint().reach(REACH)?;
    let mut holder = Holder::open(&address, order).await?;
    let mut run = StressRun::begun(StressKind::Pool, order.request.endpoint().to_string(), unix_ns());
    let probes = Arc::new(Probes::new(order));
    let started = probes.started();
    let sending = tokio::spawn(Arc::clone(&probes).send());
    let moments = phases(order, &mut holder, started, watcher).await;
    probes.end();
    // The sender only waits for what is under way, which has its time-out.
    sending.await.map_err(|_| StressError::Io {
        action: "send requests".to_owned(),
        source: std::io::Error::other("the sender panicked"),
    })?;
    let moments = moments?;
    if watcher.is_stopped() {
        run.ending = Ending::Interrupted;
    }
    conclude(&mut run, order, &probes, moments, holder.record());
    run.elapsed_ns = ns(started.elapsed());
    Ok(run)
}

/// Before, meanwhile, afterwards.
async fn phases(
    order: &PoolOrder,
    holder: &mut Holder,
    started: Instant,
    watcher: Watcher<'_>,
) -> Result<Moments, StressError> {
    let now_ns = || ns(started.elapsed());
    pause(order.before, watcher).await;
    if watcher.is_stopped() {
        return Err(StressError::Stopped);
    }
    let taken_ns = now_ns();
    holder.take().await?;
    let held_ns = now_ns();
    (watcher.tell)(&format!("holding {} connections ({})", holder.held(), holder.record().manner));
    keep(order.hold_for, holder, watcher).await;
    holder.release().await;
    let released_ns = now_ns();
    (watcher.tell)("released");
    pause(order.recover_within + WATCH_ON, watcher).await;
    Ok(Moments { taken_ns, held_ns, released_ns, end_ns: now_ns() })
}

async fn pause(time: Duration, watcher: Watcher<'_>) {
    tokio::select! {
        () = sleep(time) => {}
        () = watcher.stopped() => {}
    }
}

async fn keep(time: Duration, holder: &mut Holder, watcher: Watcher<'_>) {
    let mut ticks = interval(TOP_UP_EVERY);
    let end = sleep(time);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return,
            () = watcher.stopped() => return,
            _ = ticks.tick() => holder.top_up().await,
        }
    }
}

fn conclude(run: &mut StressRun, order: &PoolOrder, probes: &Probes, moments: Moments, hold: HoldRecord) {
    let rule = PoolRule { recover_within_ns: ns(order.recover_within), also_good: order.also_good.clone() };
    let (record, findings) = rule.judge(&probes.taken(), moments, hold);
    run.findings = findings;
    let during = &record.phases[1];
    run.figures.push(Figure::new("held", f64::from(record.hold.held), Unit::Count));
    run.figures.push(Figure::new("unavailable", during.unavailable_share(), Unit::Share));
    for (name, value) in [("first_good", record.first_good_ns), ("settled", record.settled_ns)] {
        if let Some(value) = value {
            run.figures.push(Figure::new(name, value as f64, Unit::Ns));
        }
    }
    run.pool = Some(record);
}
