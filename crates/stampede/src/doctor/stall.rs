//! A server that stands still for a fifth of a run, as a schedule sees it and as a closed loop does.
//!
//! Of 10,000 arrivals 2,000 fall into the two seconds and wait from two seconds down to nothing, so the 99th percentile is
//! about 1.9 s, whatever the server does otherwise. Who measures from the send, or sends nothing while nothing comes back,
//! sees a handful of slow requests.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;
use stampede_engine::load::{Arrivals, LoadPlan, Stop};
use stampede_engine::null_server::{Freeze, Habits};
use stampede_model::histogram::Histogram;
use stampede_model::run_result::LoadResult;
use stampede_model::schedule::{Schedule, Spacing};

use super::bench::{Bench, Counted};
use crate::Failure;

/// How long each of the two runs takes.
const LASTING: Duration = Duration::from_secs(10);
/// Arrivals per second of the schedule.
const RATE_PER_S: f64 = 1_000.0;
/// Connections of the schedule: what is sent into the stall is half a percent of all.
const IN_FLIGHT: NonZeroU32 = NonZeroU32::new(50).expect("50 is not zero");
/// Connections of the closed loop: with the server's delay about as many requests a second as the schedule has.
const CLOSED: NonZeroU32 = NonZeroU32::new(3).expect("3 is not zero");
/// An ordinary answer's time.
const DELAY: Duration = Duration::from_millis(2);
/// The stall.
const FREEZE: Freeze = Freeze { after: Duration::from_secs(4), lasting: Duration::from_secs(2) };
/// What the 99th percentile from the intended start must be: 1.9 s, and room for a late start of the stall.
const TRUTH_NS: RangeInclusive<u64> = 1_700_000_000..=2_000_000_000;

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Stall {
    /// The same stall, three ways.
    pub(super) intent: Seen,
    pub(super) service: Seen,
    pub(super) closed: Seen,
    /// The schedule's run, second by second.
    pub(super) seconds: Vec<Second>,
    /// Requests of the schedule's run, by either side.
    #[serde(flatten)]
    pub(super) counted: Counted,
}

/// One way to look at it; times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    pub(super) requests: u64,
    pub(super) p50_ns: u64,
    pub(super) p95_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) max_ns: u64,
}

/// One second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Second {
    /// From 0.
    pub(super) at_s: u32,
    pub(super) answered: u64,
    /// The slowest that ended in it, from its intended start; `None` when none did.
    pub(super) max_ns: Option<u64>,
}

impl Stall {
    pub(super) fn show(bench: &Bench) -> Result<Self, Failure> {
        let habits = Habits { delay: DELAY, spread: None, freeze: Some(FREEZE) };
        let stop = Stop { requests: None, duration: Some(LASTING) };
        let schedule = Schedule::new(RATE_PER_S, Spacing::Uniform, 1).map_err(Failure::tool)?;
        bench.say("a server that stands still for 2 s, at 1,000/s on a schedule");
        let open = bench.measure(habits, |request| {
            let mut plan = LoadPlan::open(request, schedule.clone(), stop);
            plan.arrivals = Arrivals::Open { schedule, max_in_flight: IN_FLIGHT, max_queue: LoadPlan::MAX_QUEUE };
            plan
        })?;
        bench.say(format_args!("the same server in a closed loop of {CLOSED} connections"));
        let closed = bench.measure(habits, |request| LoadPlan::closed(request, CLOSED, stop))?;
        Ok(Self {
            intent: Seen::of(&open.result.latency.intent),
            service: Seen::of(&open.result.latency.service),
            closed: Seen::of(&closed.result.latency.service),
            seconds: seconds(&open.result),
            counted: open.counted,
        })
    }

    /// Whether the stall shows as what it was.
    pub(super) fn is_seen(&self) -> bool {
        TRUTH_NS.contains(&self.intent.p99_ns)
    }
}

impl Seen {
    fn of(histogram: &Histogram) -> Self {
        let quantile = |share| histogram.quantile(share).map_or(0, |figure| figure.ns);
        Self {
            requests: histogram.count(),
            p50_ns: quantile(0.5),
            p95_ns: quantile(0.95),
            p99_ns: quantile(0.99),
            max_ns: histogram.max().map_or(0, |figure| figure.ns),
        }
    }
}

/// Every second from 0, also one in which nothing ended.
fn seconds(result: &LoadResult) -> Vec<Second> {
    let last = result.seconds.last().map_or(0, |point| point.second);
    let at = |at_s| {
        let point = result.seconds.iter().find(|point| point.second == at_s);
        Second {
            at_s,
            answered: point.map_or(0, |point| point.succeeded + point.failed),
            max_ns: point.and_then(|point| point.max_ns),
        }
    };
    (0..=last).map(at).collect()
}

#[cfg(test)]
mod tests {
    use stampede_model::run_result::SecondPoint;

    use super::*;

    #[test]
    fn a_second_without_an_answer_is_a_second_too() {
        let point = |second| SecondPoint { second, succeeded: 5, max_ns: Some(7), ..SecondPoint::default() };
        let result = LoadResult { seconds: vec![point(0), point(2)], ..LoadResult::default() };
        let all = seconds(&result);
        assert_eq!(all.iter().map(|second| second.answered).collect::<Vec<_>>(), [5, 0, 5]);
        assert_eq!(all[1].max_ns, None);
    }
}
