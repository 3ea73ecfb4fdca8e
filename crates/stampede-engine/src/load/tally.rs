//! The sums of one step: of a second of one thread, of a second of all, of the whole run.
//!
//! Invariants: merging adds, so no order of threads or seconds changes a figure; a tally that is cleared keeps its memory
//! and allocates nothing when it is filled again; kinds of latency that never occur take none.

use std::collections::BTreeMap;

use stampede_model::failure::FailureKind;
use stampede_model::run_result::{Counts, FailureCount, Latencies, LoadResult};

/// The sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) latency: Latencies,
    /// Few different ones: the first is nearly always the right one.
    statuses: Vec<(u16, u64)>,
    failures: Vec<FailureCount>,
}

impl Tally {
    /// Counts a complete answer.
    pub(super) fn status(&mut self, status: u16) {
        self.counts.answered += 1;
        match self.statuses.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => self.statuses.push((status, 1)),
        }
    }

    /// Counts a failure; `text` is asked for the first of its kind.
    pub(super) fn failure(&mut self, kind: FailureKind, at_ns: u64, text: impl FnOnce() -> String) {
        self.counts.failed += 1;
        if let Some(known) = self.failures.iter_mut().find(|known| known.kind == kind) {
            known.count += 1;
            known.last_ns = known.last_ns.max(at_ns);
            return;
        }
        self.failures.push(FailureCount { kind, count: 1, first_ns: at_ns, last_ns: at_ns, example: text() });
    }

    /// Adds everything of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.latency.merge(&other.latency);
        for (status, count) in &other.statuses {
            match self.statuses.iter_mut().find(|(known, _)| known == status) {
                Some((_, sum)) => *sum += count,
                None => self.statuses.push((*status, *count)),
            }
        }
        for part in &other.failures {
            match self.failures.iter_mut().find(|known| known.kind == part.kind) {
                Some(sum) => sum.merge(part),
                None => self.failures.push(part.clone()),
            }
        }
    }

    /// Forgets everything, keeping the memory.
    pub(super) fn clear(&mut self) {
        self.counts = Counts::default();
        self.latency.clear();
        self.statuses.clear();
        self.failures.clear();
    }

    /// Complete answers by status.
    pub(super) fn statuses(&self) -> BTreeMap<u16, u64> {
        self.statuses.iter().copied().collect()
    }

    /// Failures, the most frequent first.
    pub(super) fn failures(&self) -> Vec<FailureCount> {
        let mut failures = self.failures.clone();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        failures
    }

    /// Writes the sums into `result`.
    pub(super) fn write_to(&self, result: &mut LoadResult) {
        result.counts = self.counts;
        result.latency = self.latency.clone();
        result.statuses = self.statuses();
        result.failures = self.failures();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_threads_add_up_by_kind() {
        let mut first = Tally::default();
        first.failure(FailureKind::Reset, 10, || "late".to_owned());
        (0..5).for_each(|_| first.failure(FailureKind::Timeout, 3, || "slow".to_owned()));
        let mut second = Tally::default();
        second.failure(FailureKind::Reset, 4, || "early".to_owned());
        second.failure(FailureKind::Reset, 5, || "not asked for".to_owned());
        first.merge(&second);
        let merged = first.failures();
        assert_eq!(merged[0].kind, FailureKind::Timeout);
        assert_eq!((merged[1].count, merged[1].first_ns, merged[1].last_ns), (3, 4, 10));
        assert_eq!(merged[1].example, "early");
        assert_eq!(first.counts.failed, 8);
    }

    #[test]
    fn a_cleared_tally_is_as_new() {
        let mut tally = Tally::default();
        tally.status(200);
        tally.failure(FailureKind::Reset, 1, String::new);
        tally.latency.intent.record(5);
        tally.clear();
        assert_eq!((tally.counts, tally.statuses(), tally.failures()), Default::default());
        assert_eq!(tally.latency.intent.count(), 0);
    }
}
