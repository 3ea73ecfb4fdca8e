use proptest::collection::vec;
use proptest::prelude::*;
use stampede_model::failure::FailureKind;
use stampede_model::histogram::{Bound, RELATIVE_ERROR};
use stampede_model::run_result::Counts;

use super::*;

fn specs(steps: usize) -> Vec<StepSpec> {
    (0..steps).map(|step| StepSpec::new("GET", format!("GET /{step}"))).collect()
}

/// One request that ended in `second`: of `step`, on `thread`, after `ns`.
#[derive(Clone, Copy, Debug)]
struct Ended {
    second: u32,
    step: usize,
    thread: usize,
    ns: u64,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Good,
    Failed,
    TimedOut,
}

fn ended(seconds: u32, steps: usize, threads: usize) -> impl Strategy<Value = Ended> {
    let how = prop_oneof![6 => Just(How::Good), 1 => Just(How::Failed), 1 => Just(How::TimedOut)];
    (0..seconds, 0..steps, 0..threads, 1_u64..20_000_000_000, how).prop_map(|(second, step, thread, ns, how)| Ended {
        second,
        step,
        thread,
        ns,
        how,
    })
}

fn record(tally: &mut Tally, one: Ended) {
    tally.counts.asked += 1;
    tally.counts.sent += 1;
    match one.how {
        How::Good => {
            tally.status(200);
            tally.counts.succeeded += 1;
            tally.latency.intent.record(one.ns);
        }
        How::Failed => {
            tally.failure(FailureKind::Reset, one.ns, String::new);
            tally.latency.failed.record(one.ns);
        }
        How::TimedOut => {
            tally.failure(FailureKind::Timeout, one.ns, String::new);
            tally.latency.intent.record_at_least(one.ns);
        }
    }
}

/// Hands everything in as the threads would, second by second, and adds it up.
fn added_up(all: &[Ended], (steps, threads): (usize, usize), (points_max, bytes_max): (usize, usize)) -> LoadResult {
    let series = Series::new(threads, steps);
    let mut ledger = Ledger::bounded(specs(steps), points_max, bytes_max);
    let last = all.iter().map(|one| one.second).max().unwrap_or(0);
    for second in 0..=last {
        for thread in 0..threads {
            let mut sheet = series.spare();
            sheet.second = second;
            let mine = all.iter().filter(|one| one.second == second && one.thread == thread);
            mine.for_each(|one| record(&mut sheet.steps[one.step], *one));
            series.hand_in(thread, sheet, if second == last { u32::MAX } else { second + 1 });
        }
        ledger.collect(&series, |_| ());
    }
    ledger.finish()
}

/// The sample of the rank that a quantile asks for, and whether a censored one at or below it leaves it open.
fn exact(sorted: &[(u64, bool)], share: f64) -> (u64, bool) {
    let rank = ((share * sorted.len() as f64 - 1e-9).ceil() as usize).clamp(1, sorted.len());
    let censored_from = sorted.iter().find(|(_, censored)| *censored).map_or(u64::MAX, |(ns, _)| *ns);
    (sorted[rank - 1].0, censored_from < sorted[rank - 1].0)
}

proptest! {
    // A case merges some hundred histograms of 4,000 steps.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_whole_is_the_sum_of_the_steps_and_they_of_their_seconds(
        all in vec(ended(40, 3, 2), 0..150), points_max in 3_usize..60, bytes_max in 100_usize..5_000,
    ) {
        let result = added_up(&all, (3, 2), (points_max, bytes_max));
        prop_assert!(result.is_balanced());
        prop_assert_eq!(result.counts.asked, all.len() as u64);
        let mut counts = Counts::default();
        let mut intent = Histogram::new();
        for step in &result.steps {
            counts.merge(&step.counts);
            intent.merge(&step.latency.intent);
            let mut of_seconds = Histogram::new();
            step.seconds.iter().for_each(|part| part.latency.merge_into(&mut of_seconds));
            prop_assert_eq!(&of_seconds, &step.latency.intent);
            let succeeded: u64 = step.seconds.iter().map(|part| part.succeeded).sum();
            let failed: u64 = step.seconds.iter().map(|part| part.failed).sum();
            prop_assert_eq!((succeeded, failed), (step.counts.succeeded, step.counts.failed));
            prop_assert!(step.seconds.is_sorted_by(|a, b| a.second < b.second));
        }
        prop_assert_eq!(counts, result.counts);
        prop_assert_eq!(&intent, &result.latency.intent);
        prop_assert!(result.seconds.len() <= points_max);
        prop_assert!(result.seconds.is_sorted_by(|a, b| a.second < b.second));
        prop_assert!(result.seconds.iter().all(|point| point.second.is_multiple_of(result.point_s)));
        let sums = |of: fn(&SecondPoint) -> u64| result.seconds.iter().map(of).sum::<u64>();
        prop_assert_eq!(sums(|point| point.sent), result.counts.sent);
        prop_assert_eq!(sums(|point| point.succeeded), result.counts.succeeded);
        prop_assert_eq!(sums(|point| point.failed), result.counts.failed);
    }

    #[test]
    fn every_figure_agrees_with_the_sorted_samples(all in vec(ended(10, 2, 3), 1..200), share in 0.0_f64..=1.0) {
        let result = added_up(&all, (2, 3), (5, usize::MAX));
        let mut sorted: Vec<(u64, bool)> = all
            .iter()
            .filter(|one| one.how != How::Failed)
            .map(|one| (one.ns, one.how == How::TimedOut))
            .collect();
        sorted.sort_unstable();
        let intent = &result.latency.intent;
        prop_assert_eq!(intent.count(), sorted.len() as u64);
        prop_assert_eq!(intent.sum_ns(), sorted.iter().map(|(ns, _)| u128::from(*ns)).sum::<u128>());
        if sorted.is_empty() {
            prop_assert_eq!(intent.quantile(share), None);
            return Ok(());
        }
        prop_assert_eq!(intent.max().unwrap().ns, sorted[sorted.len() - 1].0);
        prop_assert_eq!(intent.min().unwrap().ns, sorted[0].0);
        let (ns, open) = exact(&sorted, share);
        let figure = intent.quantile(share).unwrap();
        prop_assert!((figure.ns as f64 - ns as f64).abs() <= ns as f64 * RELATIVE_ERROR + 1.0, "{figure:?} for {ns}");
        prop_assert!(!open || figure.bound == Bound::AtLeast, "a censored sample lies below {figure:?}");
    }

    #[test]
    fn a_point_s_figures_are_those_of_its_requests(
        all in vec(ended(30, 2, 2), 1..150), points_max in 2_usize..40, bytes_max in 100_usize..5_000,
    ) {
        let result = added_up(&all, (2, 2), (points_max, bytes_max));
        for point in &result.seconds {
            let within = |one: &&Ended| one.second - one.second % result.point_s == point.second;
            let mut latency = Histogram::new();
            for one in all.iter().filter(within) {
                match one.how {
                    How::Good => latency.record(one.ns),
                    How::TimedOut => latency.record_at_least(one.ns),
                    How::Failed => {}
                }
            }
            let ns = |share| latency.quantile(share).map(|figure| figure.ns);
            prop_assert_eq!((point.p50_ns, point.p95_ns, point.p99_ns), (ns(0.5), ns(0.95), ns(0.99)));
            prop_assert_eq!(point.max_ns, latency.max().map(|figure| figure.ns));
        }
    }
}

