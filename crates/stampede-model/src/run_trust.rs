//! Whether a measurement may be believed: the generator judged by the same run as the server.
//!
//! Invariants: a doubt is about the generator only; a slow, refusing or overloaded server is never a doubt, its failures
//! and its censored samples fail thresholds instead. A doubt is raised only where it could change the verdict, so that a
//! busy two-core machine does not cry wolf; what is merely worth knowing is a remark.
//!
//! The doubts:
//! - *behind*: more than 2 % of the arrivals of an open model had not even been looked at when their schedule was over,
//!   so the asked rate was never offered;
//! - *late*: the lag's 99th percentile (of at least 100 looks) exceeds both 10 ms and 10 % of the measured p99 **and** a
//!   latency threshold would come out otherwise with the lag taken off, or there is no latency threshold in an open model, where
//!   the latencies themselves are the result;
//! - *own limits*: more than one in a thousand requests failed because this machine had no port or file left.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{FailureKind, Fault};
use crate::run_result::{LagOf, LoadResult};
use crate::threshold::Limit;
use crate::units::{show_ns, show_share, thousands, trimmed};

/// Lag below this never matters.
const LAG_FLOOR_NS: u64 = 10_000_000;
/// Lag below this part of the measured p99 never matters.
const LAG_SHARE: f64 = 0.10;
/// Fewer looks have no 99th percentile to speak of.
const LAG_LOOKS: u64 = 100;
/// Part of the schedule that may be overdue at its end.
const BEHIND_SHARE: f64 = 0.02;
/// Part of the requests that may fail by the generator's own limits.
const OWN_FAULT_SHARE: f64 = 0.001;
/// From here on the generator, not the server, may be what limits a closed loop.
const BUSY_SHARE: f64 = 0.9;
/// Deviation from Little's law that is worth a remark; the looks are few and come in bursts.
const LITTLE_DEVIATION: f64 = 0.25;
/// Requests in flight by which the two may differ anyway.
const LITTLE_SLACK: f64 = 5.0;
const LITTLE_LOOKS: u64 = 200;
/// Tasks per core from which on they stand in each other's way.
const CROWDED: f64 = 2.0;
/// Segments sent again per request from which on they show in a 99.9th percentile.
const RETRANSMIT_SHARE: f64 = 0.001;

/// Why a measurement is not to be believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
pub enum Doubt {
    /// The asked rate was not offered.
    Behind {
        /// Arrivals not looked at in time.
        arrivals: u64,
        /// Arrivals asked for.
        asked: u64,
    },
    /// Requests left so late that the verdict would change.
    Late {
        /// 99th percentile of the lag in nanoseconds.
        lag_p99_ns: u64,
        /// 99th percentile from the intended start in nanoseconds.
        p99_ns: u64,
    },
    /// This machine ran out of something.
    OwnLimit {
        /// Of what.
        kind: FailureKind,
        /// How often.
        count: u64,
    },
}

/// What the generator says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Reasons not to believe the measurement; none means it stands.
    pub doubts: Vec<Doubt>,
    /// Worth knowing, but no reason for doubt.
    pub remarks: Vec<String>,
}

impl Trust {
    /// Judges the generator of `result`, given the thresholds that hang on it.
    pub fn of(result: &LoadResult, limits: &[Limit]) -> Self {
        let mut trust = Self::default();
        trust.check_behind(result);
        trust.check_lag(result, limits);
        trust.check_own_limits(result);
        trust.remark_cpu(result);
        trust.remark_little(result);
        trust.remark_machine(result);
        trust
    }

    /// Whether the measurement may be believed.
    pub fn stands(&self) -> bool {
        self.doubts.is_empty()
    }

    fn check_behind(&mut self, result: &LoadResult) {
        let (behind, asked) = (result.health.behind, result.counts.asked);
        if behind as f64 > asked as f64 * BEHIND_SHARE {
            self.doubts.push(Doubt::Behind { arrivals: behind, asked });
        }
    }

