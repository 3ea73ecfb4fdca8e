//! From intervals to verdicts.
//!
//! - *same*: the interval of the row lies within the margin;
//! - *worse*, *better*: the interval for all rows at once lies wholly beyond the floor, 40 % of the margin;
//! - *cannot tell*: anything else, or too few samples behind a percentile, or a figure that is only a lower bound on the
//!   side where that matters, or a change that the generators' own lateness could explain.
//!
//! *Same* goes first: within the margin a difference is of no interest, however sure. Changes of latency and throughput are
//! ratios and add up as logarithms; errors are differences of shares, because a ratio to nothing is none.

use super::blocks::Memory;
use super::confidence::{Effect, Multiples, span};
use super::figures::{Figures, Metric, Room, figures};
use super::lag::explains;
use super::resample::draws;
use super::series::{Series, Side};
use super::{MIN_POINTS, Options, Row, Span, Verdict};

/// Difference of error shares below which nobody cares.
pub(super) const ERROR_MARGIN: f64 = 0.001;
/// The floor, as a part of the margin: what differs between any two runs of the same system is not called worse.
const FLOOR_SHARE: f64 = 0.4;
/// Samples above a percentile without which it is an anecdote.
const MIN_TAIL: f64 = 10.0;
/// A throughput of nothing has a logarithm too.
const LEAST: f64 = 1e-9;

/// Below this change nothing is called better or worse.
pub(super) fn floor(margin: f64) -> f64 {
    margin * FLOOR_SHARE
}

/// What follows from all rows.
pub(super) fn overall(rows: &[Row]) -> Verdict {
    let any = |verdict| rows.iter().any(|row| row.verdict == verdict);
    let mut whole = rows.iter().filter(|row| row.step.is_none()).peekable();
    if any(Verdict::Worse) {
        Verdict::Worse
    } else if any(Verdict::Better) {
        Verdict::Better
    } else if whole.peek().is_some() && whole.all(|row| row.verdict == Verdict::Same) {
        Verdict::Same
    } else {
        Verdict::CannotTell
    }
}

