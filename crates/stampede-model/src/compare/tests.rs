//! Verdicts against runs whose truth is known.

use proptest::prelude::*;

use super::simulation::{Server, file};
use super::*;
use crate::histogram::{Histogram, Packed};
use crate::run::{ArrivalsRecord, FlowRecord, PlanRecord};
use crate::run_result::{StepResult, StepSecond};
use crate::run_trust::Doubt;
use crate::schedule::{Schedule, Spacing};

fn verdict(a: &RunFile, b: &RunFile) -> Verdict {
    compare(a, b, &Options::default()).unwrap().verdict
}

fn row(comparison: &Comparison, metric: Metric) -> &Row {
    comparison.rows.iter().find(|row| row.step.is_none() && row.metric == metric).unwrap()
}

/// How often each verdict comes out over seeded pairs: worse, same, cannot tell, better.
fn tally(seeds: std::ops::Range<u64>, servers: [Server; 2], seconds: u32) -> [usize; 4] {
    let options = Options { resamples: 500, ..Options::default() };
    let verdicts: Vec<Verdict> = seeds
        .map(|pair| {
            let [a, b] = [(servers[0], 2 * pair), (servers[1], 2 * pair + 1)]
                .map(|(server, seed)| server.run(seconds, 1_000.0, seed));
            compare(&a, &b, &options).unwrap().verdict
        })
        .collect();
    [Verdict::Worse, Verdict::Same, Verdict::CannotTell, Verdict::Better]
        .map(|wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count())
}

#[test]
fn a_server_ten_per_cent_slower_is_worse() {
    for seconds in [30, 60] {
        let [worse, ..] = tally(0..20, [Server::USUAL, Server::USUAL.slower(1.1)], seconds);
        assert!(worse >= 19, "{seconds} s: {worse} of 20");
    }
    let [.., better] = tally(0..20, [Server::USUAL.slower(1.1), Server::USUAL], 30);
    assert!(better >= 19, "{better} of 20");
}

#[test]
fn the_same_server_is_the_same() {
    for (seconds, memory) in [(30, 0.3), (60, 0.5)] {
        let server = Server { wander: 0.02, memory, ..Server::USUAL };
        let [_, same, ..] = tally(0..20, [server, server], seconds);
        assert!(same >= 19, "{seconds} s: {same} of 20");
    }
}

#[test]
fn noise_is_not_called_worse() {
    let noisy = [(0.03, 0.5), (0.1, 0.8)];
    for (place, (wander, memory)) in noisy.into_iter().enumerate() {
        let server = Server { wander, memory, ..Server::USUAL };
        let first = 1_000 * (place as u64 + 1);
        let [worse, _, _, better] = tally(first..first + 60, [server, server], 30);
        assert!(worse <= 3 && better <= 3, "wander {wander}, memory {memory}: {worse} worse, {better} better of 60");
    }
}

#[test]
fn what_is_said_to_be_detectable_is_detected() {
    let server = Server { wander: 0.05, ..Server::USUAL };
    let (a, b) = (server.run(30, 1_000.0, 500), server.run(30, 1_000.0, 501));
    let detectable = row(&compare(&a, &b, &Options::default()).unwrap(), Metric::P95).detectable.unwrap();
    assert!((0.02..0.2).contains(&detectable), "{detectable}");
    let [worse, ..] = tally(600..620, [server, server.slower(1.0 + detectable)], 30);
    assert!(worse >= 12, "{worse} of 20 at {detectable}");
    let [worse, ..] = tally(600..620, [server, server.slower(1.0 + detectable / 8.0)], 30);
    assert!(worse <= 3, "{worse} of 20 at an eighth of {detectable}");
}

#[test]
fn too_short_a_run_leaves_everything_open() {
    let (a, b) = (Server::USUAL.run(9, 1_000.0, 1), Server::USUAL.slower(3.0).run(9, 1_000.0, 2));
    let comparison = compare(&a, &b, &Options::default()).unwrap();
    assert_eq!(comparison.verdict, Verdict::CannotTell);
    assert!(comparison.remarks[0].contains("9 points are left"), "{:?}", comparison.remarks);
    assert!(comparison.rows.iter().all(|row| row.interval.is_none() && row.verdict == Verdict::CannotTell));
    assert!((row(&comparison, Metric::P50).change - 3.0).abs() < 0.3, "the figures are still shown");
}

