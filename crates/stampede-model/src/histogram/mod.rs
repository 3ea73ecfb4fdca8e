//! Latency distribution in bounded memory: log-linear buckets, 128 steps per power of two.
//!
//! Invariants: count, sum, minimum and maximum are exact; a quantile is within [`RELATIVE_ERROR`] of the sample of that
//! rank for 128 ns to 137 s (exact below, the exact maximum above) and never outside minimum to maximum; merging is adding, so the order
//! and the number of threads, agents or seconds that recorded does not change any figure. Memory is the same 31 KiB for
//! one sample and for ten thousand million, and nothing without a sample.
//! A *censored* sample is one whose end was not seen: it lasted at least so long (timed out, unfinished when the run
//! stopped, never sent). It takes part in every quantile with what is known of it, and any quantile that might be
//! larger for its sake says so by [`Bound::AtLeast`].
//! Absent on purpose: the samples themselves; negative times; a configurable resolution.

mod packed;
mod slots;
mod stored;

use serde::{Deserialize, Serialize};

pub use packed::Packed;
pub(crate) use slots::bounds;
use slots::{SLOTS, representative, slot_of};

/// Largest relative error of a quantile: half a step of 1/128.
pub const RELATIVE_ERROR: f64 = 1.0 / 256.0;

/// A distribution of durations in nanoseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "stored::Stored", into = "stored::Stored")]
pub struct Histogram {
    /// None at all until the first sample: most runs never see a TLS handshake, and each of their steps would pay for it.
    slots: Box<[u64]>,
    count: u64,
    censored: u64,
    /// The shortest censored sample; from here on quantiles are lower bounds.
    censored_min_ns: u64,
    min_ns: u64,
    max_ns: u64,
    sum_ns: u128,
}

/// How a figure relates to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The figure is the value (within the histogram's error).
    Exact,
    /// The true value is this or larger: unfinished requests lie at or below this rank.
    AtLeast,
}

/// One figure of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The value in nanoseconds.
    pub ns: u64,
    /// Whether it is the value or a lower bound of it.
    pub bound: Bound,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            slots: Box::default(),
            count: 0,
            censored: 0,
            censored_min_ns: u64::MAX,
            min_ns: u64::MAX,
            max_ns: 0,
            sum_ns: 0,
        }
    }
}

impl Histogram {
    /// An empty distribution.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one finished sample of `ns` nanoseconds.
    pub fn record(&mut self, ns: u64) {
        if self.slots.is_empty() {
            self.grow();
        }
        self.slots[slot_of(ns)] += 1;
        self.count += 1;
        self.sum_ns += u128::from(ns);
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds one sample of which is only known that it lasted `ns` nanoseconds or longer.
    pub fn record_at_least(&mut self, ns: u64) {
        self.record(ns);
        self.censored += 1;
        self.censored_min_ns = self.censored_min_ns.min(ns);
    }

    #[cold]
    fn grow(&mut self) {
        self.slots = vec![0; SLOTS].into_boxed_slice();
    }

    /// The steps, to be added to.
    fn slots_mut(&mut self) -> &mut [u64] {
        if self.slots.is_empty() {
            self.grow();
        }
        &mut self.slots
    }

    /// Adds everything `other` recorded.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.slots.is_empty() {
            self.grow();
        }
        for (mine, theirs) in self.slots.iter_mut().zip(&other.slots) {
            *mine += theirs;
        }
        self.count += other.count;
        self.censored += other.censored;
        self.censored_min_ns = self.censored_min_ns.min(other.censored_min_ns);
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        self.sum_ns += other.sum_ns;
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        if self.count == 0 {
            return;
        }
        self.slots.fill(0);
        self.count = 0;
        self.censored = 0;
        self.censored_min_ns = u64::MAX;
        self.min_ns = u64::MAX;
        self.max_ns = 0;
        self.sum_ns = 0;
    }

    /// Number of samples, censored ones included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of samples whose end was not seen.
    pub fn censored(&self) -> u64 {
        self.censored
    }

    /// Exact sum of all samples in nanoseconds.
    pub fn sum_ns(&self) -> u128 {
        self.sum_ns
    }

    /// The smallest sample; `None` when there is none.
    pub fn min(&self) -> Option<Figure> {
        (self.count > 0).then(|| self.figure(self.min_ns))
    }

    /// The largest sample; `None` when there is none. A lower bound as soon as one sample is censored, because any
    /// censored sample may have outlasted the largest finished one.
    pub fn max(&self) -> Option<Figure> {
        let bound = if self.censored > 0 { Bound::AtLeast } else { Bound::Exact };
        (self.count > 0).then_some(Figure { ns: self.max_ns, bound })
    }

    /// The mean, rounded down; a lower bound as soon as one sample is censored. `None` when there is none.
    pub fn mean(&self) -> Option<Figure> {
        let bound = if self.censored > 0 { Bound::AtLeast } else { Bound::Exact };
        let ns = u64::try_from(self.sum_ns.checked_div(u128::from(self.count))?).unwrap_or(u64::MAX);
        Some(Figure { ns, bound })
    }

    /// The value that the fraction `share` (0 to 1, clamped) of all samples does not exceed: the sample of rank
    /// `ceil(share * count)`, at least the first. `None` when there is no sample.
    pub fn quantile(&self, share: f64) -> Option<Figure> {
        if self.count == 0 {
            return None;
        }
        let rank = rank_of(share, self.count);
        if rank == self.count {
            return self.max();
        }
        if rank == 1 {
            return self.min();
        }
        let mut seen = 0;
        for (slot, samples) in self.slots.iter().enumerate() {
            seen += samples;
            if seen >= rank {
                return Some(self.figure(representative(slot).clamp(self.min_ns, self.max_ns)));
            }
        }
        self.max()
    }

    /// Samples that certainly lasted longer than `ns`, to the resolution of one step.
    pub fn count_above(&self, ns: u64) -> u64 {
        self.slots.get(slot_of(ns) + 1..).map_or(0, |above| above.iter().sum())
    }

    /// Non-empty steps as (representative nanoseconds, samples), in ascending order: what a plot needs.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let filled = self.slots.iter().enumerate().filter(|(_, samples)| **samples > 0);
        filled.map(|(slot, samples)| (representative(slot).clamp(self.min_ns, self.max_ns), *samples))
    }

    fn figure(&self, ns: u64) -> Figure {
        // Compared by step: a censored sample in the same step may be the one that was counted.
        let touched = self.censored > 0 && slot_of(ns) >= slot_of(self.censored_min_ns);
        Figure { ns, bound: if touched { Bound::AtLeast } else { Bound::Exact } }
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        let sums = |one: &Self| (one.count, one.censored, one.censored_min_ns, one.min_ns, one.max_ns, one.sum_ns);
        // Without a sample there may be steps, all zero, or none.
        sums(self) == sums(other) && (self.count == 0 || self.slots == other.slots)
    }
}

impl Eq for Histogram {}

/// The 1-based rank of the sample that answers `share` of `count` samples.
fn rank_of(share: f64, count: u64) -> u64 {
    let exact = share.clamp(0.0, 1.0) * count as f64;
    // 0.95 * 100 is 95.00000000000001 in binary: without the slack the rank would be one too high.
    let rank = (exact - exact * 1e-12).ceil() as u64;
    rank.clamp(1, count)
}

#[cfg(test)]
mod tests;
