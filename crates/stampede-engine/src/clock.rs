//! One clock for a run: nanoseconds since its start.
//!
//! Invariant: all threads of a run share the same start, so their times can be compared and added to one series.

use std::time::Instant;

/// Nanoseconds since a common start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Nanoseconds since the start; saturates after 584 years.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
