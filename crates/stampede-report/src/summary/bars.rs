//! The distribution as bars of text, eleven rows as oha draws them.
//!
//! Invariant: the rows' counts add up to the samples; equal widths on a linear axis from the smallest to the largest sample.

use std::fmt::Write;

use stampede_model::histogram::Histogram;
use stampede_model::units::{show_ns, thousands};

const ROWS: u64 = 11;
const LONGEST: u64 = 40;

/// The bars under their heading; nothing without a sample.
pub(super) fn histogram(histogram: &Histogram) -> String {
    let (Some(min), Some(max)) = (histogram.min(), histogram.max()) else { return String::new() };
    let rows = if min.ns == max.ns { 1 } else { ROWS };
    let span = u128::from(max.ns - min.ns).max(1);
    let mut counts = vec![0_u64; rows as usize];
    for (ns, samples) in histogram.steps() {
        let place = u128::from(ns.saturating_sub(min.ns)) * u128::from(rows) / (span + 1);
        counts[(place as usize).min(rows as usize - 1)] += samples;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let width = thousands(most).len();
    let mut text = "distribution from intent\n".to_owned();
    for (row, count) in counts.iter().enumerate() {
        let upto = u128::from(min.ns) + span * (row as u128 + 1) / u128::from(rows);
        let upto = if rows == 1 { max.ns } else { u64::try_from(upto).unwrap_or(u64::MAX) };
        // A row with a single sample shows something: rare slow requests are what one looks for.
        let length = (count * LONGEST).div_ceil(most) as usize;
        let line = format!("  {:>9} [{:>width$}] {}", show_ns(upto), thousands(*count), "■".repeat(length));
        let _infallible = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_slow_ones_are_seen() {
        let mut full = Histogram::new();
        (0..100_000).for_each(|sample| full.record(1_000_000 + sample));
        full.record(1_000_000_000);
        let text = super::histogram(&full);
        assert_eq!(text.lines().count(), 12, "{text}");
        assert!(text.contains("[100,000] ■■■■"), "{text}");
        assert!(text.ends_with("1.00 s [      1] ■\n"), "{text}");
    }

    #[test]
    fn equal_samples_are_one_row() {
        let mut full = Histogram::new();
        (0..5).for_each(|_| full.record(7_000));
        assert!(super::histogram(&full).ends_with("  7.00 µs [5] ■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■\n"));
        assert_eq!(super::histogram(&Histogram::new()), "");
    }
}
