//! The run over time in as many slices as a picture can show.
//!
//! Invariants: counts of slices add up to the counts of the points; percentiles of a slice are computed from the merged
//! distributions of its seconds, never averaged; the number of slices is bounded by the caller, however long the run.

use stampede_model::histogram::Histogram;
use stampede_model::run_result::{LoadResult, StepResult, StepSecond};

/// The time axis: `count` slices of `slice_s` seconds from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Seconds in a slice.
    pub(crate) slice_s: u32,
    /// Number of slices; at least 1.
    pub(crate) count: usize,
}

/// What happened in one slice. Counts are of the slice, not per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) sent: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// The most at any look.
    pub(crate) in_flight: u64,
    /// The most at any look.
    pub(crate) users: u64,
    pub(crate) times: Times,
}

/// Times from the intended start in nanoseconds; `None` where nothing ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) p50: Option<u64>,
    pub(crate) p95: Option<u64>,
    pub(crate) p99: Option<u64>,
    pub(crate) max: Option<u64>,
}

impl Axis {
    /// An axis of at most `at_most` slices over the whole run; `None` when no second was kept.
    pub(crate) fn of(result: &LoadResult, at_most: usize) -> Option<Self> {
        let width_s = u64::from(result.point_s.max(1));
        let last = result.seconds.last()?;
        let points = (u64::from(last.second) + width_s).div_ceil(width_s);
        let slice_s = points.div_ceil(at_most.max(1) as u64) * width_s;
        let count = (points * width_s).div_ceil(slice_s);
        Some(Self { slice_s: u32::try_from(slice_s).unwrap_or(u32::MAX), count: count as usize })
    }

    /// Where `second` falls, within the axis.
    pub(crate) fn place(&self, second: u32) -> usize {
        ((second / self.slice_s) as usize).min(self.count - 1)
    }

    /// First second of a slice.
    pub(crate) fn start_s(&self, place: usize) -> u64 {
        place as u64 * u64::from(self.slice_s)
    }

    /// The whole length.
    pub(crate) fn length_s(&self) -> u64 {
        self.start_s(self.count)
    }

    /// `at_ns` as a part of the axis, 0 to 1.
    pub(crate) fn share(&self, at_ns: u64) -> f64 {
        (at_ns as f64 / 1e9 / self.length_s() as f64).clamp(0.0, 1.0)
    }
}

impl Times {
    fn of(histogram: &Histogram) -> Self {
        let at = |share| histogram.quantile(share).map(|figure| figure.ns);
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: histogram.max().map(|figure| figure.ns) }
    }

    /// The larger of each: all that can be said of two seconds whose distributions are not there.
    fn larger(self, other: Self) -> Self {
        Self {
            p50: self.p50.max(other.p50),
            p95: self.p95.max(other.p95),
            p99: self.p99.max(other.p99),
            max: self.max.max(other.max),
        }
    }
}

/// The slices of the whole run.
pub(crate) fn whole(result: &LoadResult, axis: Axis) -> Vec<Slice> {
    let mut slices = vec![Slice::default(); axis.count];
    for point in &result.seconds {
        let slice = &mut slices[axis.place(point.second)];
        slice.sent += point.sent;
        slice.succeeded += point.succeeded;
        slice.failed += point.failed;
        slice.in_flight = slice.in_flight.max(point.in_flight);
        slice.users = slice.users.max(point.users);
        let times = Times { p50: point.p50_ns, p95: point.p95_ns, p99: point.p99_ns, max: point.max_ns };
        slice.times = slice.times.larger(times);
    }
    if axis.slice_s > result.point_s && result.steps.iter().any(|step| !step.seconds.is_empty()) {
        let steps: Vec<&StepResult> = result.steps.iter().collect();
        each(&steps, axis, |place, merged| slices[place].times = Times::of(merged));
    }
    slices
}

/// The slices of one step; nothing is known of what it sent and had under way in each.
pub(crate) fn of_step(step: &StepResult, axis: Axis) -> Vec<Slice> {
    let mut slices = vec![Slice::default(); axis.count];
    for second in &step.seconds {
        let slice = &mut slices[axis.place(second.second)];
        slice.succeeded += second.succeeded;
        slice.failed += second.failed;
    }
    each(&[step], axis, |place, merged| slices[place].times = Times::of(merged));
    slices
}

/// Calls `look` with the merged distribution of `steps` in each slice, in order.
pub(crate) fn each(steps: &[&StepResult], axis: Axis, mut look: impl FnMut(usize, &Histogram)) {
    let mut rests: Vec<&[StepSecond]> = steps.iter().map(|step| step.seconds.as_slice()).collect();
    let mut merged = Histogram::new();
    for place in 0..axis.count {
        merged.clear();
        for rest in &mut rests {
            let here = rest.iter().take_while(|second| axis.place(second.second) == place).count();
            let (mine, later) = rest.split_at(here);
            for second in mine {
                second.latency.merge_into(&mut merged);
            }
            *rest = later;
        }
        look(place, &merged);
    }
}

#[cfg(test)]
mod tests {
    use stampede_model::histogram::Packed;
    use stampede_model::run_result::SecondPoint;

    use super::*;

    fn result(seconds: u32, point_s: u32) -> LoadResult {
        let mut step = StepResult { name: "a".to_owned(), ..StepResult::default() };
        let mut kept = Vec::new();
        for second in (0..seconds).step_by(point_s as usize) {
            let mut latency = Histogram::new();
            latency.record(u64::from(second) * 1_000_000 + 1);
            let max_ns = latency.max().map(|figure| figure.ns);
            let latency = Packed::of(&latency);
            step.seconds.push(StepSecond { second, succeeded: 1, failed: 0, latency });
            kept.push(SecondPoint { second, succeeded: 1, max_ns, ..SecondPoint::default() });
        }
        LoadResult { seconds: kept, steps: vec![step], point_s, ..LoadResult::default() }
    }

    #[test]
    fn a_long_run_is_merged_and_loses_nothing() {
        for (seconds, point_s) in [(1, 1), (7, 1), (3_600, 1), (3_599, 1), (8_000, 4)] {
            let result = result(seconds, point_s);
            let axis = Axis::of(&result, 240).unwrap();
            assert!(axis.count <= 240 && axis.length_s() >= u64::from(seconds), "{axis:?}");
            let slices = whole(&result, axis);
            let succeeded: u64 = slices.iter().map(|slice| slice.succeeded).sum();
            assert_eq!(succeeded, result.seconds.len() as u64);
            let last = result.seconds.last().unwrap().max_ns;
            assert_eq!(slices.last().unwrap().times.max, last);
            assert_eq!(of_step(&result.steps[0], axis).last().unwrap().times.max, last);
        }
    }

    #[test]
    fn a_percentile_of_a_slice_is_that_of_all_its_samples() {
        let result = result(1_000, 1);
        let axis = Axis::of(&result, 1).unwrap();
        let p50 = whole(&result, axis)[0].times.p50.unwrap();
        assert!((495_000_000..505_000_000).contains(&p50), "{p50}");
    }

    #[test]
    fn no_seconds_make_no_axis() {
        assert_eq!(Axis::of(&LoadResult::default(), 100), None);
    }
}
