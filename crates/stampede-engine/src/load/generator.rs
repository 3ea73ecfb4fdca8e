//! One generator thread: it starts workers, offers arrivals on time, expires what is overdue, and knows when all is done.
//!
//! Invariants: the thread ends at the latest `drain` after the last request was issued (a closed plan without a duration:
//! after the last request's time-out); what is unsettled then is recorded as unfinished or not sent.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier, OnceLock};
use std::time::Duration;
use std::{cmp, io};

use stampede_model::histogram::Histogram;
use stampede_model::run_result::Counts;
use stampede_model::schedule::{Schedule, Share};
use tokio::runtime::{self, LocalOptions};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::control::Control;
use super::plan::{Arrivals, LoadPlan};
use super::recorder::{Recorded, Recorder};
use super::samples::Keep;
use super::series::Series;
use super::shard::{Job, Offer, Part, Phase, Route, Shard};
use super::worker;
use crate::clock::Clock;
use crate::pacing::Pacer;
use crate::process::thread_cpu_ns;

/// How often time-outs, the end, and the watcher's wishes are looked at: latencies do not hang on it.
const TICK: Duration = Duration::from_millis(10);
/// Longest sleep of the pacer, so that a stop is seen although the next arrival is far.
const NAP: Duration = Duration::from_millis(50);
/// Above this rate per thread each wake-up would cost more than the request: arrivals leave in bunches.
const BUNCH_ABOVE_PER_S: f64 = 10_000.0;
/// Shortest sleep above that rate.
const BUNCH: Duration = Duration::from_micros(250);
/// Arrivals offered in one go before the workers get a turn.
const BURST: u32 = 64;

/// What all threads of a run share: looked at a few hundred times a second, never per request.
pub(super) struct Common {
    pub(super) plan: Arc<LoadPlan>,
    pub(super) address: SocketAddr,
    pub(super) series: Arc<Series>,
    pub(super) keep: Keep,
    /// Threads of this run.
    pub(super) threads: usize,
    /// All threads start their clock together.
    pub(super) ready: Barrier,
    pub(super) clock: OnceLock<Clock>,
}

/// What one thread brings home.
pub(super) struct Harvest {
    pub(super) recorded: Recorded,
    pub(super) lag: Histogram,
    pub(super) behind: u64,
    pub(super) cpu_ns: u64,
    pub(super) wall_ns: u64,
    pub(super) in_flight_sum: u64,
    pub(super) looks: u64,
}

/// Runs thread `index` of the plan to its end.
pub(super) fn generate(common: &Common, control: &Control, index: usize) -> io::Result<Harvest> {
    let set_up = runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    // Every thread reaches the barrier, also one that failed: the others would wait for ever.
    common.ready.wait();
    let runtime = set_up?;
    let clock = *common.clock.get_or_init(Clock::start);
    let recorder = Recorder::new(index, Arc::clone(&common.series), common.keep);
    let part = part_of(&common.plan, index, common.threads);
    let shard = Rc::new(Shard::new(Arc::clone(&common.plan), common.address, clock, recorder, part));
    let started_ns = clock.now_ns();
    let mut watch = Watch::default();
    let ended = runtime.block_on(go(Rc::clone(&shard), control, (index, common.threads), &mut watch));
    shard.abandon(clock.now_ns());
    watch.publish(&shard, control);
    let wall_ns = clock.now_ns() - started_ns;
    drop(runtime);
    ended?;
    let lag = shard.lag.take();
    let all = shard.recorder.borrow_mut().finish();
    Ok(Harvest {
        recorded: all,
        lag,
        behind: shard.behind.get(),
        cpu_ns: thread_cpu_ns(),
        wall_ns,
        in_flight_sum: watch.in_flight_sum,
        looks: watch.looks,
    })
}

/// Thread `index` gets every `threads`-th connection, queue place and request; the first ones get the remainders.
fn part_of(plan: &LoadPlan, index: usize, threads: usize) -> Part {
    let part = |whole: u64| whole / threads as u64 + u64::from((index as u64) < whole % threads as u64);
    let queue_max = match plan.arrivals {
        Arrivals::Closed { .. } => 0,
        Arrivals::Open { max_queue, .. } => part(u64::from(max_queue)),
    };
    Part {
        quota: plan.stop.requests.map_or(u64::MAX, part),
        slots_max: part(u64::from(plan.connections())) as usize,
        queue_max: queue_max as usize,
    }
}

