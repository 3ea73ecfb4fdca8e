//! Whether the generators' own lateness could make the difference between two runs.
//!
//! A busy machine slows the generator and what stands beside it, in one run more than in the other, and no drawing of
//! seconds shows that: it is not noise within a run. But the generator knows how late it was. What it was later in one run
//! than in the other, at the same percentile, counts four times, because a request waits for a CPU up to four times: to be
//! sent, to be taken, when its work is woken, to be read. A difference that is no larger proves nothing of the server.
//! Absent on purpose: taking the lag off the figures. It says what may be, not what was.

use super::Row;
use super::figures::Metric;
use crate::histogram::Histogram;
use crate::run::RunFile;
use crate::run_result::LagOf;

/// How often a request may have waited for a CPU.
const WAITS: f64 = 4.0;
/// Fewer looks have no percentiles to speak of.
const MIN_LOOKS: u64 = 100;

/// How late the generator of a run was.
#[derive(Clone, Debug)]
pub(super) struct Lag {
    histogram: Histogram,
    of: LagOf,
}

impl Lag {
    pub(super) fn of(run: &RunFile) -> Self {
        let health = &run.result.health;
        Self { histogram: health.lag.clone(), of: health.lag_of }
    }

    /// At the percentile (or mean) of `metric`, in nanoseconds; `None` where lag does not bear on it.
    fn at(&self, metric: Metric) -> Option<f64> {
        if self.histogram.count() < MIN_LOOKS {
            return None;
        }
        let figure = match (metric, metric.tail()) {
            (Metric::Errors, _) => None,
            // In an open model the schedule makes the throughput, not the latency.
            (Metric::Throughput, _) if self.of == LagOf::Departures => None,
            (_, Some(tail)) => self.histogram.quantile(1.0 - tail),
            (_, None) => self.histogram.mean(),
        };
        figure.map(|figure| figure.ns as f64)
    }
}

/// Whether the lag could explain the change of `row`, in the direction it went. `means` are the mean latencies of A and B,
/// which make the throughput of a closed model.
pub(super) fn explains(lags: [&Lag; 2], row: &Row, means: [f64; 2]) -> bool {
    let [Some(lag_a), Some(lag_b)] = lags.map(|lag| lag.at(row.metric)) else { return false };
    let [a, b] = if row.metric == Metric::Throughput { means } else { [row.a, row.b] };
    let (change, lag) = (b - a, lag_b - lag_a);
    change.signum() * lag * WAITS >= change.abs() && change.abs() > 0.0
}
