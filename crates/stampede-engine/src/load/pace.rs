//! Offering the arrivals of an open flow at their intended times.
//!
//! Invariants: an arrival's intended time comes from the schedule alone; a change of the schedule is followed from its
//! instant on and never makes up for anything.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stampede_model::schedule::{Arrival, Share};

use super::flow::{Flow, FlowLoad};
use super::shard::{Phase, Shard};
use super::share::FlowShare;
use super::steer::{LEAD_NS, Orders, Steer};
use crate::pacing::Pacer;

/// Longest sleep of the pacer, so that a stop or a change is seen although the next arrival is far.
const NAP: Duration = Duration::from_millis(10);
const _: () = assert!(NAP.as_nanos() * 2 < LEAD_NS as u128, "a change must be seen before it takes effect");
/// Above this rate per thread each wake-up would cost more than the request: arrivals leave in bunches.
const BUNCH_ABOVE_PER_S: f64 = 10_000.0;
/// Shortest sleep above that rate.
const BUNCH: Duration = Duration::from_micros(250);
/// Arrivals offered in one go before the users get a turn.
const BURST: u32 = 64;

/// Offers each arrival of the thread's part of `flow` at its intended time.
pub(super) async fn pace(
    (shard, part): (Rc<Shard>, Rc<FlowShare>),
    flow: Flow,
    steer: Arc<Steer>,
    pacer: Pacer,
) -> io::Result<()> {
    let ended = Pace::new(&shard, &part, &flow, &steer).run(pacer).await;
    part.issued.set(true);
    // Whoever is idle may leave now.
    shard.wake_all();
    ended
}

struct Pace<'a> {
    shard: &'a Rc<Shard>,
    part: &'a Rc<FlowShare>,
    steer: &'a Steer,
    orders: Orders,
    arrivals: stampede_model::schedule::Arrivals,
    start_ns: u64,
    /// When the flow ends, without pauses.
    end_ns: u64,
    last_index: u64,
    shortest: Duration,
    /// Whether the arrival given last has yet to be offered.
    pending: bool,
}

impl<'a> Pace<'a> {
    fn new(shard: &'a Rc<Shard>, part: &'a Rc<FlowShare>, flow: &Flow, steer: &'a Steer) -> Self {
        let FlowLoad::Arrivals { schedule, .. } = &flow.load else { unreachable!("only an open flow is paced") };
        let ours = part.arrivals.unwrap_or(Share::WHOLE);
        let often = schedule.rate_per_s() / ours.of as f64 > BUNCH_ABOVE_PER_S;
        Self {
            shard,
            part,
            steer,
            orders: steer.orders(),
            arrivals: schedule.arrivals(ours),
            start_ns: u64::try_from(flow.start_after.as_nanos()).unwrap_or(u64::MAX),
            end_ns: flow.end().map_or(u64::MAX, |end| u64::try_from(end.as_nanos()).unwrap_or(u64::MAX)),
            last_index: flow.iterations.unwrap_or(u64::MAX),
            shortest: if often { BUNCH } else { Duration::from_nanos(1) },
            pending: false,
        }
    }

    async fn run(mut self, pacer: Pacer) -> io::Result<()> {
        let mut now_ns = self.shard.clock.now_ns();
        let mut burst = 0;
        let mut next = self.take_next();
        loop {
            if self.has_changed() {
                // The arrival at hand has a new time, or its time never comes for now.
                next = if self.pending { self.arrivals.again() } else { self.take_next() };
            }
            if self.shard.phase.get() == Phase::Draining || self.is_last(next) {
                return Ok(());
            }
            let Some(arrival) = next else {
                // Paused: a later schedule may let it come.
                pacer.wait(NAP).await?;
                now_ns = self.shard.clock.now_ns();
                continue;
            };
            let intent_ns = self.start_ns.saturating_add(arrival.at_ns);
            if now_ns < intent_ns {
                pacer.wait(Duration::from_nanos(intent_ns - now_ns).clamp(self.shortest, NAP)).await?;
                now_ns = self.shard.clock.now_ns();
                burst = 0;
                continue;
            }
            if now_ns >= self.part.end_ns.get() {
                self.shard.behind.set(self.shard.behind.get() + 1);
            }
            self.shard.offer(self.part, arrival.index, intent_ns);
            next = self.take_next();
            burst += 1;
            if burst == BURST {
                burst = 0;
                tokio::task::yield_now().await;
                now_ns = self.shard.clock.now_ns();
            }
        }
    }

    fn take_next(&mut self) -> Option<Arrival> {
        let next = self.arrivals.next();
        self.pending = next.is_some();
        next
    }

    /// Takes up a change of the schedule.
    fn has_changed(&mut self) -> bool {
        if self.steer.version() == self.orders.version {
            return false;
        }
        self.orders = self.steer.orders();
        if let Some(schedule) = &self.orders.schedules[self.part.index] {
            self.arrivals.follow(schedule);
        }
        true
    }

    /// Whether `next`, and so all behind it, will not be offered.
    fn is_last(&self, next: Option<Arrival>) -> bool {
        let Some(arrival) = next else { return self.orders.paused_at_ns.is_none() };
        let intent_ns = self.start_ns.saturating_add(arrival.at_ns);
        // With the pauses that moved this arrival: what the thread's last look saw of them may be less.
        let is_past = || intent_ns >= self.end_ns.saturating_add(self.orders.paused_ns(intent_ns));
        arrival.index >= self.last_index
            || (intent_ns >= self.end_ns && self.orders.paused_at_ns.is_none() && is_past())
    }
}