#[test]
fn runs_that_must_not_be_compared_are_refused_with_every_reason() {
    let a = Server::USUAL.run(20, 100.0, 1);
    let mut b = a.clone();
    b.plan.url = "http://127.0.0.1:2/".to_owned();
    b.plan.arrivals = ArrivalsRecord::Closed { connections: 20 };
    (b.plan.duration_ns, b.plan.threads) = (Some(90_000_000_000), 4);
    let refused = compare(&a, &b, &Options::default()).unwrap_err();
    let text = refused.to_string();
    assert_eq!(refused.obstacles.len(), 2, "{text}");
    assert!(text.contains("arrivals.connections: 10 and 20") && text.contains("url: "), "{text}");
    assert!(text.ends_with("(--allow-different compares different plans)"), "{text}");
    let allowed = compare(&a, &b, &Options { plans: Plans::MayDiffer, ..Options::default() }).unwrap();
    assert!(allowed.remarks.iter().any(|remark| remark.contains("10 and 20")), "{:?}", allowed.remarks);

    let mut late = a.clone();
    late.trust.doubts.push(Doubt::Behind { arrivals: 50, asked: 100 });
    let refused = compare(&a, &late, &Options { plans: Plans::MayDiffer, ..Options::default() }).unwrap_err();
    assert!(matches!(&refused.obstacles[..], [Obstacle::NotTrustworthy { side: 'B', .. }]), "{refused}");
    let empty = file(Vec::new(), 20);
    assert!(compare(&empty, &a, &Options::default()).unwrap_err().to_string().contains("run A holds no seconds"));
}

#[test]
fn every_flow_of_a_scenario_must_be_equal_but_for_its_seed() {
    let flow = |rate: f64, seed| FlowRecord {
        name: "look".to_owned(),
        arrivals: ArrivalsRecord::Open {
            schedule: Schedule::new(rate, Spacing::Poisson, seed).unwrap(),
            max_in_flight: 10,
            max_queue: 20,
        },
        users: 10,
    };
    let mut a = Server::USUAL.run(20, 100.0, 1).plan;
    let old = a.clone();
    a.flows = vec![flow(5.0, 1), flow(7.0, 2)];
    let mut b = PlanRecord { flows: vec![flow(5.0, 3), flow(7.0, 4)], ..a.clone() };
    assert_eq!(check_plans(&a, &b), Ok(()));
    b.flows[1] = flow(8.0, 4);
    let text = check_plans(&a, &b).unwrap_err().to_string();
    assert!(text.contains("flows.2.arrivals.rate_per_s: 7.0 and 8.0") && !text.contains("flows.1"), "{text}");
    b.flows.pop();
    assert!(check_plans(&a, &b).unwrap_err().to_string().contains("the plans differ in flows"));
    assert_eq!(check_plans(&old, &a), Ok(()), "a file of an older version names none");
}

#[test]
fn one_step_that_is_slower_is_found_among_many() {
    let steps = |slow: f64, seed: u64| {
        let part = |name: &str, factor: f64, seed: u64| {
            let mut run = Server::USUAL.slower(factor).run(40, 300.0, seed);
            let mut step = run.result.steps.remove(0);
            name.clone_into(&mut step.name);
            step
        };
        let parts = vec![part("list", 1.0, seed), part("buy", 0.2 * slow, seed + 1), part("pay", 2.0, seed + 2)];
        file(parts, 42)
    };
    let comparison = compare(&steps(1.0, 10), &steps(1.2, 20), &Options::default()).unwrap();
    let worse: Vec<Option<&str>> =
        comparison.rows.iter().filter(|row| row.verdict == Verdict::Worse).map(|row| row.step.as_deref()).collect();
    assert!(!worse.is_empty() && worse.iter().all(|step| *step == Some("buy")), "{worse:?}");
    assert_eq!(comparison.verdict, Verdict::Worse);
    assert_eq!(comparison.rows.len(), 4 * Metric::ALL.len());
}

#[test]
fn failures_are_a_regression_although_the_successes_are_quick() {
    let failing = |part: f64| Server { failing: part, ..Server::USUAL };
    let sound = failing(0.0).run(30, 1_000.0, 1);
    let comparison = compare(&sound, &failing(0.02).run(30, 1_000.0, 2), &Options::default()).unwrap();
    assert_eq!(row(&comparison, Metric::Errors).verdict, Verdict::Worse);
    assert!((row(&comparison, Metric::Errors).change - 0.02).abs() < 0.002);
    let back = compare(&failing(0.02).run(30, 1_000.0, 3), &sound, &Options::default()).unwrap();
    assert_eq!(row(&back, Metric::Errors).verdict, Verdict::Better);
    let same = compare(&sound, &failing(0.0).run(30, 1_000.0, 4), &Options::default()).unwrap();
    assert_eq!(row(&same, Metric::Errors).verdict, Verdict::Same);
}

