//! The statistics of ab's table, from every single request.
//!
//! Invariants: all sums are in nanoseconds and rounded to whole milliseconds only when shown; percentiles take ab's ranks.

use stampede_engine::load::Sample;

/// The four distributions ab knows, each sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) connect: Sorted,
    pub(super) processing: Sorted,
    pub(super) waiting: Sorted,
    pub(super) total: Sorted,
}

/// Durations in nanoseconds, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted(Vec<u64>);

impl Times {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let sorted = |value: fn(&Sample) -> u64| {
            let mut values: Vec<u64> = samples.iter().map(value).collect();
            values.sort_unstable();
            Sorted(values)
        };
        Self {
            connect: sorted(|sample| sample.connect_ns),
            processing: sorted(|sample| sample.total_ns - sample.connect_ns.min(sample.total_ns)),
            waiting: sorted(waiting_ns),
            total: sorted(|sample| sample.total_ns),
        }
    }
}

/// From the send to the first byte.
pub(super) fn waiting_ns(sample: &Sample) -> u64 {
    sample.first_byte_ns - sample.connect_ns.min(sample.first_byte_ns)
}

impl Sorted {
    pub(super) fn min(&self) -> u64 {
        self.0.first().copied().unwrap_or(0)
    }

    pub(super) fn max(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    pub(super) fn mean(&self) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        self.0.iter().map(|ns| *ns as f64).sum::<f64>() / self.0.len() as f64
    }

    /// Standard deviation of a sample (divided by one less than the count).
    pub(super) fn deviation(&self) -> f64 {
        if self.0.len() < 2 {
            return 0.0;
        }
        let mean = self.mean();
        let squares: f64 = self.0.iter().map(|ns| (*ns as f64 - mean).powi(2)).sum();
        (squares / (self.0.len() - 1) as f64).sqrt()
    }

    pub(super) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.get(middle) {
            None => 0.0,
            Some(upper) if self.0.len().is_multiple_of(2) => f64::midpoint(self.0[middle - 1] as f64, *upper as f64),
            Some(value) => *value as f64,
        }
    }

    /// The value at index `count * percent / 100`, as ab's printed table has it.
    pub(super) fn served(&self, percent: usize) -> u64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or(0)
    }

    /// The value at the nearest rank, as ab's CSV file has it.
    pub(super) fn nearest(&self, percent: usize) -> u64 {
        let index = (0.5 + self.0.len() as f64 * percent as f64 / 100.0) as usize;
        self.0.get(index.min(self.0.len().saturating_sub(1))).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(values: &[u64]) -> Sorted {
        let mut values = values.to_vec();
        values.sort_unstable();
        Sorted(values)
    }

    fn near(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-9
    }

    #[test]
    fn the_textbook_example() {
        let values = sorted(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert!(near(values.mean(), 5.0));
        assert!(near(values.deviation(), (32.0_f64 / 7.0).sqrt()));
        assert!(near(values.median(), 4.5));
        assert_eq!((values.min(), values.max()), (2, 9));
    }

    #[test]
    fn one_request_and_none() {
        let one = sorted(&[7]);
        assert!(near(one.median(), 7.0) && near(one.deviation(), 0.0));
        assert_eq!((one.served(50), one.served(99), one.nearest(0), one.nearest(100)), (7, 7, 7, 7));
        let none = sorted(&[]);
        assert!(near(none.mean(), 0.0) && near(none.median(), 0.0));
        assert_eq!((none.served(50), none.nearest(50)), (0, 0));
    }

    #[test]
    fn percentages_take_ab_s_ranks() {
        let values = sorted(&(1..=1_000).collect::<Vec<u64>>());
        assert_eq!(values.served(50), 501);
        assert_eq!(values.served(99), 991);
        assert_eq!(values.nearest(0), 1);
        assert_eq!(values.nearest(50), 501);
        assert_eq!(values.nearest(100), 1_000);
    }

    proptest! {
        #[test]
        fn every_figure_lies_between_the_extremes(values in proptest::collection::vec(0_u64..1_000_000_000, 1..200), percent in 0_usize..=100) {
            let values = sorted(&values);
            let (min, max) = (values.min() as f64, values.max() as f64);
            for figure in [values.mean(), values.median(), values.served(percent) as f64, values.nearest(percent) as f64] {
                prop_assert!(figure >= min - 1e-6 && figure <= max + 1e-6);
            }
            prop_assert!(values.deviation() <= (max - min) + 1e-6);
        }
    }
}
