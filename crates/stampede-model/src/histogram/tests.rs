//! Every statistic against the sorted samples themselves.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn recorded(samples: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    for sample in samples {
        histogram.record(*sample);
    }
    histogram
}

/// The oracle: the sample of rank `ceil(share * n)`, with the product taken in integers (share in basis points).
fn sorted_rank(sorted: &[u64], share_bp: u64) -> u64 {
    let rank = (share_bp * sorted.len() as u64).div_ceil(10_000).max(1);
    sorted[rank as usize - 1]
}

/// Durations over all powers of two the histogram resolves, so that small and large steps are both hit.
fn durations() -> impl Strategy<Value = u64> {
    (0_u32..37, any::<u64>()).prop_map(|(bits, raw)| raw & ((1 << bits) - 1) | (1 << bits) >> 1)
}

proptest! {
    #[test]
    fn exact_figures_are_exact(samples in vec(durations(), 1..400)) {
        let histogram = recorded(&samples);
        let sum: u128 = samples.iter().map(|ns| u128::from(*ns)).sum();
        prop_assert_eq!(histogram.count(), samples.len() as u64);
        prop_assert_eq!(histogram.sum_ns(), sum);
        prop_assert_eq!(histogram.min().unwrap().ns, *samples.iter().min().unwrap());
        prop_assert_eq!(histogram.max().unwrap().ns, *samples.iter().max().unwrap());
        prop_assert_eq!(u128::from(histogram.mean().unwrap().ns), sum / samples.len() as u128);
    }

    #[test]
    fn a_quantile_is_within_the_stated_error(samples in vec(durations(), 1..400), share_bp in 0_u64..=10_000) {
        let histogram = recorded(&samples);
        let mut sorted = samples.clone();
        sorted.sort_unstable();
        let truth = sorted_rank(&sorted, share_bp);
        let figure = histogram.quantile(share_bp as f64 / 10_000.0).unwrap();
        let error = figure.ns.abs_diff(truth) as f64;
        prop_assert!(error <= truth as f64 * RELATIVE_ERROR, "{} for {}", figure.ns, truth);
        prop_assert_eq!(figure.bound, Bound::Exact);
    }

    #[test]
    fn quantiles_never_leave_the_extremes_nor_descend(samples in vec(any::<u64>(), 1..300)) {
        let histogram = recorded(&samples);
        let mut before = 0;
        for percent in 0..=100 {
            let figure = histogram.quantile(f64::from(percent) / 100.0).unwrap();
            prop_assert!(figure.ns >= before);
            prop_assert!(figure.ns <= histogram.max().unwrap().ns);
            prop_assert!(figure.ns >= histogram.min().unwrap().ns);
            before = figure.ns;
        }
    }

    #[test]
    fn merging_parts_is_recording_the_whole(samples in vec(durations(), 0..300), cut in 0_usize..300) {
        let cut = cut.min(samples.len());
        let mut merged = recorded(&samples[..cut]);
        merged.merge(&recorded(&samples[cut..]));
        prop_assert_eq!(merged, recorded(&samples));
    }

    #[test]
    fn a_stored_histogram_reads_back_the_same(samples in vec(durations(), 0..100), open in vec(durations(), 0..20)) {
        let mut histogram = recorded(&samples);
        for ns in open {
            histogram.record_at_least(ns);
        }
        let text = serde_json::to_string(&histogram).unwrap();
        prop_assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), histogram);
    }

    /// Let the censored samples end at any later time: no figure called exact may have been wrong, and no lower bound
    /// may have been above the truth.
    #[test]
    fn censoring_never_claims_too_much(
        finished in vec(durations(), 0..200),
        open in vec((durations(), 0_u64..1_000_000_000), 1..50),
        share_bp in 0_u64..=10_000,
    ) {
        let mut histogram = recorded(&finished);
        let mut truth = finished.clone();
        for (known_ns, more_ns) in &open {
            histogram.record_at_least(*known_ns);
            truth.push(known_ns + more_ns);
        }
        truth.sort_unstable();
        let real = sorted_rank(&truth, share_bp) as f64;
        let figure = histogram.quantile(share_bp as f64 / 10_000.0).unwrap();
        let slack = figure.ns as f64 * RELATIVE_ERROR * 2.0;
        prop_assert!(figure.ns as f64 <= real + slack, "{} claimed at least, truth {}", figure.ns, real);
        if figure.bound == Bound::Exact {
            prop_assert!((figure.ns as f64 - real).abs() <= slack, "{} claimed exact, truth {}", figure.ns, real);
        }
    }
}

#[test]
fn an_empty_histogram_has_no_figures() {
    let histogram = Histogram::new();
    assert_eq!(histogram.quantile(0.5), None);
    assert_eq!(histogram.mean(), None);
    assert_eq!(histogram.min(), None);
    assert_eq!(histogram.max(), None);
}

#[test]
fn round_shares_pick_the_textbook_rank() {
    for count in [1_u64, 2, 10, 20, 100, 1_000, 30_000] {
        assert_eq!(rank_of(0.95, count), (95 * count).div_ceil(100), "p95 of {count}");
        assert_eq!(rank_of(0.999, count), (999 * count).div_ceil(1_000), "p99.9 of {count}");
    }
    assert_eq!(rank_of(0.0, 10), 1);
    assert_eq!(rank_of(1.0, 10), 10);
}

#[test]
fn clearing_forgets_everything() {
    let mut histogram = recorded(&[1, 10, 100]);
    histogram.record_at_least(1_000);
    histogram.clear();
    assert_eq!(histogram, Histogram::new());
}

#[test]
fn a_damaged_histogram_is_refused() {
    for (text, word) in [
        (r#"{"count":2,"min_ns":1,"max_ns":1,"sum_ns":1,"steps":[[1,1]]}"#, "count says 2"),
        (r#"{"count":1,"sum_ns":1,"steps":[[1,1]]}"#, "min_ns"),
        (r#"{"count":1,"min_ns":1,"max_ns":1,"sum_ns":1,"steps":[[99999,1]]}"#, "beyond the last"),
        (r#"{"count":1,"min_ns":2,"max_ns":1,"sum_ns":1,"steps":[[1,1]]}"#, "above max_ns"),
        (r#"{"count":1,"censored":2,"min_ns":1,"max_ns":1,"sum_ns":1,"steps":[[1,1]]}"#, "censored"),
    ] {
        let error = serde_json::from_str::<Histogram>(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn samples_above_a_limit_are_counted() {
    let histogram = recorded(&[100, 1_000_000, 5_000_000, 9_000_000]);
    assert_eq!(histogram.count_above(2_000_000), 2);
    assert_eq!(histogram.count_above(90_000_000), 0);
}