    fn check_lag(&mut self, result: &LoadResult, limits: &[Limit]) {
        let Some(lag) = result.health.lag.quantile(0.99) else { return };
        let p99_ns = result.latency.intent.quantile(0.99).map_or(0, |figure| figure.ns);
        if result.health.lag.count() < LAG_LOOKS || lag.ns <= LAG_FLOOR_NS || lag.ns as f64 <= p99_ns as f64 * LAG_SHARE
        {
            return;
        }
        let mut limits = limits.iter().filter(|limit| limit.threshold.is_latency()).peekable();
        let decides = |limit: &Limit| {
            let without = limit.judge_less(result, Duration::from_nanos(lag.ns));
            without.judgement != limit.judge(result).judgement
        };
        let figures_count = limits.peek().is_none() && result.health.lag_of == LagOf::Departures;
        if figures_count || limits.any(decides) {
            self.doubts.push(Doubt::Late { lag_p99_ns: lag.ns, p99_ns });
            return;
        }
        let text = format!("the generator was late (p99 {}), but no threshold hangs on it", show_ns(lag.ns));
        self.remarks.push(text);
    }

    fn check_own_limits(&mut self, result: &LoadResult) {
        for failure in result.failures.iter().filter(|failure| failure.kind.fault() == Fault::Generator) {
            if failure.count as f64 > result.counts.asked as f64 * OWN_FAULT_SHARE {
                self.doubts.push(Doubt::OwnLimit { kind: failure.kind, count: failure.count });
            }
        }
    }

    fn remark_cpu(&mut self, result: &LoadResult) {
        let share = result.health.cpu_share();
        if share >= BUSY_SHARE {
            let text =
                format!("the generator used {} of its CPU: the server may be faster than shown", show_share(share));
            self.remarks.push(text);
        }
    }

    /// The machine's own trouble: it explains figures, but the lag is what says whether it changed them.
    fn remark_machine(&mut self, result: &LoadResult) {
        let health = &result.health;
        let cores = f64::from(health.cores.max(1));
        if let Some(runnable) = health.runnable_mean.filter(|runnable| *runnable > cores * CROWDED) {
            let text = format!(
                "{} tasks wanted the {} CPUs of this machine: what is measured shares them",
                trimmed(runnable),
                cores
            );
            self.remarks.push(text);
        }
        if let Some(again) =
            health.retransmits.filter(|again| *again as f64 > result.counts.sent as f64 * RETRANSMIT_SHARE)
        {
            let text = format!(
                "this machine sent {} TCP segments again: the network, or the server's queue, lost them",
                thousands(again)
            );
            self.remarks.push(text);
        }
    }

    fn remark_little(&mut self, result: &LoadResult) {
        if result.health.in_flight_looks < LITTLE_LOOKS {
            return;
        }
        let Some(expected) = little(result) else { return };
        let looked = result.health.in_flight_mean;
        if (looked - expected).abs() > expected * LITTLE_DEVIATION + LITTLE_SLACK {
            let text = format!(
                "Little's law is off: {} in flight by looking, {} by rate x mean latency",
                trimmed(looked),
                trimmed(expected)
            );
            self.remarks.push(text);
        }
    }
}

