//! Looks at irregular moments as slices of a time axis.
//!
//! Invariants: a slice without a look is a gap; slices are about as wide as the looks are apart, so that a server looked at
//! every two seconds does not show a gap each other second.

use crate::slices::Axis;

/// Slices of a chart.
const SLICES: usize = 180;
const S: u64 = 1_000_000_000;

/// An axis over `length_ns` for looks at these moments, ascending; `None` without a look.
pub(super) fn axis(moments: &[u64], length_ns: u64) -> Option<Axis> {
    let (first, last) = (*moments.first()?, *moments.last()?);
    let gaps = (moments.len() as u64 - 1).max(1);
    // A look that is a little late is no reason for slices twice as wide.
    let apart_s = ((last - first) / gaps).saturating_sub(S / 4).div_ceil(S).max(1);
    let seconds = length_ns.max(last).div_ceil(S).max(1);
    let slice_s = seconds.div_ceil(SLICES as u64).max(apart_s);
    let count = seconds.div_ceil(slice_s);
    Some(Axis { slice_s: u32::try_from(slice_s).unwrap_or(u32::MAX), count: usize::try_from(count).unwrap_or(SLICES) })
}

/// The largest value of each slice.
pub(super) fn largest(axis: Axis, looks: impl Iterator<Item = (u64, f64)>) -> Vec<Option<f64>> {
    let mut slices = vec![None; axis.count];
    for (at_ns, value) in looks {
        let slice: &mut Option<f64> = &mut slices[place(axis, at_ns)];
        *slice = Some(slice.map_or(value, |known| known.max(value)));
    }
    slices
}

/// How much a counter grew per second in each slice; what began before the first look is not known.
pub(super) fn per_s(axis: Axis, looks: impl Iterator<Item = (u64, u64)>) -> Vec<Option<f64>> {
    let mut grown = vec![(0.0, 0.0); axis.count];
    let mut before: Option<(u64, u64)> = None;
    for (at_ns, count) in looks {
        if let Some((then_ns, then)) = before {
            let slice: &mut (f64, f64) = &mut grown[place(axis, at_ns)];
            slice.0 += count.saturating_sub(then) as f64;
            slice.1 += at_ns.saturating_sub(then_ns) as f64 / 1e9;
        }
        before = Some((at_ns, count));
    }
    grown.into_iter().map(|(count, seconds)| (seconds > 0.0).then(|| count / seconds)).collect()
}

/// The slice of a moment.
pub(super) fn place(axis: Axis, at_ns: u64) -> usize {
    axis.place(u32::try_from(at_ns / S).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_as_wide_as_looks_are_apart() {
        let every = |ms: u64, count: u64| (0..count).map(|look| look * ms * 1_000_000).collect::<Vec<_>>();
        let of = |moments: &[u64]| axis(moments, 0).map(|axis| (axis.slice_s, axis.count));
        assert_eq!(of(&every(1_003, 60)), Some((1, 60)), "a little late");
        assert_eq!(of(&every(2_000, 30)), Some((2, 29)));
        assert_eq!(of(&every(1_000, 3_600)), Some((20, 180)));
        assert_eq!(of(&[5]), Some((1, 1)));
        assert_eq!(of(&[]), None);
        assert!(axis(&[0, u64::MAX], 0).is_some_and(|axis| axis.count <= SLICES));
    }

    #[test]
    fn counters_become_rates_and_gauges_their_largest() {
        let axis = axis(&[0, S, 2 * S, 2 * S + S / 2, 4 * S], 0).unwrap();
        assert_eq!((axis.slice_s, axis.count), (1, 4));
        let gauge = largest(axis, [(0, 1.0), (2 * S, 5.0), (2 * S + S / 2, 3.0)].into_iter());
        assert_eq!(gauge, [Some(1.0), None, Some(5.0), None]);
        let counter = per_s(axis, [(0, 10), (S, 30), (2 * S, 40), (2 * S + S / 2, 45)].into_iter());
        assert_eq!(counter, [None, Some(20.0), Some(10.0), None]);
    }
}
