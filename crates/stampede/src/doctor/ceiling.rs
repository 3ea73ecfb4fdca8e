//! How much this machine can generate: a closed loop, then rates, against a server that does nothing in a process of its own.
//!
//! The rate to be trusted is the highest one tried below which no rate failed: three fixed ones, then a few between the last
//! that held and the first that did not.
//! Absent on purpose: a second try. A machine on which every other run is late is one to know about.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;
use stampede_engine::load::{LoadPlan, Stop};
use stampede_engine::null_server::Habits;
use stampede_model::run_result::LoadResult;
use stampede_model::run_trust::Trust;
use stampede_model::schedule::{Schedule, Spacing};
use stampede_model::threshold::Threshold;
use stampede_model::units::thousands;

use super::bench::{Bench, Counted};
use crate::Failure;

/// Connections of the closed loop.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(64).expect("64 is not zero");
/// How long the closed loop runs, in probes.
const CLOSED_PROBES: u32 = 2;
/// Rates that are always tried until one fails, ascending.
const RATES: [u32; 3] = [1_000, 5_000, 20_000];
/// Rates tried after those.
const REFINEMENTS: usize = 3;
/// No plan of this size is measured on a machine of which one asks whether it can measure.
const RATE_MAX: u32 = 200_000;
/// A median departure later than this is no schedule.
pub(super) const LAG_P50_MAX_NS: u64 = 1_000_000;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ceiling {
    /// As fast as possible.
    pub(super) closed: ClosedLoop,
    /// The rates, in the order in which they were tried.
    pub(super) probes: Vec<Probe>,
    /// Requests per second up to which requests leave on time; 0 when not even the first rate held.
    pub(super) trusted_per_s: u32,
    /// Whether a higher rate was tried and failed.
    pub(super) limited: bool,
}

/// As fast as possible on a fixed number of connections.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct ClosedLoop {
    /// Connections.
    pub(super) connections: u32,
    /// Answers per second.
    pub(super) answered_per_s: f64,
    /// CPU time of the generator for one request.
    pub(super) cpu_ns_per_request: u64,
    /// CPU time of the server for one request.
    pub(super) server_cpu_ns_per_request: u64,
    /// Requests, by either side.
    #[serde(flatten)]
    pub(super) counted: Counted,
}

/// One rate.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Probe {
    /// Requests per second asked for.
    pub(super) asked_per_s: u32,
    /// Answers per second.
    pub(super) answered_per_s: f64,
    /// How late requests left.
    pub(super) lag_p50_ns: u64,
    /// How late requests left, 99th percentile.
    pub(super) lag_p99_ns: u64,
    /// CPU time of the generator for one request.
    pub(super) cpu_ns_per_request: u64,
    /// Requests, by either side.
    #[serde(flatten)]
    pub(super) counted: Counted,
    /// Why it did not hold; empty when it did.
    pub(super) doubts: Vec<String>,
}

impl Ceiling {
    pub(super) fn find(bench: &Bench, probe: Duration) -> Result<Self, Failure> {
        let closed = ClosedLoop::run(bench, probe * CLOSED_PROBES)?;
        let mut probes = Vec::new();
        let mut search = Search::default();
        while let Some(rate) = search.next() {
            let tried = Probe::run(bench, rate, probe)?;
            search.learn(rate, if tried.doubts.is_empty() { Outcome::Held } else { Outcome::Failed });
            probes.push(tried);
        }
        Ok(Self { closed, probes, trusted_per_s: search.held, limited: search.failed.is_some() })
    }
}

impl ClosedLoop {
    fn run(bench: &Bench, lasting: Duration) -> Result<Self, Failure> {
        bench.say(format_args!("as fast as possible on {CONNECTIONS} connections"));
        let measured = bench.measure(Habits::default(), |request| {
            LoadPlan::closed(request, CONNECTIONS, Stop { requests: None, duration: Some(lasting) })
        })?;
        let requests = measured.counted.by_server.max(1);
        Ok(Self {
            connections: CONNECTIONS.get(),
            answered_per_s: measured.result.answered_per_s(),
            cpu_ns_per_request: cpu_per_request(&measured.result),
            server_cpu_ns_per_request: measured.server_cpu_ns / requests,
            counted: measured.counted,
        })
    }
}