async fn go(
    shard: Rc<Shard>,
    control: &Control,
    (index, threads): (usize, usize),
    watch: &mut Watch,
) -> io::Result<()> {
    match &shard.plan.arrivals {
        Arrivals::Closed { .. } => {
            let part = part_of(&shard.plan, index, threads);
            for _ in 0..part.slots_max {
                worker::spawn(&shard, shard.add_slot());
            }
            watch.until_done(&shard, control, || shard.workers.get() == 0).await;
        }
        Arrivals::Open { schedule, .. } => {
            let part = Share { index: index as u64, of: threads as u64 };
            // Made here, where its failure can be told.
            let pacer = Pacer::new()?;
            let pacing = tokio::task::spawn_local(pace(Rc::clone(&shard), schedule.clone(), part, pacer));
            watch.until_done(&shard, control, || pacing.is_finished()).await;
            if pacing.is_finished() {
                return pacing.await.map_err(io::Error::other)?;
            }
        }
    }
    Ok(())
}

/// Offers each arrival of the share at its intended time.
async fn pace(shard: Rc<Shard>, schedule: Schedule, part: Share, pacer: Pacer) -> io::Result<()> {
    let shortest =
        if schedule.rate_per_s() / part.of as f64 > BUNCH_ABOVE_PER_S { BUNCH } else { Duration::from_nanos(1) };
    let last_index = shard.plan.stop.requests.unwrap_or(u64::MAX);
    let mut now_ns = shard.clock.now_ns();
    let mut burst = 0;
    for arrival in schedule.arrivals(part) {
        if arrival.at_ns >= shard.end_ns() || arrival.index >= last_index {
            break;
        }
        while now_ns < arrival.at_ns && shard.phase.get() == Phase::Issuing {
            pacer.wait(Duration::from_nanos(arrival.at_ns - now_ns).clamp(shortest, NAP)).await?;
            now_ns = shard.clock.now_ns();
            burst = 0;
        }
        if shard.phase.get() == Phase::Draining {
            break;
        }
        if now_ns >= shard.end_ns() {
            shard.behind.set(shard.behind.get() + 1);
        }
        let job = Job { index: arrival.index, intent_ns: arrival.at_ns, route: Route::Direct };
        if let Offer::NeedsWorker(id) = shard.offer(job) {
            worker::spawn(&shard, shard.slot(id));
        }
        burst += 1;
        if burst == BURST {
            burst = 0;
            tokio::task::yield_now().await;
            now_ns = shard.clock.now_ns();
        }
    }
    Ok(())
}

/// The thread's regular look at itself.
#[derive(Default)]
struct Watch {
    in_flight_sum: u64,
    looks: u64,
    published: Counts,
}

impl Watch {
    /// Ticks until everything asked for is issued (`issued`) and settled, or the drain is over.
    async fn until_done(&mut self, shard: &Shard, control: &Control, issued: impl Fn() -> bool) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain_ns = u64::try_from(shard.plan.drain.as_nanos()).unwrap_or(u64::MAX);
        let mut drain_until_ns = None;
        loop {
            let due = ticks.tick().await;
            let now_ns = shard.clock.now_ns();
            if matches!(shard.plan.arrivals, Arrivals::Closed { .. }) {
                let late = Instant::now().saturating_duration_since(due);
                shard.lag.borrow_mut().record(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX));
            }
            shard.expire(now_ns);
            shard.recorder.borrow_mut().move_on(now_ns);
            self.publish(shard, control);
            let issued = issued();
            if issued && shard.unsettled() == 0 {
                return;
            }
            if control.is_stopped() {
                shard.phase.set(Phase::Draining);
            }
            let over = issued || now_ns >= shard.end_ns() || shard.phase.get() == Phase::Draining;
            let Some(until_ns) = drain_until_ns else {
                drain_until_ns = over.then(|| now_ns.saturating_add(drain_ns));
                self.looks += 1;
                self.in_flight_sum += shard.unsettled() as u64;
                continue;
            };
            // An open schedule that is behind is still issued to its end; only then the drain may cut it short.
            let may_cut = issued || matches!(shard.plan.arrivals, Arrivals::Closed { .. });
            if now_ns >= until_ns && may_cut {
                return;
            }
        }
    }

    fn publish(&mut self, shard: &Shard, control: &Control) {
        let counts = shard.recorder.borrow().counts();
        let add = |cell: &std::sync::atomic::AtomicU64, now: u64, before: u64| {
            if now > before {
                cell.fetch_add(now - before, Ordering::Relaxed);
            }
        };
        add(&control.sent, counts.sent, self.published.sent);
        add(&control.answered, counts.answered, self.published.answered);
        add(&control.failed, counts.failed, self.published.failed);
        add(&control.not_sent, counts.not_sent, self.published.not_sent);
        self.published = counts;
    }
}

/// No more threads than connections: one without any would have nothing to do.
pub(super) fn threads_of(plan: &LoadPlan) -> usize {
    cmp::min(plan.threads.get(), plan.connections()) as usize
}
