//! The run added up: its seconds as they close, its steps, and what a watcher may see of them meanwhile.
//!
//! Invariants: a second becomes a point only when every thread is past it, so its percentiles are of all requests; the
//! points of a step add up to the step, and the steps to the whole; memory holds the open seconds (a few) and a small
//! point per closed one, at most [`MAX_POINTS`] of them and [`BYTES_MAX`] in all: beyond either neighbours are merged, none is
//! dropped.

use std::collections::BTreeMap;

use stampede_model::histogram::{Histogram, Packed};
use stampede_model::run_result::{LoadResult, MAX_POINTS, SecondPoint, StepResult, StepSecond, Traffic};

use super::control::LiveSecond;
use super::scenario::StepSpec;
use super::series::Series;
use super::sheet::Sheet;
use super::tally::Tally;

/// What the packed latencies of all points may take: ten minutes at one step on a quiet machine. On a busy one latencies are wide
/// and points large, and a run of any length would grow by some KiB a second.
const BYTES_MAX: usize = 640 << 10;
/// The same for each step beyond the first.
const STEP_BYTES_MAX: usize = 64 << 10;

/// Everything closed so far.
pub(super) struct Ledger {
    specs: Vec<StepSpec>,
    open: BTreeMap<u32, Sheet>,
    totals: Vec<Tally>,
    seconds: Vec<Vec<StepSecond>>,
    points: Vec<SecondPoint>,
    points_max: usize,
    /// Of the packed latencies of all points.
    bytes: usize,
    bytes_max: usize,
    point_s: u32,
    lag: Histogram,
    traffic: Traffic,
    last_end_ns: u64,
    /// From the intended start, all steps.
    intent: Histogram,
    /// Used again for every point.
    scratch: Histogram,
}

impl Ledger {
    pub(super) fn new(specs: Vec<StepSpec>) -> Self {
        let bytes_max = BYTES_MAX + STEP_BYTES_MAX * specs.len().saturating_sub(1);
        Self::bounded(specs, MAX_POINTS, bytes_max)
    }

    fn bounded(specs: Vec<StepSpec>, points_max: usize, bytes_max: usize) -> Self {
        Self {
            bytes: 0,
            bytes_max,
            open: BTreeMap::new(),
            totals: vec![Tally::default(); specs.len()],
            seconds: vec![Vec::new(); specs.len()],
            specs,
            points: Vec::new(),
            points_max,
            point_s: 1,
            lag: Histogram::new(),
            traffic: Traffic::default(),
            last_end_ns: 0,
            intent: Histogram::new(),
            scratch: Histogram::new(),
        }
    }

    /// Takes what the threads handed in, and closes the seconds that all of them are past. `closed` sees each.
    pub(super) fn collect(&mut self, series: &Series, mut closed: impl FnMut(LiveSecond)) {
        let (sheets, reached) = series.fetch();
        for mut sheet in sheets {
            match self.open.get_mut(&sheet.second) {
                Some(open) => {
                    open.merge(&sheet);
                    sheet.clear();
                    series.give_back(sheet);
                }
                None => {
                    self.open.insert(sheet.second, sheet);
                }
            }
        }
        while let Some(entry) = self.open.first_entry().filter(|entry| *entry.key() < reached) {
            let mut sheet = entry.remove();
            closed(self.close(&sheet));
            sheet.clear();
            series.give_back(sheet);
        }
    }

    /// Latencies from the intended start of everything closed so far.
    pub(super) fn intent(&self) -> &Histogram {
        &self.intent
    }

    /// The figures so far, without points.
    pub(super) fn view(&self) -> LoadResult {
        let mut whole = Tally::default();
        self.totals.iter().for_each(|step| whole.merge(step));
        let mut result = LoadResult { steps: self.steps(), ..LoadResult::default() };
        whole.write_to(&mut result);
        result.traffic = self.traffic;
        result.elapsed_ns = self.last_end_ns;
        result.health.lag = self.lag.clone();
        result
    }

    /// The whole result, once every thread has handed in its last second.
    pub(super) fn finish(mut self) -> LoadResult {
        let mut result = self.view();
        for (step, seconds) in result.steps.iter_mut().zip(&mut self.seconds) {
            step.seconds = std::mem::take(seconds);
        }
        result.seconds = self.points;
        result.point_s = self.point_s;
        result
    }

    fn steps(&self) -> Vec<StepResult> {
        let named = self.specs.iter().zip(&self.totals);
        named
            .map(|(spec, total)| StepResult {
                name: spec.name.clone(),
                method: spec.method.clone(),
                tags: spec.tags.clone(),
                counts: total.counts,
                latency: total.latency.clone(),
                statuses: total.statuses(),
                failures: total.failures(),
                seconds: Vec::new(),
                slowest: Vec::new(),
            })
            .collect()
    }