impl Probe {
    fn run(bench: &Bench, rate: u32, lasting: Duration) -> Result<Self, Failure> {
        bench.say(format_args!("{}/s on a schedule", thousands(rate.into())));
        let schedule = Schedule::new(f64::from(rate), Spacing::Poisson, 1).map_err(Failure::tool)?;
        let measured = bench.measure(Habits::default(), |request| {
            LoadPlan::open(request, schedule, Stop { requests: None, duration: Some(lasting) })
        })?;
        let result = &measured.result;
        let lag = |share| result.health.lag.quantile(share).map_or(0, |lag| lag.ns);
        let mut doubts: Vec<String> =
            Trust::of(result, &[Threshold::IMPLICIT.into()]).doubts.iter().map(ToString::to_string).collect();
        if lag(0.5) > LAG_P50_MAX_NS {
            doubts.push("half of the requests left more than 1 ms late".to_owned());
        }
        let lost = result.counts.asked - result.counts.succeeded;
        if lost > 0 {
            doubts.push(format!("{} of {} requests did not succeed", thousands(lost), thousands(result.counts.asked)));
        }
        Ok(Self {
            asked_per_s: rate,
            answered_per_s: result.answered_per_s(),
            lag_p50_ns: lag(0.5),
            lag_p99_ns: lag(0.99),
            cpu_ns_per_request: cpu_per_request(result),
            counted: measured.counted,
            doubts,
        })
    }
}

fn cpu_per_request(result: &LoadResult) -> u64 {
    result.health.cpu_ns / result.counts.sent.max(1)
}

/// Which rate to try next.
#[derive(Debug, Default)]
struct Search {
    held: u32,
    failed: Option<u32>,
    fixed_tried: usize,
    refined: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Held,
    Failed,
}

impl Search {
    fn next(&mut self) -> Option<u32> {
        if let (None, Some(rate)) = (self.failed, RATES.get(self.fixed_tried)) {
            self.fixed_tried += 1;
            return Some(*rate);
        }
        // Nothing is trusted below the first rate: there is no question left.
        if self.held == 0 || self.refined == REFINEMENTS || self.held >= RATE_MAX {
            return None;
        }
        self.refined += 1;
        Some(self.failed.map_or(self.held * 2, |failed| between(self.held, failed)).min(RATE_MAX))
    }

    fn learn(&mut self, rate: u32, outcome: Outcome) {
        match outcome {
            Outcome::Held => self.held = self.held.max(rate),
            Outcome::Failed => self.failed = Some(self.failed.map_or(rate, |before| before.min(rate))),
        }
    }
}

/// The geometric middle, rounded down to hundreds: nobody plans 12,345/s.
fn between(low: u32, high: u32) -> u32 {
    let middle = (f64::from(low) * f64::from(high)).sqrt() as u32;
    (middle / 100 * 100).max(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates tried on a machine that holds up to `limit`.
    fn tried(limit: u32) -> (Vec<u32>, u32) {
        let mut search = Search::default();
        let mut rates = Vec::new();
        while let Some(rate) = search.next() {
            search.learn(rate, if rate <= limit { Outcome::Held } else { Outcome::Failed });
            rates.push(rate);
        }
        (rates, search.held)
    }

    #[test]
    fn the_search_closes_in_on_the_limit() {
        let (rates, held) = tried(12_000);
        assert_eq!(rates, [1_000, 5_000, 20_000, 10_000, 14_100, 11_800]);
        assert_eq!(held, 11_800);
    }

    #[test]
    fn a_fast_machine_is_asked_for_more_and_a_hopeless_one_for_nothing() {
        assert_eq!(tried(50_000), (vec![1_000, 5_000, 20_000, 40_000, 80_000, 56_500], 40_000));
        assert_eq!(tried(u32::MAX).1, 160_000);
        assert_eq!(tried(0), (vec![1_000], 0));
    }

    #[test]
    fn a_rate_that_held_is_never_above_one_that_failed() {
        for limit in (0..250_000).step_by(777) {
            let (rates, held) = tried(limit);
            assert!(held <= limit && rates.len() <= RATES.len() + REFINEMENTS, "{limit}: {rates:?}");
        }
    }
}