#[test]
fn one_bad_second_is_not_called_a_regression_and_not_the_same() {
    let a = Server::USUAL.run(30, 1_000.0, 1);
    let mut b = Server::USUAL.run(30, 1_000.0, 2);
    let mut stalled = Histogram::new();
    (0..1_000).for_each(|_| stalled.record(900_000_000));
    b.result.steps[0].seconds[20].latency = Packed::of(&stalled);
    let comparison = compare(&a, &b, &Options::default()).unwrap();
    let p99 = row(&comparison, Metric::P99);
    assert!(p99.change > 10.0 && p99.verdict == Verdict::CannotTell, "{p99:?}");
}

#[test]
fn a_second_in_which_nothing_ended_counts() {
    let a = Server::USUAL.run(30, 1_000.0, 1);
    let mut b = a.clone();
    b.result.steps[0].seconds.retain(|second| second.second % 3 != 0);
    let comparison = compare(&a, &b, &Options::default()).unwrap();
    let throughput = row(&comparison, Metric::Throughput);
    assert!((throughput.change - 2.0 / 3.0).abs() < 0.02, "{throughput:?}");
    assert_eq!(throughput.verdict, Verdict::Worse);
    let mut dead = a.clone();
    dead.result.steps[0].seconds.retain(|second| second.second < 2);
    let comparison = compare(&a, &dead, &Options::default()).unwrap();
    assert_eq!(row(&comparison, Metric::Throughput).verdict, Verdict::Worse);
}

#[test]
fn a_lower_bound_decides_only_where_it_can() {
    let timing_out = |mut run: RunFile| {
        for second in &mut run.result.steps[0].seconds {
            let mut latency = second.latency.unpack();
            (0..latency.count() / 10).for_each(|_| latency.record_at_least(1_000_000_000));
            second.latency = Packed::of(&latency);
        }
        run
    };
    let (sound, open) = (Server::USUAL.run(30, 1_000.0, 1), timing_out(Server::USUAL.run(30, 1_000.0, 2)));
    let worse = compare(&sound, &open, &Options::default()).unwrap();
    assert_eq!(row(&worse, Metric::P99).verdict, Verdict::Worse, "at least so much worse");
    let better = compare(&open, &sound, &Options::default()).unwrap();
    assert_eq!(row(&better, Metric::P99).verdict, Verdict::Better, "at least so much better");
    let both = compare(&open, &timing_out(Server::USUAL.run(30, 1_000.0, 3)), &Options::default()).unwrap();
    let p99 = row(&both, Metric::P99);
    assert!(p99.verdict == Verdict::CannotTell && p99.reason.is_some(), "{p99:?}");
    assert_eq!(row(&both, Metric::P50).verdict, Verdict::Same, "the median is not touched");
}

#[test]
fn a_change_that_the_generators_lateness_explains_is_not_laid_to_the_server() {
    let late = |mut run: RunFile, lag_ms: u64| {
        run.result.health.lag_of = crate::run_result::LagOf::Ticks;
        (0..1_000).for_each(|_| run.result.health.lag.record(lag_ms * 1_000_000));
        run
    };
    let (a, b) = (Server::USUAL.run(30, 500.0, 1), Server::USUAL.slower(1.5).run(30, 500.0, 2));
    let by = |lag_a, lag_b| compare(&late(a.clone(), lag_a), &late(b.clone(), lag_b), &Options::default()).unwrap();
    assert_eq!(by(3, 3).verdict, Verdict::Worse, "both were equally late");
    assert_eq!(by(6, 1).verdict, Verdict::Worse, "lateness of the other run explains nothing");
    let explained = by(1, 9);
    assert_eq!(explained.verdict, Verdict::CannotTell);
    let p50 = row(&explained, Metric::P50);
    assert!(p50.reason.as_ref().unwrap().contains("generator was later"), "{p50:?}");
    assert_eq!(by(9, 1).verdict, Verdict::Worse);
    let partly = by(1, 2);
    assert_eq!(row(&partly, Metric::P50).verdict, Verdict::Worse, "5 ms of change, 1 ms of lag");
}

