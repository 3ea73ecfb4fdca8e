//! The figures that are compared, computed from any choice of points.
//!
//! Invariant: a figure is computed from the merged histogram of the chosen points, never from percentiles of points, which
//! do not add up. Within a step of the histogram samples are taken as evenly spread, the same way in both runs, so that
//! the step's width (0.8 %) does not make a figure jump.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::series::Series;
use crate::histogram::bounds;

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Median latency from the intended start.
    P50,
    /// Its 90th percentile.
    P90,
    /// Its 95th percentile.
    P95,
    /// Its 99th percentile.
    P99,
    /// Its mean.
    Mean,
    /// Successes per second.
    Throughput,
    /// Failed requests over finished ones.
    Errors,
}

/// Percentiles, ascending, in the order of [`Metric::ALL`].
const SHARES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

impl Metric {
    /// Every figure.
    pub const ALL: [Self; COUNT] =
        [Self::P50, Self::P90, Self::P95, Self::P99, Self::Mean, Self::Throughput, Self::Errors];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Mean => "mean",
            Self::Throughput => "throughput",
            Self::Errors => "errors",
        }
    }

    /// Its place in [`Metric::ALL`].
    pub(super) fn place(self) -> usize {
        self as usize
    }

    /// Whether it is a time.
    pub fn is_latency(self) -> bool {
        !matches!(self, Self::Throughput | Self::Errors)
    }

    /// The part of the samples that lies above it; `None` when it is no percentile.
    pub(super) fn tail(self) -> Option<f64> {
        SHARES.get(self.place()).map(|share| 1.0 - share)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|metric| metric.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no figure is called `{text}`: use one of {names}")
        })
    }
}

/// How many figures there are.
pub(super) const COUNT: usize = 7;

/// All figures of one choice of points, in the order of [`Metric::ALL`]; without samples the latencies are `None`.
pub(super) type Figures = [Option<f64>; COUNT];

/// Room for merging histograms, used again for every draw.
#[derive(Debug, Default)]
pub(super) struct Room {
    merged: Vec<u64>,
}

/// The figures of `series` when point *i* is taken `weights[i]` times.
pub(super) fn figures(series: &Series, weights: &[u32], room: &mut Room) -> Figures {
    room.merged.clear();
    room.merged.resize(series.grid.len(), 0);
    let (mut taken, mut succeeded, mut failed, mut samples, mut sum_ns) = (0_u64, 0_u64, 0_u64, 0_u64, 0.0);
    for (point, weight) in series.points.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
        let weight = u64::from(*weight);
        taken += weight;
        succeeded += weight * point.succeeded;
        failed += weight * point.failed;
        samples += weight * point.samples;
        sum_ns += weight as f64 * point.sum_ns;
        for (place, count) in &point.slots {
            room.merged[*place as usize] += weight * u64::from(*count);
        }
    }
    let mut figures: Figures = [None; COUNT];
    if samples > 0 {
        percentiles(series, &room.merged, samples, &mut figures);
        figures[Metric::Mean.place()] = Some(sum_ns / samples as f64);
    }
    let seconds = taken as f64 * f64::from(series.point_s);
    figures[Metric::Throughput.place()] = (taken > 0).then(|| succeeded as f64 / seconds);
    let finished = succeeded + failed;
    figures[Metric::Errors.place()] = (finished > 0).then(|| failed as f64 / finished as f64);
    figures
}

fn percentiles(series: &Series, merged: &[u64], samples: u64, figures: &mut Figures) {
    let mut steps = series.grid.iter().zip(merged).filter(|(_, count)| **count > 0);
    let mut step = steps.next();
    let mut below = 0;
    for (place, share) in SHARES.into_iter().enumerate() {
        let rank = share * samples as f64;
        while let Some((slot, count)) = step {
            if (below + count) as f64 >= rank {
                let (low, width) = bounds(*slot);
                figures[place] = Some(low as f64 + width as f64 * (rank - below as f64) / *count as f64);
                break;
            }
            below += count;
            step = steps.next();
        }
    }
}
