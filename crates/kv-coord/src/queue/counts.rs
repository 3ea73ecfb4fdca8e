//! How much there is of what.

use std::time::Duration;

use super::job::Priority;

/// One queue's ready jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadyCount {
    /// How many are ready: the length of the queue's list.
    pub depth: u64,
    /// For how long the oldest has been ready.
    pub oldest_age: Option<Duration>,
    /// Whether claims pass it by.
    pub is_paused: bool,
}

/// All jobs by their state, at one moment. One that is due, or whose lease is over, is counted where it was until somebody
/// claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    ready: [ReadyCount; 3],
    /// Waiting for their time.
    pub delayed: u64,
    /// In some worker's hands.
    pub leased: u64,
    /// Given up.
    pub dead: u64,
}

impl QueueCounts {
    pub(crate) const fn new(ready: [ReadyCount; 3], (delayed, leased, dead): (u64, u64, u64)) -> Self {
        Self { ready, delayed, leased, dead }
    }

    /// One queue's.
    pub const fn ready(&self, priority: Priority) -> ReadyCount {
        self.ready[priority as usize]
    }

    /// All jobs there are.
    pub fn total(&self) -> u64 {
        let ready: u64 = self.ready.iter().map(|queue| queue.depth).sum();
        ready + self.delayed + self.leased + self.dead
    }
}
