//! What one load run measured: counts, distributions, failures, the seconds, and the generator's own health.
//!
//! Invariants: `asked = sent + not_sent` and `sent = succeeded + failed + unfinished`, so no request can vanish;
//! `failed` is the sum of the failures by kind; the whole is the sum of its steps; the size does not grow with the number
//! of requests (the series is bounded by [`MAX_POINTS`]); merging the results of several generators adds.
//! Absent on purpose: verdicts ([`crate::threshold`], [`crate::run_trust`]) and single samples, except where a caller asks
//! for a bounded number of them.

mod counts;
mod health;
mod latencies;
mod step;
mod timeline;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::FailureKind;

pub use counts::{Counts, FailureCount};
pub use health::{GeneratorHealth, LagOf, Traffic};
pub use latencies::Latencies;
pub use step::{Exemplar, StepResult, StepSecond};
pub use timeline::{Event, EventKind, Meeting, SecondPoint};

/// Most points a series keeps. A longer run keeps them all and doubles what a point covers, as often as need be
/// ([`LoadResult::point_s`]).
pub const MAX_POINTS: usize = 3_600;

/// Everything one run measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoadResult {
    /// How many requests came to which end.
    pub counts: Counts,
    /// The distributions.
    pub latency: Latencies,
    /// Complete answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Failed requests by kind, most frequent first.
    pub failures: Vec<FailureCount>,
    /// The same, step by step: one for each series the plan names, in the plan's order. A run of one URL has one.
    pub steps: Vec<StepResult>,
    /// One point per second of the run, ascending; in a long run one per [`LoadResult::point_s`] seconds.
    pub seconds: Vec<SecondPoint>,
    /// Seconds that one point covers: 1, or a power of two in a run of more than [`MAX_POINTS`] seconds, or one whose points were large.
    pub point_s: u32,
    /// What happened when: changes of load, pauses, stops, phases.
    pub events: Vec<Event>,
    /// How closely together users left who were to leave together.
    pub meetings: Vec<Meeting>,
    /// From the start of the run to the end of its last request, in nanoseconds.
    pub elapsed_ns: u64,
    /// What travelled.
    pub traffic: Traffic,
    /// How the generator itself did.
    pub health: GeneratorHealth,
    /// How the run came to its end.
    pub ending: Ending,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It did all it was asked to.
    #[default]
    Complete,
    /// It was stopped before.
    Interrupted,
    /// A limit broke that was to end it; [`LoadResult::events`] says which.
    Aborted,
}

impl LoadResult {
    /// The part of all asked requests that succeeded; 0 when nothing was asked.
    pub fn success_share(&self) -> f64 {
        share(self.counts.succeeded, self.counts.asked)
    }

    /// The part of all asked requests that did not succeed: failed, unfinished or not sent. 1 when nothing was asked,
    /// because a run without requests shows nothing good.
    pub fn error_share(&self) -> f64 {
        1.0 - self.success_share()
    }

    /// Complete answers per second of the whole run.
    pub fn answered_per_s(&self) -> f64 {
        per_s(self.counts.answered, self.elapsed_ns)
    }

    /// Successes per second of the whole run.
    pub fn succeeded_per_s(&self) -> f64 {
        per_s(self.counts.succeeded, self.elapsed_ns)
    }

    /// How often `kind` happened.
    pub fn failures_of(&self, kind: FailureKind) -> u64 {
        self.failures.iter().find(|failure| failure.kind == kind).map_or(0, |failure| failure.count)
    }

    /// Whether the counts add up as the module promises.
    pub fn is_balanced(&self) -> bool {
        let Counts { asked, sent, succeeded, failed, unfinished, not_sent, .. } = self.counts;
        let by_kind: u64 = self.failures.iter().map(|failure| failure.count).sum();
        let whole = asked == sent + not_sent && sent == succeeded + failed + unfinished && failed == by_kind;
        let mut sum = Counts::default();
        self.steps.iter().for_each(|step| sum.merge(&step.counts));
        whole && (self.steps.is_empty() || sum == self.counts)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn per_s(count: u64, elapsed_ns: u64) -> f64 {
    if elapsed_ns == 0 { 0.0 } else { count as f64 * 1e9 / elapsed_ns as f64 }
}

#[cfg(test)]
mod tests;