#[test]
fn a_second_closes_when_all_threads_are_past_it() {
    let series = Series::new(2, 1);
    let mut ledger = Ledger::new(specs(1));
    let hand_in = |thread, second, ns, reached| {
        let mut sheet = series.spare();
        sheet.second = second;
        sheet.steps[0].latency.intent.record(ns);
        sheet.steps[0].counts.succeeded += 1;
        series.hand_in(thread, sheet, reached);
    };
    let mut closed = Vec::new();
    hand_in(0, 0, 10, 1);
    ledger.collect(&series, |second| closed.push(second));
    assert!(closed.is_empty());
    hand_in(0, 1, 30, 2);
    hand_in(1, 0, 20, 1);
    ledger.collect(&series, |second| closed.push(second));
    assert_eq!(closed.iter().map(|live| (live.second, live.succeeded)).collect::<Vec<_>>(), [(0, 2)]);
    assert_eq!(ledger.view().latency.intent.max().unwrap().ns, 20, "what is not closed is not seen yet");
}

#[test]
fn points_double_what_they_cover_when_they_are_too_many() {
    let all: Vec<Ended> =
        (0..41).map(|second| Ended { second, step: 0, thread: 0, ns: u64::from(second) + 1, how: How::Good }).collect();
    let result = added_up(&all, (1, 1), (10, usize::MAX));
    assert_eq!(result.point_s, 8);
    let points: Vec<(u32, u64, Option<u64>)> =
        result.seconds.iter().map(|point| (point.second, point.succeeded, point.max_ns)).collect();
    assert_eq!(
        points,
        [(0, 8, Some(8)), (8, 8, Some(16)), (16, 8, Some(24)), (24, 8, Some(32)), (32, 8, Some(40)), (40, 1, Some(41))]
    );
}

#[test]
fn points_double_what_they_cover_when_their_latencies_take_too_much() {
    // A hundred latencies a second, no two in one step of the histogram.
    let of_second = |second| {
        (0..100).map(move |n| Ended { second, step: 0, thread: 0, ns: (1_000 << (n % 16)) | (n * 31), how: How::Good })
    };
    let all: Vec<Ended> = (0..64).flat_map(of_second).collect();
    let wide = added_up(&all, (1, 1), (10_000, usize::MAX));
    let bytes =
        |result: &LoadResult| -> usize { result.steps[0].seconds.iter().map(|part| part.latency.len_bytes()).sum() };
    assert_eq!(wide.point_s, 1);
    let most = bytes(&wide) / 4;
    let narrow = added_up(&all, (1, 1), (10_000, most));
    assert!(narrow.point_s > 1 && bytes(&narrow) <= most + bytes(&wide) / 64, "{} {}", narrow.point_s, bytes(&narrow));
    assert_eq!((narrow.counts, &narrow.latency.intent), (wide.counts, &wide.latency.intent));
}

#[test]
fn a_second_without_anything_has_no_point_and_a_stalled_one_has() {
    let series = Series::new(1, 1);
    let mut ledger = Ledger::new(specs(1));
    for (second, in_flight) in [(0, 0), (1, 5)] {
        let mut sheet = series.spare();
        (sheet.second, sheet.in_flight) = (second, in_flight);
        series.hand_in(0, sheet, second + 1);
    }
    ledger.collect(&series, |_| ());
    assert_eq!(ledger.finish().seconds.iter().map(|point| point.second).collect::<Vec<_>>(), [1]);
}
