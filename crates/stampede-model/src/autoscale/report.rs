//! What a run of an autoscaler writes down: what it saw and decided, what it changed, and what clients had of it meanwhile.
//!
//! Invariant: all is on one axis, nanoseconds after the start of the load.

use serde::{Deserialize, Serialize};

use super::decide::Reason;
use super::spec::Autoscaler;
use crate::chaos::Outcome;
use crate::run_result::Counts;
use crate::verdict::RowReport;

/// The word at the head of the file.
pub const AUTOSCALE_FORMAT: &str = "stampede.autoscale";
/// The version of the file; readers refuse another.
pub const AUTOSCALE_VERSION: u32 = 1;

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoscaleReport {
    /// [`AUTOSCALE_FORMAT`].
    pub format: String,
    /// [`AUTOSCALE_VERSION`].
    pub version: u32,
    /// The system under test.
    pub target: String,
    /// Where clients called it.
    pub url: String,
    /// The service that was scaled.
    pub service: String,
    /// When it began, milliseconds since 1970.
    pub started_unix_ms: i64,
    /// How long the load took, from its first request to its last answer.
    pub elapsed_ns: u64,
    /// The load in words, such as `1000/s, 30s to 5000/s`.
    pub load: String,
    /// What windows, periods and the interval were divided by.
    pub compress: u32,
    /// The controller's interval as it was in the run.
    pub interval_ms: u64,
    /// The autoscaler as its file has it.
    pub autoscaler: Autoscaler,
    /// Each look.
    pub moments: Vec<Moment>,
    /// Each change of replicas.
    pub changes: Vec<ScaleChange>,
    /// Each second.
    pub seconds: Vec<ScaleSecond>,
    /// All requests.
    pub counts: Counts,
    /// Outcomes beyond the bound, which the seconds do not have.
    pub outcomes_left_out: u64,
    /// Why its figures are doubtful, where they are.
    pub doubts: Vec<String>,
    /// Whether somebody stopped it.
    pub interrupted: bool,
    /// What was demanded, and how it came out.
    pub rows: Vec<RowReport>,
}

/// One look and what was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at_ns: u64,
    /// Replicas wanted after the decision.
    pub wanted: u32,
    /// Replicas that were ready.
    pub ready: u32,
    /// What the metrics alone asked for.
    pub recommended: Option<u32>,
    /// Each metric's value, in the order of the autoscaler's.
    pub values: Vec<Option<f64>>,
    /// What had the last word.
    pub reason: Reason,
}

/// One change of replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleChange {
    /// When it was asked for.
    pub at_ns: u64,
    /// When new ones were ready, or old ones gone.
    pub done_ns: u64,
    /// From how many.
    pub from: u32,
    /// To how many.
    pub to: u32,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// What clients had in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleSecond {
    /// Requests that were to leave in it.
    pub asked: u64,
    /// Of those that ended in it: successes.
    pub succeeded: u64,
    /// Of those that ended in it: failures.
    pub failed: u64,
    /// The 95th percentile from the intended start of the successes that ended in it.
    pub p95_ns: Option<u64>,
}

/// Longest series of seconds: a day.
const SECONDS_MAX: u64 = 86_400;

/// The seconds of a run.
pub fn seconds_of(outcomes: &[Outcome]) -> Vec<ScaleSecond> {
    let second = |ns: u64| (ns / 1_000_000_000).min(SECONDS_MAX - 1) as usize;
    let Some(last) = outcomes.iter().map(|outcome| second(outcome.end_ns)).max() else { return Vec::new() };
    let mut seconds = vec![ScaleSecond::default(); last + 1];
    let mut latencies: Vec<Vec<u64>> = vec![Vec::new(); last + 1];
    for outcome in outcomes {
        seconds[second(outcome.intent_ns.min(outcome.end_ns))].asked += 1;
        let ended = second(outcome.end_ns);
        if outcome.failure.is_none() {
            seconds[ended].succeeded += 1;
            latencies[ended].push(outcome.end_ns.saturating_sub(outcome.intent_ns));
        } else {
            seconds[ended].failed += 1;
        }
    }
    for (second, latencies) in seconds.iter_mut().zip(&mut latencies) {
        second.p95_ns = percentile(latencies, 95);
    }
    seconds
}

/// The nearest-rank percentile; sorts what it is given.
pub(super) fn percentile(values: &mut [u64], percent: usize) -> Option<u64> {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn seconds_count_what_left_and_what_ended_in_them() {
        let at = |intent_ms: u64, end_ms: u64, failure| Outcome {
            intent_ns: intent_ms * 1_000_000,
            end_ns: end_ms * 1_000_000,
            failure,
        };
        let outcomes = [at(100, 110, None), at(990, 1_200, None), at(1_500, 1_600, Some(FailureKind::Reset))];
        let seconds = seconds_of(&outcomes);
        let counts: Vec<_> = seconds.iter().map(|one| (one.asked, one.succeeded, one.failed)).collect();
        assert_eq!(counts, [(2, 1, 0), (1, 1, 1)]);
        assert_eq!(seconds[1].p95_ns, Some(210_000_000));
        assert!(seconds_of(&[]).is_empty());
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(
            (percentile(&mut values, 95), percentile(&mut [7], 95), percentile(&mut [], 95)),
            (Some(95), Some(7), None)
        );
    }
}
