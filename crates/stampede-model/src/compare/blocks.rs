//! How long a run remembers: how many neighbouring points must be drawn together, and what a draw misses all the same.
//!
//! Block length: Politis and White, *Automatic Block-Length Selection for the Dependent Bootstrap* (2004), with the
//! correction by Patton, Politis and White (2009), for the circular block bootstrap. The longest of what the series ask for
//! is taken: too long a block costs precision, too short a one honesty.
//!
//! In a run of some ten points blocks cannot be as long as a long memory asks for, and the spread of the draws comes out
//! too small. What is missing is made up for as if the memory were that of a first-order autoregression, whose coefficient is
//! corrected for its own bias in short series (Kendall 1954). Without memory the correction is next to nothing.

use super::figures::Metric;
use super::series::{Point, Series, Side};

/// Correlations below this many standard errors count as none.
const SIGNIFICANT: f64 = 2.0;
/// A stronger memory cannot be told from a drift in runs of this length.
const MAX_MEMORY: f64 = 0.95;
/// The part of the spread that must be seen: below it the run is a single wave.
const MIN_SEEN: f64 = 0.25;
/// The series that a block length is found for.
const KINDS: [Metric; 3] = [Metric::Mean, Metric::Throughput, Metric::Errors];

/// How many points of `series` are drawn together; at least 1.
pub(super) fn block_of(series: &Series) -> usize {
    KINDS.iter().map(|kind| length(&values(series, *kind))).fold(1.0, f64::max).ceil() as usize
}

/// What a figure's memory means for its interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Degrees of freedom of both runs together.
    pub(super) freedom: f64,
    /// What the standard deviation of the draws must be multiplied by; at least 1.
    pub(super) widening: f64,
}

impl Memory {
    /// The memory of `metric` in the whole of both runs. It is taken as one: it belongs to the system and the machine, and a
    /// single short run tells too little of it.
    pub(super) fn of(a: &Side, b: &Side, metric: Metric) -> Self {
        let correlation =
            f64::midpoint(correlation(&values(&a.series[0], metric)), correlation(&values(&b.series[0], metric)));
        let of_side = |side: &Side| {
            let (count, block) = (side.points().max(1) as f64, side.block as f64);
            let true_share = (1.0 + correlation) / (1.0 - correlation);
            let weights = (1..side.block as i32).map(|k| (1.0 - f64::from(k) / block) * correlation.powi(k));
            let drawn_share = 1.0 + 2.0 * weights.sum::<f64>();
            let seen = (1.0 - true_share / count).max(MIN_SEEN);
            (count / true_share, (true_share / drawn_share / seen).sqrt())
        };
        let ((worth_a, widening_a), (worth_b, widening_b)) = (of_side(a), of_side(b));
        Self { freedom: worth_a + worth_b - 2.0, widening: widening_a.max(widening_b).max(1.0) }
    }
}

/// The course over time of what `metric` belongs to.
fn values(series: &Series, metric: Metric) -> Vec<f64> {
    let all = |of: fn(&Point) -> f64| series.points.iter().map(of).collect();
    match metric {
        Metric::Throughput => all(|point| point.succeeded as f64),
        Metric::Errors => all(|point| point.failed as f64),
        _ => {
            let seen = series.points.iter().filter(|point| point.samples > 0);
            seen.map(|point| (point.sum_ns / point.samples as f64).ln_1p()).collect()
        }
    }
}

/// The correlation of neighbours, corrected for the bias it has in a short series; from 0.
fn correlation(values: &[f64]) -> f64 {
    let covariances = covariances(values);
    match covariances.as_slice() {
        [variance, next, ..] if *variance > 0.0 => {
            let raw = next / variance;
            (raw + (1.0 + 3.0 * raw) / values.len() as f64).clamp(0.0, MAX_MEMORY)
        }
        _ => 0.0,
    }
}

/// The optimal length for the mean of `values`; 1 for independent ones.
fn length(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 4 {
        return 1.0;
    }
    let longest = (3.0 * (n as f64).sqrt()).min(n as f64 / 3.0);
    let covariances = covariances(values);
    if covariances[0] <= 0.0 {
        return 1.0;
    }
    let lag = last_significant(&covariances, n);
    let window = (2 * lag).min(n - 1);
    let (mut flat, mut bent) = (covariances[0], 0.0);
    for (k, covariance) in covariances.iter().enumerate().take(window + 1).skip(1) {
        let weight = flat_top(k as f64 / window as f64);
        flat += 2.0 * weight * covariance;
        bent += 2.0 * weight * k as f64 * covariance;
    }
    let spread = 4.0 / 3.0 * flat * flat;
    if spread <= 0.0 {
        return longest;
    }
    (2.0 * bent * bent / spread * n as f64).cbrt().clamp(1.0, longest)
}

/// The smallest lag after which several in a row are insignificant; 0 when that holds from the start.
fn last_significant(covariances: &[f64], n: usize) -> usize {
    let run = ((n as f64).log10().sqrt().ceil() as usize).max(5);
    let limit = SIGNIFICANT * ((n as f64).log10() / n as f64).sqrt();
    let quiet = |from: usize| {
        covariances.iter().skip(from + 1).take(run).all(|covariance| (covariance / covariances[0]).abs() < limit)
    };
    (0..n).find(|lag| quiet(*lag)).unwrap_or(0).max(1)
}

fn covariances(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let covariance = |lag: usize| {
        let products = values.iter().zip(&values[lag..]).map(|(one, other)| (one - mean) * (other - mean));
        products.sum::<f64>() / n as f64
    };
    (0..n).map(covariance).collect()
}

/// The flat-top lag window: 1 up to a half, then falling to 0 at 1.
fn flat_top(share: f64) -> f64 {
    if share <= 0.5 { 1.0 } else { 2.0 * (1.0 - share) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulation::Noise;

    fn typical(memory: f64, n: usize) -> f64 {
        let mut lengths: Vec<f64> =
            (0..60).map(|seed| length(&Noise::new(0.05, memory, seed).take(n).collect::<Vec<_>>())).collect();
        lengths.sort_by(f64::total_cmp);
        lengths[30]
    }

    #[test]
    fn more_memory_needs_longer_blocks() {
        let (none, some, much) = (typical(0.0, 300), typical(0.5, 300), typical(0.9, 300));
        assert!(none < 3.0, "{none}");
        assert!(some > none && some < 15.0, "{none} {some}");
        assert!(much > some && much <= 52.0, "{some} {much}");
    }

    #[test]
    fn the_correlation_of_neighbours_is_found_in_short_runs_too() {
        for memory in [0.0, 0.5, 0.8] {
            let found: Vec<f64> = (0..200)
                .map(|seed| correlation(&Noise::new(0.05, memory, seed).take(30).collect::<Vec<_>>()))
                .collect();
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            assert!((mean - memory).abs() < 0.12, "{mean} for {memory}");
        }
    }

    #[test]
    fn a_constant_has_no_memory() {
        assert!((length(&[5.0; 40]) - 1.0).abs() < 1e-9);
        assert!((length(&[1.0, 2.0]) - 1.0).abs() < 1e-9);
    }
}