    fn close(&mut self, sheet: &Sheet) -> LiveSecond {
        self.lag.merge(&sheet.lag);
        self.traffic.merge(&sheet.traffic);
        self.last_end_ns = self.last_end_ns.max(sheet.last_end_ns);
        self.make_room(sheet.second);
        let first_s = sheet.second - sheet.second % self.point_s;
        let mut point =
            SecondPoint { second: first_s, in_flight: sheet.in_flight, users: sheet.users, ..SecondPoint::default() };
        let mut statuses = BTreeMap::new();
        self.scratch.clear();
        for (index, tally) in sheet.steps.iter().enumerate() {
            point.sent += tally.counts.sent;
            point.succeeded += tally.counts.succeeded;
            point.failed += tally.counts.failed;
            self.scratch.merge(&tally.latency.intent);
            self.totals[index].merge(tally);
            tally.statuses().into_iter().for_each(|(status, count)| *statuses.entry(status).or_default() += count);
            self.bytes += push_step(&mut self.seconds[index], first_s, tally);
        }
        self.intent.merge(&self.scratch);
        show(&mut point, &self.scratch);
        let live = LiveSecond {
            second: sheet.second,
            succeeded: point.succeeded,
            failed: point.failed,
            p50_ns: point.p50_ns,
            p95_ns: point.p95_ns,
            p99_ns: point.p99_ns,
            lag_p99_ns: sheet.lag.quantile(0.99).map_or(0, |lag| lag.ns),
            statuses,
        };
        self.push_point(point);
        live
    }

    fn push_point(&mut self, point: SecondPoint) {
        match self.points.last_mut() {
            Some(last) if last.second == point.second => {
                join(last, &point);
                self.recompute(self.points.len() - 1);
            }
            _ if is_empty(&point) => {}
            _ => self.points.push(point),
        }
    }

    /// Widens the points until one more, of `second`, fits.
    fn make_room(&mut self, second: u32) {
        while (self.points.len() >= self.points_max || self.bytes > self.bytes_max && self.points.len() > 1)
            && self.points.last().is_some_and(|last| last.second != second - second % self.point_s)
        {
            self.point_s *= 2;
            let point_s = self.point_s;
            self.points.dedup_by(|later, earlier| {
                let same = later.second / point_s == earlier.second / point_s;
                if same {
                    join(earlier, later);
                }
                same
            });
            self.points.iter_mut().for_each(|point| point.second -= point.second % point_s);
            self.seconds.iter_mut().for_each(|seconds| widen(seconds, point_s));
            self.bytes = self.seconds.iter().flatten().map(|part| part.latency.len_bytes()).sum();
            (0..self.points.len()).for_each(|index| self.recompute(index));
        }
    }

    /// The percentiles of a point from its steps.
    fn recompute(&mut self, index: usize) {
        let second = self.points[index].second;
        self.scratch.clear();
        for seconds in &self.seconds {
            if let Ok(found) = seconds.binary_search_by_key(&second, |part| part.second) {
                seconds[found].latency.merge_into(&mut self.scratch);
            }
        }
        show(&mut self.points[index], &self.scratch);
    }
}

fn show(point: &mut SecondPoint, latency: &Histogram) {
    let ns = |share| latency.quantile(share).map(|figure| figure.ns);
    (point.p50_ns, point.p95_ns, point.p99_ns) = (ns(0.5), ns(0.95), ns(0.99));
    point.max_ns = latency.max().map(|figure| figure.ns);
}

fn is_empty(point: &SecondPoint) -> bool {
    point.sent == 0 && point.succeeded == 0 && point.failed == 0 && point.in_flight == 0 && point.max_ns.is_none()
}

/// Adds the counts of a later part of the same point; how many were at it is what the later one saw.
fn join(point: &mut SecondPoint, later: &SecondPoint) {
    point.sent += later.sent;
    point.succeeded += later.succeeded;
    point.failed += later.failed;
    (point.in_flight, point.users) = (later.in_flight, later.users);
}

/// Adds a second of a step; says by how many bytes the packed latencies grew.
fn push_step(seconds: &mut Vec<StepSecond>, second: u32, tally: &Tally) -> usize {
    let (counts, intent) = (&tally.counts, &tally.latency.intent);
    if counts.succeeded == 0 && counts.failed == 0 && intent.count() == 0 {
        return 0;
    }
    let part = StepSecond { second, succeeded: counts.succeeded, failed: counts.failed, latency: Packed::of(intent) };
    match seconds.last_mut() {
        Some(last) if last.second == second => {
            let before = last.latency.len_bytes();
            join_step(last, &part);
            last.latency.len_bytes().saturating_sub(before)
        }
        _ => {
            let added = part.latency.len_bytes();
            seconds.push(part);
            added
        }
    }
}

fn join_step(part: &mut StepSecond, later: &StepSecond) {
    part.succeeded += later.succeeded;
    part.failed += later.failed;
    let mut sum = part.latency.unpack();
    later.latency.merge_into(&mut sum);
    part.latency = Packed::of(&sum);
}

fn widen(seconds: &mut Vec<StepSecond>, point_s: u32) {
    seconds.dedup_by(|later, earlier| {
        let same = later.second / point_s == earlier.second / point_s;
        if same {
            join_step(earlier, later);
        }
        same
    });
    for part in seconds {
        part.second -= part.second % point_s;
    }
}

#[cfg(test)]
mod tests;