/// Compares every wanted figure of every series.
pub(super) fn judge(a: &Side, b: &Side, options: &Options) -> Vec<Row> {
    let mut rows = found(a, b, &options.metrics);
    if a.points().min(b.points()) < MIN_POINTS {
        return rows.into_iter().map(|(_, row)| row).collect();
    }
    // Another seed for B: equal draws on both sides would hide the noise that both have.
    let drawn = [draws(a, options.resamples, options.seed), draws(b, options.resamples, !options.seed)];
    let memories = Metric::ALL.map(|metric| Memory::of(a, b, metric));
    let effects = rows.iter().map(|(series, row)| effect(*series, row, memories[row.metric.place()], &drawn));
    let effects: Vec<Effect> = effects.collect();
    let multiples = Multiples::of(&effects);
    for ((series, row), effect) in rows.iter_mut().zip(&effects) {
        let scale = Scale::of(row.metric, options.margin);
        let outside = |multiple| scale.outside(span(effect, multiple));
        let (single, joint) = (outside(multiples.single), outside(multiples.joint));
        row.interval = Some(single);
        row.joint_interval = Some(joint);
        row.detectable = Some(scale.worsening(multiples.detectable(effect, scale.floor)));
        let verdict = scale.verdict(single, joint);
        let (in_a, in_b) = (&a.series[*series], &b.series[*series]);
        let late = is_change(verdict) && explains([&a.lag, &b.lag], row, [in_a.mean_ns(), in_b.mean_ns()]);
        row.reason = doubt(row, verdict, in_a, in_b)
            .or_else(|| late.then(|| "the generator was later in one run, which may explain it".to_owned()));
        row.verdict = if row.reason.is_some() { Verdict::CannotTell } else { verdict };
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The figures as measured, with the place of their series; those without a sample on both sides are left out.
fn found(a: &Side, b: &Side, metrics: &[Metric]) -> Vec<(usize, Row)> {
    let mut room = Room::default();
    let mut rows = Vec::new();
    for (place, (series_a, series_b)) in a.series.iter().zip(&b.series).enumerate() {
        let mut all = |series: &Series| figures(series, &vec![1; series.points.len()], &mut room);
        let (all_a, all_b) = (all(series_a), all(series_b));
        for metric in metrics {
            let (Some(a), Some(b)) = (all_a[metric.place()], all_b[metric.place()]) else { continue };
            let scale = Scale::of(*metric, 0.0);
            rows.push((
                place,
                Row {
                    step: series_a.name.clone(),
                    metric: *metric,
                    a,
                    b,
                    change: scale.shown(scale.change(a, b)),
                    interval: None,
                    joint_interval: None,
                    detectable: None,
                    verdict: Verdict::CannotTell,
                    reason: None,
                },
            ));
        }
    }
    rows
}

fn effect(series: usize, row: &Row, memory: Memory, drawn: &[Vec<Vec<Figures>>; 2]) -> Effect {
    let scale = Scale::of(row.metric, 0.0);
    let place = row.metric.place();
    let changes = drawn[0].iter().zip(&drawn[1]).filter_map(|(a, b)| {
        // A draw of empty seconds alone has no latency; the figure as found stands in for it.
        let (a, b) = (a[series][place].unwrap_or(row.a), b[series][place].unwrap_or(row.b));
        Some(scale.change(a, b)).filter(|change| change.is_finite())
    });
    Effect::new(scale.change(row.a, row.b), changes.collect(), memory)
}

/// Why a verdict cannot be given although there are intervals.
fn doubt(row: &Row, verdict: Verdict, a: &Series, b: &Series) -> Option<String> {
    if let Some(tail) = row.metric.tail() {
        let samples = |series: &Series| series.points.iter().map(|point| point.samples).sum::<u64>();
        let fewest = samples(a).min(samples(b));
        if fewest as f64 * tail < MIN_TAIL {
            let needed = (MIN_TAIL / tail).round();
            return Some(format!("{fewest} samples are too few for {}, {needed} are needed", row.metric));
        }
    }
    if !row.metric.is_latency() {
        return None;
    }
    let open = |series: &Series, value: f64| {
        // One step of the histogram either way: a censored sample in the same step may be the one that was counted.
        series.censored_min_ns.is_some_and(|ns| row.metric == Metric::Mean || value >= ns as f64 * (1.0 - 1.0 / 64.0))
    };
    let (open_a, open_b) = (open(a, row.a), open(b, row.b));
    let hangs = match verdict {
        Verdict::Worse => open_a,
        Verdict::Better => open_b,
        Verdict::Same => open_a || open_b,
        Verdict::CannotTell => false,
    };
    hangs.then(|| "timed-out requests make this figure a lower bound".to_owned())
}

fn is_change(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Worse | Verdict::Better)
}

/// How changes of a figure are counted and what they mean.
#[derive(Clone, Copy, Debug)]
struct Scale {
    metric: Metric,
    /// On the scale on which changes add up.
    floor: f64,
    /// In the shown change, either side of none.
    margin: f64,
}

impl Scale {
    fn of(metric: Metric, margin: f64) -> Self {
        match metric {
            Metric::Errors => Self { metric, floor: floor(ERROR_MARGIN), margin: ERROR_MARGIN },
            _ => Self { metric, floor: floor(margin).ln_1p(), margin },
        }
    }

    /// The change from `a` to `b` on the scale on which changes add up.
    fn change(self, a: f64, b: f64) -> f64 {
        match self.metric {
            Metric::Errors => b - a,
            _ => (b.max(LEAST) / a.max(LEAST)).ln(),
        }
    }

    /// That change as people read it.
    fn shown(self, change: f64) -> f64 {
        match self.metric {
            Metric::Errors => change,
            _ => change.exp(),
        }
    }

    fn outside(self, span: Span) -> Span {
        Span { low: self.shown(span.low), high: self.shown(span.high) }
    }

    /// A change of this size for the worse, as a share of A (errors: as a share of requests).
    fn worsening(self, change: f64) -> f64 {
        match self.metric {
            Metric::Errors => change,
            Metric::Throughput => 1.0 - (-change).exp(),
            _ => change.exp() - 1.0,
        }
    }

    fn verdict(self, single: Span, joint: Span) -> Verdict {
        let none = self.shown(0.0);
        let (up, down) = (self.shown(self.floor), self.shown(-self.floor));
        // Throughput is the one figure that should be high.
        let (above, below) = match self.metric {
            Metric::Throughput => (Verdict::Better, Verdict::Worse),
            _ => (Verdict::Worse, Verdict::Better),
        };
        if none - self.margin <= single.low && single.high <= none + self.margin {
            Verdict::Same
        } else if joint.low > up {
            above
        } else if joint.high < down {
            below
        } else {
            Verdict::CannotTell
        }
    }
}
