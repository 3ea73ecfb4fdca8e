//! Where a moment stands on a timeline: to scale, but for stretches in which nothing shown was under way.
//!
//! Invariants: places rise with time and lie between 0 and 1; all that is shown is drawn to one scale; a stretch is cut only
//! if it is longer than all that is shown together, and whoever draws marks it.

use stampede_model::check::counterexample::{Counterexample, Shown};

/// The width of one cut; several share at most [`CUTS`].
const CUT: f64 = 0.08;
const CUTS: f64 = 0.4;

/// A stretch that is drawn shorter than it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cut {
    /// Its sides, 0 to 1.
    pub(crate) left: f64,
    pub(crate) right: f64,
    /// When it began and ended.
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

impl Cut {
    /// How long it was.
    pub(crate) fn ns(self) -> u64 {
        self.to_ns - self.from_ns
    }

    /// Its middle, 0 to 1.
    pub(crate) fn middle(self) -> f64 {
        f64::midpoint(self.left, self.right)
    }
}

/// From nanoseconds after the first shown call to a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    /// Moments and their places, rising; between them it is linear.
    points: Vec<(u64, f64)>,
    cuts: Vec<Cut>,
}

impl Scale {
    /// The scale of a counterexample; `None` when nothing in it has a time.
    pub(crate) fn of(example: &Counterexample) -> Option<Self> {
        let timed = || example.operations.iter().filter_map(|one| Some((one, one.call_ns?)));
        let end = |one: &Shown, call: u64| one.return_ns.unwrap_or(call).max(call);
        let last = timed().map(|(one, call)| end(one, call)).max()?;
        // A lease may reach far beyond all that is shown.
        let held = timed().filter_map(|(one, call)| Some((call, one.held_until_ns?.min(last).max(call))));
        let mut spans: Vec<(u64, u64)> = timed().map(|(one, call)| (call, end(one, call))).chain(held).collect();
        spans.sort_unstable();
        let is_open = timed().any(|(one, _)| one.return_ns.is_none());
        Self::over(&spans, is_open)
    }

    /// Of stretches, rising; `is_open` leaves room for what never ended.
    fn over(spans: &[(u64, u64)], is_open: bool) -> Option<Self> {
        let mut busy: Vec<(u64, u64)> = Vec::new();
        for &(from, to) in spans {
            match busy.last_mut() {
                Some((_, until)) if from <= *until => *until = to.max(*until),
                _ => busy.push((from, to)),
            }
        }
        let total: u64 = busy.iter().map(|(from, to)| to - from).sum();
        let room = (total / 8).max(1);
        if let Some((_, until)) = busy.last_mut().filter(|_| is_open) {
            *until += room;
        }
        let first = busy.first()?.0;
        let is_cut = |gap: u64| total > 0 && gap > total;
        let gaps = || busy.windows(2).map(|pair| (pair[0].1, pair[1].0));
        let cut_count = gaps().filter(|(from, to)| is_cut(to - from)).count();
        let cut_width = if cut_count == 0 { 0.0 } else { CUT.min(CUTS / cut_count as f64) };
        let cut_ns: u64 = gaps().map(|(from, to)| to - from).filter(|gap| is_cut(*gap)).sum();
        let drawn_ns = busy.last()?.1.saturating_sub(first).saturating_sub(cut_ns).max(1);
        let per_ns = (1.0 - cut_width * cut_count as f64) / drawn_ns as f64;
        let (mut points, mut cuts) = (vec![(first, 0.0)], Vec::new());
        let mut go = |points: &mut Vec<(u64, f64)>, to: u64| {
            let (at, place) = points.last().copied().unwrap_or((first, 0.0));
            let gap = to.saturating_sub(at);
            let is_cut = is_cut(gap) && gaps().any(|one| one == (at, to));
            let next = (place + if is_cut { cut_width } else { gap as f64 * per_ns }).min(1.0);
            if is_cut {
                cuts.push(Cut { left: place, right: next, from_ns: at, to_ns: to });
            }
            points.push((to, next));
        };
        for &(from, to) in &busy {
            go(&mut points, from);
            go(&mut points, to);
        }
        Some(Self { points, cuts })
    }

    /// The place of a moment.
    pub(crate) fn place(&self, ns: u64) -> f64 {
        let after = self.points.partition_point(|(at, _)| *at <= ns);
        let Some(&(from, left)) = after.checked_sub(1).and_then(|at| self.points.get(at)) else { return 0.0 };
        let Some(&(to, right)) = self.points.get(after) else { return left };
        left + (right - left) * (ns - from) as f64 / (to - from) as f64
    }

