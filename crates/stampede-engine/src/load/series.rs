//! The seconds of a run, put together from all generator threads.
//!
//! Invariants: a second becomes a point only when every thread is past it, so its percentiles are of all requests;
//! memory holds the open seconds (a few) and one small point per closed one, at most [`MAX_POINTS`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stampede_model::histogram::Histogram;
use stampede_model::run_result::{MAX_POINTS, SecondPoint};

/// One second of one thread, or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Second {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) latency: Histogram,
}

impl Second {
    /// Whether nothing ended in it.
    pub(super) fn is_empty(&self) -> bool {
        self.succeeded == 0 && self.failed == 0 && self.latency.count() == 0
    }

    /// Forgets everything, keeping the memory.
    pub(super) fn clear(&mut self) {
        self.succeeded = 0;
        self.failed = 0;
        self.latency.clear();
    }

    fn merge(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.latency.merge(&other.latency);
    }

    fn point(&self, second: u32) -> SecondPoint {
        let ns = |share| self.latency.quantile(share).map(|figure| figure.ns);
        SecondPoint {
            second,
            sent: 0,
            in_flight: 0,
            users: 0,
            succeeded: self.succeeded,
            failed: self.failed,
            p50_ns: ns(0.5),
            p95_ns: ns(0.95),
            p99_ns: ns(0.99),
            max_ns: self.latency.max().map(|figure| figure.ns),
        }
    }
}

/// Where threads hand in their seconds, once a second each.
#[derive(Debug)]
pub(super) struct Series {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    open: BTreeMap<u32, Second>,
    /// The second each thread is in.
    reached: Vec<u32>,
    points: Vec<SecondPoint>,
    points_max: usize,
    dropped: u64,
}

impl Series {
    pub(super) fn new(threads: usize) -> Self {
        Self::bounded(threads, MAX_POINTS)
    }

    fn bounded(threads: usize, points_max: usize) -> Self {
        let reached = vec![0; threads];
        let inner = Inner { open: BTreeMap::new(), reached, points: Vec::new(), points_max, dropped: 0 };
        Self { inner: Mutex::new(inner) }
    }

    /// Thread `thread` hands in what ended in `second`, and is now in second `reached`.
    pub(super) fn hand_in(&self, thread: usize, (second, data): (u32, &Second), reached: u32) {
        let mut inner = self.lock();
        if !data.is_empty() {
            inner.open.entry(second).or_default().merge(data);
        }
        inner.reached[thread] = reached;
        inner.close();
    }

    /// All points, once every thread has handed in its last second.
    pub(super) fn finish(&self) -> (Vec<SecondPoint>, u64) {
        let mut inner = self.lock();
        inner.reached.fill(u32::MAX);
        inner.close();
        (std::mem::take(&mut inner.points), inner.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panicking thread fails the whole run; what it left here is consistent between statements.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn close(&mut self) {
        let passed = self.reached.iter().copied().min().unwrap_or(0);
        while let Some(entry) = self.open.first_entry().filter(|entry| *entry.key() < passed) {
            let (second, data) = entry.remove_entry();
            if self.points.len() < self.points_max {
                self.points.push(data.point(second));
            } else {
                self.dropped += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(latency_ns: u64) -> Second {
        let mut second = Second { succeeded: 1, ..Second::default() };
        second.latency.record(latency_ns);
        second
    }

    #[test]
    fn a_second_closes_when_all_threads_are_past_it() {
        let series = Series::new(2);
        series.hand_in(0, (0, &second(10)), 1);
        assert!(series.lock().points.is_empty());
        series.hand_in(0, (1, &second(30)), 2);
        series.hand_in(1, (0, &second(20)), 1);
        assert_eq!(series.lock().points.len(), 1);
        let (points, dropped) = series.finish();
        assert_eq!(dropped, 0);
        assert_eq!(points.iter().map(|point| point.succeeded).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(points[0].max_ns, Some(20));
        assert_eq!(points[0].p50_ns, Some(10));
    }

    #[test]
    fn empty_seconds_have_no_point() {
        let series = Series::new(1);
        series.hand_in(0, (0, &Second::default()), 7);
        series.hand_in(0, (7, &second(5)), 8);
        let (points, _) = series.finish();
        assert_eq!(points.iter().map(|point| point.second).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn points_are_bounded_and_the_rest_counted() {
        let series = Series::bounded(1, 10);
        for at in 0..13 {
            series.hand_in(0, (at, &second(5)), at + 1);
        }
        let (points, dropped) = series.finish();
        assert_eq!((points.len(), dropped), (10, 3));
        assert!(series.lock().open.is_empty());
    }
}