/// Requests in flight as Little's law has them: the time all requests spent, over the time of the run. What an arrival
/// spent before the generator looked at it is taken off, because looking does not see it either. `None` without samples.
pub fn little(result: &LoadResult) -> Option<f64> {
    let spent_ns = result.latency.intent.sum_ns() + result.latency.failed.sum_ns();
    let unseen_ns = match result.health.lag_of {
        LagOf::Departures => result.health.lag.sum_ns(),
        LagOf::Ticks => 0,
    };
    let seen_ns = spent_ns.saturating_sub(unseen_ns);
    (spent_ns > 0 && result.elapsed_ns > 0).then(|| seen_ns as f64 / result.elapsed_ns as f64)
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind { arrivals, asked } => write!(
                f,
                "{} of {} arrivals were overdue when the schedule ended: the asked rate was not offered; ask for less or use --threads",
                thousands(*arrivals),
                thousands(*asked)
            ),
            Self::Late { lag_p99_ns, p99_ns } => write!(
                f,
                "requests left {} late (p99) while the measured p99 is {}: the generator had too little CPU; free the machine, \
                 ask for less or use --threads",
                show_ns(*lag_p99_ns),
                show_ns(*p99_ns)
            ),
            Self::OwnLimit { kind, count } => {
                write!(f, "{} requests failed on this machine's own limit: {kind}", thousands(*count))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;
    use crate::run_result::FailureCount;

    fn run(p99_ms: u64, lag_ms: u64) -> LoadResult {
        let mut result = LoadResult::default();
        for _ in 0..1_000 {
            result.latency.intent.record(p99_ms * 1_000_000);
            result.health.lag.record(lag_ms * 1_000_000);
        }
        result.counts.asked = 1_000;
        result.counts.sent = 1_000;
        result.counts.succeeded = 1_000;
        result.elapsed_ns = 1_000_000_000;
        result
    }

    fn limit(text: &str) -> Vec<Limit> {
        vec![text.parse().unwrap()]
    }

    #[test]
    fn small_lag_is_never_a_doubt() {
        assert!(Trust::of(&run(1, 9), &[]).stands(), "under 10 ms");
        assert!(Trust::of(&run(500, 49), &[]).stands(), "under a tenth of p99");
    }

    #[test]
    fn lag_is_a_doubt_where_the_figures_are_the_result() {
        let trust = Trust::of(&run(60, 50), &[]);
        assert!(matches!(trust.doubts[..], [Doubt::Late { .. }]), "{trust:?}");
        assert!(!Trust::of(&run(60, 50), &[Limit::IMPLICIT]).stands());
    }

    #[test]
    fn a_closed_loop_s_late_ticks_are_a_remark_and_a_short_run_s_none() {
        let mut result = run(60, 50);
        result.health.lag_of = LagOf::Ticks;
        let trust = Trust::of(&result, &[Limit::IMPLICIT]);
        assert!(trust.stands() && trust.remarks.len() == 1, "{trust:?}");
        assert!(!Trust::of(&result, &limit("p99<40ms")).stands(), "here the lag decides");
        result.health.lag = Histogram::new();
        result.health.lag.record(50_000_000);
        assert_eq!(Trust::of(&result, &limit("p99<40ms")), Trust::default(), "one look is no percentile");
    }

    #[test]
    fn lag_is_a_doubt_only_where_it_decides() {
        let near = Trust::of(&run(60, 50), &limit("p99<40ms"));
        assert!(!near.stands());
        let far = Trust::of(&run(60, 50), &limit("p99<500ms"));
        assert!(far.stands());
        assert_eq!(far.remarks.len(), 1, "{far:?}");
        assert!(Trust::of(&run(60, 50), &limit("p99<5ms")).stands(), "too slow even without the lag");
    }

    #[test]
    fn a_rate_not_offered_is_a_doubt_whatever_the_thresholds() {
        let mut result = run(1, 0);
        result.health.behind = 20;
        assert!(Trust::of(&result, &limit("p99<1s")).stands(), "exactly 2 %");
        result.health.behind = 21;
        assert!(!Trust::of(&result, &limit("p99<1s")).stands());
    }

    #[test]
    fn only_own_limits_are_doubts_not_the_servers_failures() {
        let mut result = run(1, 0);
        let failure = |kind| FailureCount { kind, count: 500, first_ns: 0, last_ns: 1, example: String::new() };
        result.failures = vec![failure(FailureKind::ConnectRefused), failure(FailureKind::Timeout)];
        assert!(Trust::of(&result, &[]).stands());
        result.failures.push(failure(FailureKind::NoLocalPort));
        assert!(!Trust::of(&result, &[]).stands());
    }

    #[test]
    fn a_busy_generator_and_a_broken_law_are_remarks() {
        let mut result = run(1, 0);
        result.health.cpu_ns = 95;
        result.health.wall_ns = 100;
        result.health.in_flight_mean = 7.5;
        result.health.in_flight_looks = LITTLE_LOOKS;
        let trust = Trust::of(&result, &[]);
        assert!(trust.stands());
        assert_eq!(trust.remarks.len(), 2, "{trust:?}");
    }
    #[test]
    fn a_crowded_machine_and_a_lossy_network_are_remarks() {
        let mut result = run(1, 0);
        (result.health.cores, result.health.runnable_mean, result.health.retransmits) = (2, Some(4.0), Some(1));
        assert_eq!(Trust::of(&result, &[]), Trust::default(), "neither is beyond its bound");
        (result.health.runnable_mean, result.health.retransmits) = (Some(4.5), Some(2));
        let trust = Trust::of(&result, &[]);
        assert!(trust.stands() && trust.remarks.len() == 2, "{trust:?}");
    }
}
