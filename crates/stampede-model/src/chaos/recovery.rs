//! The failover stopwatch: what clients saw around a fault, from the load generator's own samples.
//!
//! Invariants: only what came back, or failed to, is read; a fault that nobody noticed recovers in no time; a fault after which no
//! good answer was seen has no recovery, which is not zero. All times are of the run's one clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::FailureKind;

/// How one request came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When it should have left, nanoseconds from the start of the run.
    pub intent_ns: u64,
    /// When its end was seen.
    pub end_ns: u64,
    /// As what it failed; `None` is a good answer.
    pub failure: Option<FailureKind>,
}

/// When a fault was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it was injected.
    pub injected_ns: u64,
    /// When it was undone.
    pub undone_ns: u64,
    /// Until when what happens is put down to it: the next fault, or the end of the run.
    pub until_ns: u64,
}

/// What clients saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The last good answer before the first failure.
    pub last_good_ns: Option<u64>,
    /// The first failure.
    pub first_bad_ns: Option<u64>,
    /// The last failure.
    pub last_bad_ns: Option<u64>,
    /// The first good answer after the last failure.
    pub first_good_ns: Option<u64>,
    /// From the injection until good answers came and no failure followed; 0 when there was none, `None` when none came.
    pub recovered_after_ns: Option<u64>,
    /// The same from the undo: 0 when all was well by then, `None` when no good answer was seen after it.
    pub after_undo_ns: Option<u64>,
    /// The longest time without a good answer.
    pub longest_dark_ns: u64,
    /// The slowest good answer.
    pub slowest_ns: u64,
    /// The slowest failure: how long a client may have waited to be told.
    #[serde(default)]
    pub slowest_failure_ns: u64,
    /// Good answers.
    pub good: u64,
    /// Failures by kind.
    pub errors: BTreeMap<FailureKind, u64>,
}

impl Recovery {
    /// All failures.
    pub fn bad(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// Reads the samples of one window; `outcomes` ascend by their end.
pub fn recovery(outcomes: &[Outcome], window: Window) -> Recovery {
    let Window { injected_ns, undone_ns, until_ns } = window;
    let from = outcomes.partition_point(|outcome| outcome.end_ns < injected_ns);
    let to = outcomes.partition_point(|outcome| outcome.end_ns < until_ns);
    let before = outcomes[..from].iter().rev().find(|outcome| outcome.failure.is_none());
    let mut seen = Recovery { last_good_ns: before.map(|outcome| outcome.end_ns), ..Recovery::default() };
    // Silence counts from the injection: what was quiet before it is not its doing.
    let mut light_ns = injected_ns;
    for outcome in outcomes.get(from..to).unwrap_or_default() {
        let end_ns = outcome.end_ns;
        if let Some(kind) = outcome.failure {
            *seen.errors.entry(kind).or_default() += 1;
            seen.slowest_failure_ns = seen.slowest_failure_ns.max(end_ns.saturating_sub(outcome.intent_ns));
            seen.first_bad_ns.get_or_insert(end_ns);
            seen.last_bad_ns = Some(end_ns);
            seen.first_good_ns = None;
            continue;
        }
        seen.good += 1;
        seen.slowest_ns = seen.slowest_ns.max(end_ns.saturating_sub(outcome.intent_ns));
        seen.longest_dark_ns = seen.longest_dark_ns.max(end_ns.saturating_sub(light_ns));
        light_ns = end_ns;
        if seen.first_bad_ns.is_none() {
            seen.last_good_ns = Some(end_ns);
        } else {
            seen.first_good_ns.get_or_insert(end_ns);
        }
    }
    let last = outcomes.last().map_or(until_ns, |outcome| outcome.end_ns.min(until_ns));
    seen.longest_dark_ns = seen.longest_dark_ns.max(last.saturating_sub(light_ns));
    let well_from_ns = match (seen.first_bad_ns, seen.first_good_ns) {
        (None, _) if seen.good > 0 => Some(injected_ns),
        (None, _) => None,
        (Some(_), good) => good,
    };
    seen.recovered_after_ns = well_from_ns.map(|well| well.saturating_sub(injected_ns));
    // Nobody who was answered before the undo knows how it was after it.
    let good_after = |outcome: &Outcome| outcome.failure.is_none() && outcome.end_ns >= undone_ns;
    let is_seen = until_ns > undone_ns && outcomes.get(from..to).unwrap_or_default().iter().any(good_after);
    seen.after_undo_ns = well_from_ns.filter(|_| is_seen).map(|well| well.saturating_sub(undone_ns));
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(end_ns: u64) -> Outcome {
        Outcome { intent_ns: end_ns - 1, end_ns, failure: None }
    }

    fn bad(end_ns: u64) -> Outcome {
        Outcome { intent_ns: end_ns - 1, end_ns, failure: Some(FailureKind::Reset) }
    }

    const WINDOW: Window = Window { injected_ns: 100, undone_ns: 200, until_ns: 400 };

    #[test]
    fn the_stopwatch_runs_from_the_injection_to_the_answer_after_the_last_failure() {
        let outcomes = [good(90), good(110), bad(120), good(130), bad(150), good(170), good(180), good(210)];
        let seen = recovery(&outcomes, WINDOW);
        assert_eq!((seen.last_good_ns, seen.first_bad_ns), (Some(110), Some(120)));
        assert_eq!((seen.last_bad_ns, seen.first_good_ns), (Some(150), Some(170)));
        assert_eq!((seen.recovered_after_ns, seen.after_undo_ns), (Some(70), Some(0)));
        assert_eq!((seen.longest_dark_ns, seen.bad(), seen.good), (40, 2, 5));
        let slow = Outcome { intent_ns: 120, ..bad(160) };
        assert_eq!(recovery(&[bad(110), slow, good(170)], WINDOW).slowest_failure_ns, 40);
    }

    #[test]
    fn nobody_noticing_is_recovery_in_no_time_and_no_answer_is_none() {
        assert_eq!(recovery(&[good(90), good(110), good(390)], WINDOW).recovered_after_ns, Some(0));
        assert_eq!(recovery(&[good(90), good(110), bad(390)], WINDOW).recovered_after_ns, None);
        assert_eq!(recovery(&[good(90)], WINDOW).recovered_after_ns, None);
        assert_eq!(recovery(&[], WINDOW).recovered_after_ns, None);
    }

    #[test]
    fn what_follows_the_undo_counts_from_it_and_the_next_fault_is_not_this_ones() {
        assert_eq!(recovery(&[good(110), good(190)], WINDOW).after_undo_ns, None, "nobody asked after the undo");
        let next_came = Window { until_ns: 180, ..WINDOW };
        assert_eq!(recovery(&[good(110), good(170), good(300)], next_came).after_undo_ns, None);
        let seen = recovery(&[bad(150), bad(210), good(230), bad(410)], WINDOW);
        assert_eq!((seen.recovered_after_ns, seen.after_undo_ns), (Some(130), Some(30)));
        assert_eq!((seen.longest_dark_ns, seen.last_good_ns), (170, None));
    }
}
