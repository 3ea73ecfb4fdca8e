//! One second as it leaves a thread: the sums of each step, and what the thread saw of itself.
//!
//! Invariants: merging adds, so no order of threads changes a figure; a cleared sheet keeps its memory.

use stampede_model::histogram::Histogram;
use stampede_model::run_result::Traffic;

use super::tally::Tally;

/// One second of one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    pub(super) second: u32,
    pub(super) steps: Vec<Tally>,
    pub(super) lag: Histogram,
    pub(super) traffic: Traffic,
    /// Requests under way or waiting at its end.
    pub(super) in_flight: u64,
    /// Users at its end.
    pub(super) users: u64,
    /// When the last request in it ended.
    pub(super) last_end_ns: u64,
}

impl Sheet {
    pub(super) fn new(steps: usize) -> Self {
        Self { steps: vec![Tally::default(); steps], ..Self::default() }
    }

    /// Forgets everything, keeping the memory.
    pub(super) fn clear(&mut self) {
        self.steps.iter_mut().for_each(Tally::clear);
        self.lag.clear();
        self.traffic = Traffic::default();
        (self.second, self.in_flight, self.users, self.last_end_ns) = (0, 0, 0, 0);
    }

    /// Adds the same second of another thread.
    pub(super) fn merge(&mut self, other: &Self) {
        self.steps.iter_mut().zip(&other.steps).for_each(|(mine, theirs)| mine.merge(theirs));
        self.lag.merge(&other.lag);
        self.traffic.merge(&other.traffic);
        self.in_flight += other.in_flight;
        self.users += other.users;
        self.last_end_ns = self.last_end_ns.max(other.last_end_ns);
    }
}
