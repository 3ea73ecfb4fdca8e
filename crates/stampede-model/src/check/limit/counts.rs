//! How many calls may or must have been decided in a stretch of time.

use super::op::Call;

/// Calls and ends, each sorted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) calls: Vec<u64>,
    pub(super) ends: Vec<u64>,
}

impl Counts {
    pub(super) fn of<'a>(calls: impl Iterator<Item = &'a Call>) -> Self {
        let (mut starts, mut ends): (Vec<u64>, Vec<u64>) = calls.map(|call| (call.span.call, call.span.end)).unzip();
        starts.sort_unstable();
        ends.sort_unstable();
        Self { calls: starts, ends }
    }

    /// Called at `instant` or before.
    pub(super) fn called_by(&self, instant: u64) -> u64 {
        self.calls.partition_point(|call| *call <= instant) as u64
    }

    /// Ended before `instant`.
    pub(super) fn ended_before(&self, instant: u64) -> u64 {
        self.ends.partition_point(|end| *end < instant) as u64
    }

    /// Ended at `instant` or before.
    pub(super) fn ended_by(&self, instant: u64) -> u64 {
        self.ends.partition_point(|end| *end <= instant) as u64
    }

    /// Those that may have been decided between `from` and `to`, both included.
    pub(super) fn possibly(&self, from: u64, to: u64) -> u64 {
        self.called_by(to).saturating_sub(self.ended_before(from))
    }

    /// At least so many were decided after `from` and before `to`. Those that were under way all that time are not told from those
    /// outside, so each of them may cost one.
    pub(super) fn surely(&self, from: u64, to: u64) -> u64 {
        self.ended_before(to).saturating_sub(self.called_by(from))
    }
}
