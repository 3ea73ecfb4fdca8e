//! From draws to intervals.
//!
//! An interval is the union of two: the estimate plus and minus a multiple of the draws' standard deviation, and the
//! percentiles of the draws. The first is honest when there are few blocks (its multiple follows Student, and the deviation
//! is corrected for the block length), the second when a single second decides and the draws are lopsided. The multiple for
//! all rows at once is the 95th percentile of the largest standardised deviation among the rows of a draw, so that figures
//! which move together (p90 and p95) do not count as two.

use super::Span;
use super::blocks::Memory;

/// Confidence of every interval.
const CONFIDENCE: f64 = 0.95;
/// Standard normal quantile of (1 + CONFIDENCE) / 2.
const Z: f64 = 1.959_963_984_540_054;
/// Standard normal quantile of 0.8: four times in five.
const Z_POWER: f64 = 0.841_621_233_572_914;

/// Fewer degrees of freedom are beyond the expansion used, and beyond any use.
const MIN_FREEDOM: f64 = 3.0;

/// The change of one row: as found, and in every draw. On the scale on which changes add up.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) found: f64,
    pub(super) draws: Vec<f64>,
    memory: Memory,
    mean: f64,
    deviation: f64,
}

impl Effect {
    pub(super) fn new(found: f64, draws: Vec<f64>, memory: Memory) -> Self {
        let count = draws.len().max(1) as f64;
        let mean = draws.iter().sum::<f64>() / count;
        let deviation = (draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / count).sqrt();
        Self { found, draws, memory, mean, deviation }
    }

    /// The standard error of the change, for a memory longer than the blocks too.
    fn error(&self) -> f64 {
        self.deviation * self.memory.widening
    }

    /// How far draw `index` lies from the others, in standard deviations.
    fn standardised(&self, index: usize) -> f64 {
        // Rounding alone is no deviation.
        if self.deviation > 1e-12 { (self.draws[index] - self.mean).abs() / self.deviation } else { 0.0 }
    }
}

/// How many standard errors make an interval, as for a normal distribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multiples {
    /// For one row by itself.
    pub(super) single: f64,
    /// For all rows at once.
    pub(super) joint: f64,
}

impl Multiples {
    pub(super) fn of(effects: &[Effect]) -> Self {
        let count = effects.iter().map(|effect| effect.draws.len()).min().unwrap_or(0);
        let mut largest: Vec<f64> = (0..count)
            .map(|index| effects.iter().map(|effect| effect.standardised(index)).fold(0.0, f64::max))
            .collect();
        largest.sort_by(f64::total_cmp);
        let joint = largest.get((count as f64 * CONFIDENCE) as usize).copied().unwrap_or(Z).max(Z);
        Self { single: Z, joint }
    }

    /// The smallest true change of `effect` that would probably have come out beyond `floor`.
    pub(super) fn detectable(&self, effect: &Effect, floor: f64) -> f64 {
        floor + (student(self.joint, effect.memory.freedom) + Z_POWER) * effect.error()
    }
}

/// The interval of `effect`, `multiple` standard errors to either side.
pub(super) fn span(effect: &Effect, multiple: f64) -> Span {
    let reach = student(multiple, effect.memory.freedom) * effect.error();
    let mut sorted = effect.draws.clone();
    sorted.sort_by(f64::total_cmp);
    let tail = normal_tail(multiple) * sorted.len() as f64;
    let outermost = (tail as usize).min(sorted.len().saturating_sub(1));
    let (first, last) = match sorted.as_slice() {
        [] => (effect.found, effect.found),
        some => (some[outermost], some[some.len() - 1 - outermost]),
    };
    Span { low: first.min(effect.found - reach), high: last.max(effect.found + reach) }
}

/// Student's quantile with `freedom` degrees, from the normal one `z`. Source: the expansion by Cornish and Fisher, as in
/// Abramowitz and Stegun 26.7.5.
fn student(z: f64, freedom: f64) -> f64 {
    let freedom = freedom.max(MIN_FREEDOM);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / freedom + second / freedom.powi(2) + third / freedom.powi(3)
}

/// The probability of a standard normal value above `z`, for `z` of 0 and more. Source: Abramowitz and Stegun 26.2.17.
fn normal_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = series.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    sum * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Memory = Memory { freedom: 1e6, widening: 1.0 };

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, table) in [(5.0, 2.571), (10.0, 2.228), (30.0, 2.042), (1e9, 1.960)] {
            assert!((student(Z, freedom) - table).abs() < 0.01, "{freedom}: {}", student(Z, freedom));
        }
        for (z, table) in [(0.0, 0.5), (1.0, 0.158_655), (1.96, 0.024_998), (3.0, 0.001_350)] {
            assert!((normal_tail(z) - table).abs() < 1e-5, "{z}: {}", normal_tail(z));
        }
    }

    #[test]
    fn rows_that_move_together_count_once_and_others_do_not() {
        let joint = |effects: &[Effect]| Multiples::of(effects).joint;
        let normal = |seed: u64| crate::compare::simulation::Noise::new(1.0, 0.0, seed).take(2_000).collect::<Vec<_>>();
        let one = Effect::new(0.0, normal(1), NONE);
        let together = joint(&[one.clone(), one.clone(), one.clone()]);
        let apart: Vec<Effect> = (1..=10).map(|seed| Effect::new(0.0, normal(seed), NONE)).collect();
        assert!((together - joint(&[one])).abs() < 1e-9);
        assert!((joint(&apart) - 2.8).abs() < 0.15, "ten independent rows need 2.80: {}", joint(&apart));
    }

    #[test]
    fn an_interval_reaches_where_the_draws_reach() {
        // One draw in twenty lies far out, as when a single bad second is or is not drawn.
        let draws: Vec<f64> = (0..2_000).map(|draw| if draw % 20 == 0 { 0.0 } else { 4.0 }).collect();
        let effect = Effect::new(4.0, draws, NONE);
        assert!(span(&effect, Z).low <= 0.0);
        let still = Effect::new(1.0, vec![1.0; 100], NONE);
        let span = span(&still, 3.0);
        assert!((span.low - 1.0).abs() < 1e-12 && (span.high - 1.0).abs() < 1e-12);
    }
}
