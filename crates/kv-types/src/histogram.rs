//! How long things took, counted without a lock: for metrics, which are read while they are written.
//!
//! Invariant: a duration is counted in exactly one bucket. Absent on purpose: clocks; whoever measures says how long it was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds, and in seconds as they are printed.
pub const BOUNDS: [(u64, &str); 12] = [
    (100, "0.0001"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

/// Counts by [`BOUNDS`], one more for what is longer than all, and the sum.
#[derive(Debug, Default)]
pub struct DurationHistogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

/// A histogram as it was read. What was counted meanwhile may be in one part and not in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationCounts {
    /// Each bucket's own count, in the order of [`BOUNDS`]; the last is what is longer than all.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// All durations together, in microseconds.
    pub sum_us: u64,
}

impl DurationHistogram {
    /// Counts one.
    pub fn record(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(bound_us, _)| *bound_us < took_us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// The counts.
    pub fn read(&self) -> DurationCounts {
        DurationCounts {
            buckets: self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

impl DurationCounts {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_one_bucket() {
        let histogram = DurationHistogram::default();
        for took_us in [0, 100, 101, 60_000_000, 60_000_001, u64::MAX] {
            histogram.record(Duration::from_micros(took_us));
        }
        let counts = histogram.read();
        assert_eq!(counts.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(counts.count(), 6);
    }
}
