//! Closed intervals on the run's monotonic clock, and which of them overlap.
//!
//! Invariant: a call's interval starts before its first byte is written and ends after the last byte of its answer was read, so
//! whatever the target did for it happened inside; two intervals that do not touch are ordered in real time.

use serde::{Deserialize, Serialize};

/// A closed interval in nanoseconds since the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Before the first byte was written.
    pub call_ns: u64,
    /// After the last byte was read.
    pub return_ns: u64,
}

impl Interval {
    /// Whether this one had ended when the other began.
    pub fn is_before(&self, other: &Self) -> bool {
        self.return_ns < other.call_ns
    }

    /// Its length.
    pub fn length_ns(&self) -> u64 {
        self.return_ns.saturating_sub(self.call_ns)
    }
}

/// The interval from the first call to the last return; `None` of nothing.
pub fn hull(intervals: impl IntoIterator<Item = Interval>) -> Option<Interval> {
    intervals.into_iter().reduce(|all, one| Interval {
        call_ns: all.call_ns.min(one.call_ns),
        return_ns: all.return_ns.max(one.return_ns),
    })
}

/// Pairs of indices whose intervals share more than an end point, each overlapping interval with the one that reaches furthest of
/// those before it: as many pairs as intervals at most, and none exactly when no two overlap. Empty intervals overlap nothing.
pub fn overlaps(intervals: &[Interval]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> =
        (0..intervals.len()).filter(|&index| intervals[index].call_ns < intervals[index].return_ns).collect();
    order.sort_by_key(|&index| intervals[index].call_ns);
    let mut pairs = Vec::new();
    let mut furthest: Option<usize> = None;
    for index in order {
        if let Some(holder) = furthest {
            if intervals[index].call_ns < intervals[holder].return_ns {
                pairs.push((holder, index));
            }
            if intervals[index].return_ns <= intervals[holder].return_ns {
                continue;
            }
        }
        furthest = Some(index);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interval(call_ns: u64, return_ns: u64) -> Interval {
        Interval { call_ns, return_ns }
    }

    #[test]
    fn touching_is_not_overlapping() {
        assert_eq!(overlaps(&[interval(0, 5), interval(5, 9)]), []);
        assert_eq!(overlaps(&[interval(4, 9), interval(0, 5)]), [(1, 0)]);
    }

    #[test]
    fn a_long_one_is_paired_with_all_it_covers() {
        assert_eq!(overlaps(&[interval(0, 100), interval(1, 2), interval(50, 60)]), [(0, 1), (0, 2)]);
    }

    #[test]
    fn the_hull_covers_all() {
        assert_eq!(hull([interval(3, 4), interval(1, 2)]), Some(interval(1, 4)));
        assert_eq!(hull([]), None);
    }

    proptest! {
        #[test]
        fn the_sweep_agrees_with_comparing_all_pairs(raw in prop::collection::vec((0_u64..200, 0_u64..30), 0..30)) {
            let intervals: Vec<_> = raw.into_iter().map(|(start, length)| interval(start, start + length)).collect();
            let share = |a: &Interval, b: &Interval| a.call_ns.max(b.call_ns) < a.return_ns.min(b.return_ns);
            let mut by_pairs = false;
            for (i, a) in intervals.iter().enumerate() {
                by_pairs |= intervals[i + 1..].iter().any(|b| share(a, b));
            }
            let swept = overlaps(&intervals);
            prop_assert_eq!(by_pairs, !swept.is_empty());
            for (i, j) in swept {
                prop_assert!(share(&intervals[i], &intervals[j]));
            }
        }
    }
}