#[test]
fn a_percentile_of_few_samples_is_an_anecdote() {
    let (a, b) = (Server::USUAL.run(30, 20.0, 1), Server::USUAL.slower(2.0).run(30, 20.0, 2));
    let comparison = compare(&a, &b, &Options::default()).unwrap();
    let p99 = row(&comparison, Metric::P99);
    assert_eq!(p99.verdict, Verdict::CannotTell);
    assert!(p99.reason.as_ref().unwrap().contains("1000 are needed"), "{p99:?}");
    assert_eq!(comparison.verdict, Verdict::Worse, "the median says so");
}

#[test]
fn a_long_run_is_compared_in_wider_points() {
    let a = Server::USUAL.run(700, 50.0, 1);
    let mut b = Server::USUAL.slower(1.2).run(700, 50.0, 2);
    b.result.point_s = 2;
    let seconds = std::mem::take(&mut b.result.steps[0].seconds);
    b.result.steps[0].seconds = seconds.chunks(2).map(merged).collect();
    let comparison = compare(&a, &b, &Options::default()).unwrap();
    assert_eq!((comparison.a.point_s, comparison.b.point_s), (4, 4));
    assert_eq!((comparison.a.seconds, comparison.b.seconds), (696, 696));
    assert_eq!(comparison.verdict, Verdict::Worse);
}

fn merged(pair: &[StepSecond]) -> StepSecond {
    let mut latency = Histogram::new();
    for second in pair {
        second.latency.merge_into(&mut latency);
    }
    StepSecond {
        second: pair[0].second,
        succeeded: pair.iter().map(|second| second.succeeded).sum(),
        failed: pair.iter().map(|second| second.failed).sum(),
        latency: Packed::of(&latency),
    }
}

#[test]
fn a_comparison_can_be_repeated_and_stored() {
    let (a, b) = (Server::USUAL.run(20, 200.0, 1), Server::USUAL.run(20, 200.0, 2));
    let once = compare(&a, &b, &Options::default()).unwrap();
    assert_eq!(compare(&a, &b, &Options::default()).unwrap(), once);
    let text = serde_json::to_value(&once).unwrap();
    assert_eq!((&text["format"], &text["version"]), (&"stampede.compare".into(), &1.into()));
    let again: Comparison = serde_json::from_value(text).unwrap();
    assert_eq!(again.verdict, once.verdict);
}

#[test]
fn only_the_wanted_figures_are_compared() {
    let options = Options { metrics: vec!["p95".parse().unwrap()], ..Options::default() };
    let (a, b) = (Server::USUAL.run(20, 200.0, 1), Server::USUAL.run(20, 200.0, 2));
    let rows = compare(&a, &b, &options).unwrap().rows;
    assert!(matches!(&rows[..], [Row { metric: Metric::P95, .. }]));
    assert!("p42".parse::<Metric>().unwrap_err().contains("p50, p90"));
}

/// A run whose latencies are given per second, a hundred requests each.
fn plain(levels_ns: &[u64]) -> RunFile {
    let second = |(second, level): (usize, &u64)| {
        let mut latency = Histogram::new();
        (0..100).for_each(|sample| latency.record(level + level * sample / 200));
        StepSecond { second: second as u32, succeeded: 100, failed: 0, latency: Packed::of(&latency) }
    };
    let seconds = levels_ns.iter().enumerate().map(second).collect();
    file(vec![StepResult { name: "GET /".to_owned(), seconds, ..StepResult::default() }], levels_ns.len() as u32)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_run_is_never_better_or_worse_than_itself(levels in proptest::collection::vec(1_000_u64..1_000_000_000, 3..60)) {
        let run = plain(&levels);
        prop_assert!(matches!(verdict(&run, &run), Verdict::Same | Verdict::CannotTell));
    }

    #[test]
    fn twice_as_slow_is_always_worse(
        median_ms in 0.05_f64..500.0, spread in 0.05_f64..0.8, wander in 0.0_f64..0.05, seed in any::<u64>(),
    ) {
        let server = Server { median_ms, spread, wander, ..Server::USUAL };
        let (a, b) = (server.run(30, 150.0, seed), server.slower(2.0).run(30, 150.0, !seed));
        prop_assert_eq!(verdict(&a, &b), Verdict::Worse);
        prop_assert_eq!(verdict(&b, &a), Verdict::Better);
    }
}