    /// Where something begins and ends; without an end it goes on to the edge.
    pub(crate) fn span(&self, call_ns: u64, return_ns: Option<u64>) -> (f64, f64) {
        (self.place(call_ns), return_ns.map_or(1.0, |end| self.place(end)))
    }

    pub(crate) fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    /// The whole stretch, cuts counted.
    pub(crate) fn length_ns(&self) -> u64 {
        self.points.last().map_or(0, |(at, _)| *at) - self.points.first().map_or(0, |(at, _)| *at)
    }

    /// Moments worth a label: round ones where nothing is cut, the sides of each cut where something is.
    pub(crate) fn ticks(&self) -> Vec<(f64, u64)> {
        let end = self.length_ns();
        if self.cuts.is_empty() {
            let step = round_step(end);
            let count = end.checked_div(step).unwrap_or(0);
            return (0..=count).map(|tick| (self.place(tick * step), tick * step)).collect();
        }
        let mut ticks = vec![(0.0, 0)];
        ticks.extend(self.cuts.iter().map(|cut| (cut.right, cut.to_ns)));
        ticks.push((1.0, end));
        ticks.dedup_by_key(|(_, at)| *at);
        ticks
    }
}

/// A step of 1, 2 or 5 that divides a length into four to nine parts.
fn round_step(length_ns: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = unit.saturating_mul(factor);
            if length_ns / step < 8 {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_overlaps_is_drawn_to_scale() {
        let scale = Scale::over(&[(0, 400), (100, 800), (900, 1_000)], false).unwrap();
        assert_eq!(scale.cuts(), []);
        let permille = |place: f64| (place * 1e3).round() as u64;
        assert_eq!(
            [0, 100, 400, 850, 1_000, 5_000].map(|ns| permille(scale.place(ns))),
            [0, 100, 400, 850, 1_000, 1_000]
        );
        let ticks: Vec<(u64, u64)> = scale.ticks().into_iter().map(|(place, ns)| (permille(place), ns)).collect();
        assert_eq!(ticks, [(0, 0), (200, 200), (400, 400), (600, 600), (800, 800), (1_000, 1_000)]);
    }

    #[test]
    fn a_long_silence_is_cut_and_told() {
        let scale = Scale::over(&[(0, 600), (1_000_000, 1_000_400)], false).unwrap();
        let [cut] = scale.cuts() else { panic!("{scale:?}") };
        assert_eq!(cut.ns(), 999_400);
        assert!((cut.left - 0.552).abs() < 1e-9 && (cut.right - 0.632).abs() < 1e-9, "{cut:?}");
        assert!((scale.place(300) - 0.276).abs() < 1e-9, "the rest is to scale");
        assert_eq!(scale.ticks().iter().map(|(_, at)| *at).collect::<Vec<_>>(), [0, 1_000_000, 1_000_400]);
    }

    #[test]
    fn what_never_ended_goes_to_the_edge() {
        let scale = Scale::over(&[(0, 800), (400, 400)], true).unwrap();
        assert!(scale.span(400, None).1 > 0.999);
        assert!(scale.place(800) < 0.9, "there is room to see that it goes on");
        assert_eq!(Scale::over(&[], false), None);
        let point = Scale::over(&[(5, 5)], false).unwrap();
        assert!(point.place(5).is_finite());
    }

    proptest! {
        #[test]
        fn places_rise_with_time(mut spans in prop::collection::vec((0_u64..1 << 40, 0_u64..1 << 30), 1..12), is_open in any::<bool>()) {
            for (from, length) in &mut spans {
                *length += *from;
            }
            spans.sort_unstable();
            let scale = Scale::over(&spans, is_open).unwrap();
            let mut moments: Vec<u64> = spans.iter().flat_map(|(from, to)| [*from, *to, from / 2 + to / 2]).collect();
            moments.sort_unstable();
            let places: Vec<f64> = moments.iter().map(|ns| scale.place(*ns)).collect();
            prop_assert!(places.is_sorted(), "{places:?}");
            prop_assert!(places.iter().all(|place| (0.0..=1.0).contains(place)), "{places:?}");
            let drawn: f64 = scale.cuts().iter().map(|cut| cut.right - cut.left).sum();
            prop_assert!(drawn <= 0.4 + 1e-9);
        }
    }
}
