//! Where a service bends: the first of several rising rates that breaks a limit.
//!
//! Invariants: a step is broken when a threshold failed and the generator can be trusted; a step that cannot be trusted, or
//! that leaves a threshold open, ends the search without a bend, because nobody knows what a faster generator would have
//! seen.

use serde::{Deserialize, Serialize};

use crate::run::LatencyMs;
use crate::run_result::{Counts, Ending, LoadResult};
use crate::run_trust::Trust;
use crate::threshold::{Judged, Judgement, Limit};

/// Most steps of one run.
pub const STEPS_MAX: usize = 40;

/// One rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The asked rate.
    pub rate_per_s: f64,
    /// How long it took, in nanoseconds.
    pub elapsed_ns: u64,
    /// What became of its requests.
    pub counts: Counts,
    /// Good answers per second.
    pub succeeded_per_s: f64,
    /// The part of its requests that did not succeed.
    pub error_share: f64,
    /// From the intended start.
    pub latency_ms: LatencyMs,
    /// From the send.
    pub service_ms: LatencyMs,
    /// Its limits.
    pub thresholds: Vec<Judged>,
    /// What the generator says of itself.
    pub trust: Trust,
    /// How it came to its end.
    pub ending: Ending,
}

/// A service under rising rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepsRecord {
    /// The steps that ran, by rate.
    pub steps: Vec<StepRecord>,
    /// Where it bends.
    pub bend: Bend,
}

/// Where a service bends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "bend", rename_all = "snake_case")]
pub enum Bend {
    /// It kept its limits at every rate.
    Nowhere {
        /// The highest; `None` when no step ran.
        held_per_s: Option<f64>,
    },
    /// It broke its limits.
    At {
        /// The highest rate before, if any.
        held_per_s: Option<f64>,
        /// The rate that broke them.
        rate_per_s: f64,
        /// The limits with what was measured.
        broken: Vec<String>,
    },
    /// Nobody knows.
    Unknown {
        /// The highest rate that surely held, if any.
        held_per_s: Option<f64>,
        /// The rate of the step that says nothing.
        rate_per_s: f64,
        /// Why not.
        reason: String,
    },
}

/// How one step came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It kept its limits.
    Kept,
    /// It broke one.
    Broken,
    /// It says nothing.
    Unknown,
}

impl StepRecord {
    /// What a load run at `rate_per_s` came to.
    pub fn of(rate_per_s: f64, result: &LoadResult, limits: &[Limit]) -> Self {
        Self {
            rate_per_s,
            elapsed_ns: result.elapsed_ns,
            counts: result.counts,
            succeeded_per_s: result.succeeded_per_s(),
            error_share: result.error_share(),
            latency_ms: LatencyMs::of(&result.latency.intent),
            service_ms: LatencyMs::of(&result.latency.service),
            thresholds: limits.iter().map(|limit| limit.judge(result)).collect(),
            trust: Trust::of(result, limits),
            ending: result.ending,
        }
    }

    /// How it came out.
    pub fn end(&self) -> StepEnd {
        let any = |judgement| self.thresholds.iter().any(|judged| judged.judgement == judgement);
        if !self.trust.stands() {
            StepEnd::Unknown
        } else if any(Judgement::Fail) {
            StepEnd::Broken
        } else if any(Judgement::Unknown) {
            StepEnd::Unknown
        } else {
            StepEnd::Kept
        }
    }
}

impl Bend {
    /// Finds the bend in steps of rising rates.
    pub fn of(steps: &[StepRecord]) -> Self {
        let mut held_per_s = None;
        for step in steps {
            let rate_per_s = step.rate_per_s;
            match step.end() {
                StepEnd::Kept => held_per_s = Some(rate_per_s),
                StepEnd::Broken => {
                    let broken = step.thresholds.iter().filter(|judged| judged.judgement == Judgement::Fail);
                    let broken = broken.map(|judged| format!("{}: {}", judged.threshold, judged.measured)).collect();
                    return Self::At { held_per_s, rate_per_s, broken };
                }
                StepEnd::Unknown => {
                    let doubts = step.trust.doubts.first().map(ToString::to_string);
                    let reason = doubts.unwrap_or_else(|| "a threshold stays open".to_owned());
                    return Self::Unknown { held_per_s, rate_per_s, reason };
                }
            }
        }
        Self::Nowhere { held_per_s }
    }
}

/// The rates from `from` to `to`, each twice the one before, `to` itself the last.
pub fn doubling(from: f64, to: f64) -> Vec<f64> {
    let mut rates: Vec<f64> = std::iter::successors(Some(from), |rate| Some(rate * 2.0))
        .take_while(|rate| *rate < to)
        .take(STEPS_MAX - 1)
        .collect();
    rates.push(to);
    rates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_trust::Doubt;

    /// A second in which every answer took `ms`.
    fn step(rate: u64, ms: u64) -> StepRecord {
        let mut result = LoadResult { elapsed_ns: 1_000_000_000, ..LoadResult::default() };
        result.counts.asked = rate;
        result.counts.sent = rate;
        result.counts.succeeded = rate;
        (0..rate).for_each(|_| result.latency.intent.record(ms * 1_000_000));
        StepRecord::of(rate as f64, &result, &["p95<500ms".parse().unwrap()])
    }

    #[test]
    fn the_first_broken_step_is_the_bend() {
        let steps = [step(100, 5), step(200, 50), step(400, 900), step(800, 5)];
        let Bend::At { held_per_s, rate_per_s, broken } = Bend::of(&steps) else { panic!("{:?}", Bend::of(&steps)) };
        assert_eq!((held_per_s, rate_per_s), (Some(200.0), 400.0));
        assert!(broken[0].starts_with("p95 < 500ms: 9"), "{broken:?}");
    }

    #[test]
    fn without_a_broken_step_the_highest_rate_held() {
        assert_eq!(Bend::of(&[step(100, 5), step(200, 6)]), Bend::Nowhere { held_per_s: Some(200.0) });
        assert_eq!(Bend::of(&[]), Bend::Nowhere { held_per_s: None });
    }

    #[test]
    fn a_step_without_trust_is_no_bend() {
        let mut doubtful = step(400, 900);
        doubtful.trust.doubts.push(Doubt::Behind { arrivals: 50, asked: 400 });
        let bend = Bend::of(&[step(100, 5), doubtful]);
        assert!(matches!(bend, Bend::Unknown { held_per_s: Some(100.0), rate_per_s: 400.0, .. }), "{bend:?}");
        let empty = StepRecord::of(5.0, &LoadResult::default(), &["p95<500ms".parse().unwrap()]);
        assert_eq!(empty.end(), StepEnd::Unknown, "no sample, no verdict");
    }

    #[test]
    fn rates_double_up_to_the_last() {
        assert_eq!(doubling(100.0, 1_000.0), [100.0, 200.0, 400.0, 800.0, 1_000.0]);
        assert_eq!(doubling(100.0, 100.0), [100.0]);
        assert!(doubling(0.001, 1e12).len() <= STEPS_MAX);
    }
}
