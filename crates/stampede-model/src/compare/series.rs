//! The points of a run as the comparison reads them: dense in time, cut to the part that counts, histograms sparse.
//!
//! Invariants: a point in which nothing ended is a point (a stalled second must not vanish); the points of all steps of a
//! run lie on one axis; a point covers the same time in both runs. There are at most [`MAX_DRAWN`] points: a longer run has
//! wider ones, which costs nothing because draws take neighbours together anyway.

use std::time::Duration;

use super::SideInfo;
use super::blocks::block_of;
use super::lag::Lag;
use crate::run::RunFile;
use crate::run_result::StepSecond;

/// Most points that are drawn: bounds the work of a comparison.
const MAX_DRAWN: u32 = 300;
const NS_PER_S: u64 = 1_000_000_000;

/// What ended in one point.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    /// Samples of the latency: successes and time-outs.
    pub(super) samples: u64,
    pub(super) sum_ns: f64,
    /// Places in the series' grid, and the samples there.
    pub(super) slots: Vec<(u32, u32)>,
}

/// One step, or the whole run.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// The step's name; `None` for the whole run.
    pub(super) name: Option<String>,
    pub(super) points: Vec<Point>,
    /// Seconds that a point covers.
    pub(super) point_s: u32,
    /// The steps of the histogram that hold something, ascending.
    pub(super) grid: Vec<usize>,
    /// The shortest sample of unknown end, if there is one: figures from here on are lower bounds.
    pub(super) censored_min_ns: Option<u64>,
}

/// One of the two runs.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// The whole run, then its steps if there are several.
    pub(super) series: Vec<Series>,
    /// Points drawn together.
    pub(super) block: usize,
    /// How late the generator was.
    pub(super) lag: Lag,
}

/// The part of a run that counts, in seconds.
#[derive(Clone, Copy, Debug)]
struct Window {
    from_s: u32,
    points: u32,
    point_s: u32,
}

impl Side {
    /// Both runs on equal terms: the steps both have, points of one width.
    pub(super) fn pair(a: &RunFile, b: &RunFile, skip: Duration) -> (Self, Self) {
        // Each is a power of two, so the larger one is a multiple of the other.
        let stored_s = a.result.point_s.max(b.result.point_s).max(1);
        let longest_s = issuing_s(a).max(issuing_s(b));
        let point_s = stored_s * longest_s.div_ceil(stored_s).div_ceil(MAX_DRAWN).max(1);
        let common: Vec<&str> = a
            .result
            .steps
            .iter()
            .map(|step| step.name.as_str())
            .filter(|name| b.result.steps.iter().any(|step| step.name == *name))
            .collect();
        let side = |run: &RunFile| Self::of(run, &common, Window::of(run, skip, point_s));
        (side(a), side(b))
    }

    fn of(run: &RunFile, common: &[&str], window: Window) -> Self {
        let steps = &run.result.steps;
        let whole = Series::of(None, steps.iter().flat_map(|step| &step.seconds), window);
        let block = block_of(&whole);
        let mut series = vec![whole];
        if steps.len() > 1 {
            for name in common {
                let seconds = steps.iter().filter(|step| step.name == *name).flat_map(|step| &step.seconds);
                series.push(Series::of(Some((*name).to_owned()), seconds, window));
            }
        }
        Self { series, block, lag: Lag::of(run) }
    }

    /// Points of the run.
    pub(super) fn points(&self) -> usize {
        self.series[0].points.len()
    }

    pub(super) fn info(&self, started_unix_ns: u64) -> SideInfo {
        let point_s = self.series[0].point_s;
        let seconds = self.points() as u32 * point_s;
        SideInfo { started_unix_ns, seconds, point_s, block_points: self.block as u32 }
    }
}

impl Window {
    fn of(run: &RunFile, skip: Duration, point_s: u32) -> Self {
        let skip_s = u32::try_from(skip.as_nanos().div_ceil(u128::from(NS_PER_S))).unwrap_or(u32::MAX);
        let from_s = skip_s.div_ceil(point_s).saturating_mul(point_s);
        // The last point is not whole, and while the last requests drain nothing new is sent.
        let count = (issuing_s(run) / point_s).saturating_sub(from_s / point_s);
        Self { from_s, points: count, point_s }
    }

    fn place(self, second: u32) -> Option<usize> {
        let place = second.checked_sub(self.from_s)? / self.point_s;
        (place < self.points).then_some(place as usize)
    }
}

/// Whole seconds in which the run sent.
fn issuing_s(run: &RunFile) -> u32 {
    let issuing_ns = run.plan.duration_ns.unwrap_or(u64::MAX).min(run.result.elapsed_ns);
    u32::try_from(issuing_ns / NS_PER_S).unwrap_or(u32::MAX)
}

impl Series {
    /// Mean latency in nanoseconds; 0 without samples.
    pub(super) fn mean_ns(&self) -> f64 {
        let samples: u64 = self.points.iter().map(|point| point.samples).sum();
        self.points.iter().map(|point| point.sum_ns).sum::<f64>() / samples.max(1) as f64
    }

    fn of<'a>(name: Option<String>, seconds: impl Iterator<Item = &'a StepSecond>, window: Window) -> Self {
        let mut points = vec![Point::default(); window.points as usize];
        let mut grid = Vec::new();
        let mut censored_min_ns = None;
        for second in seconds {
            let Some(place) = window.place(second.second) else { continue };
            let point = &mut points[place];
            point.succeeded += second.succeeded;
            point.failed += second.failed;
            let Some(totals) = second.latency.totals() else { continue };
            point.samples += totals.count;
            point.sum_ns += totals.sum_ns as f64;
            if totals.censored > 0 {
                censored_min_ns = Some(totals.censored_min_ns.min(censored_min_ns.unwrap_or(u64::MAX)));
            }
            let slots = second.latency.slots();
            point.slots.extend(slots.map(|(slot, count)| (slot as u32, u32::try_from(count).unwrap_or(u32::MAX))));
            grid.extend(second.latency.slots().map(|(slot, _)| slot));
            grid.sort_unstable();
            grid.dedup();
        }
        for (slot, _) in points.iter_mut().flat_map(|point| &mut point.slots) {
            *slot = grid.partition_point(|filled| *filled < *slot as usize) as u32;
        }
        Self { name, points, point_s: window.point_s, grid, censored_min_ns }
    }
}
