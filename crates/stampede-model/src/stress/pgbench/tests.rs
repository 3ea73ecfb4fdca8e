//! Against what pgbench 15 printed, and against the shapes of the versions around it.

use super::*;

const RETRIES: &str = include_str!("../fixtures/pgbench-15-retries.txt");
const RETRIES_PROGRESS: &str = include_str!("../fixtures/pgbench-15-retries.err");
const STATEMENTS: &str = include_str!("../fixtures/pgbench-15-statements.txt");
const FAILURES: &str = include_str!("../fixtures/pgbench-15-failures.txt");
const FAILURES_PROGRESS: &str = include_str!("../fixtures/pgbench-15-failures.err");
const RATE: &str = include_str!("../fixtures/pgbench-15-rate.txt");
const RATE_PROGRESS: &str = include_str!("../fixtures/pgbench-15-rate.err");
const SCRIPTS: &str = include_str!("../fixtures/pgbench-15-scripts.txt");
const ABORTED: &str = include_str!("../fixtures/pgbench-15-aborted.txt");
const SHAPE_13: &str = include_str!("../fixtures/pgbench-13-shape.txt");
const SHAPE_14: &str = include_str!("../fixtures/pgbench-14-shape.txt");
const SHAPE_17: &str = include_str!("../fixtures/pgbench-17-shape.txt");

fn near(value: Option<f64>, expected: f64) {
    let value = value.unwrap_or_else(|| panic!("nothing where {expected} should be"));
    assert!((value - expected).abs() < 1e-6 * expected.max(1.0), "{value} is not {expected}");
}

#[test]
fn retried_transactions_are_read() {
    let summary = Summary::parse(RETRIES).unwrap();
    assert_eq!(summary.version.as_deref(), Some("15.18 (Debian 15.18-0+deb12u1)"));
    near(summary.get("tps"), 4_293.875_611);
    near(summary.get("latency"), 460_000.0);
    near(summary.get("latency.stddev"), 192_000.0);
    near(summary.get("transactions"), 12_863.0);
    near(summary.get("retried"), 0.0);
    near(summary.get("failed"), 0.0);
    assert_eq!(summary.statements.len(), 11);
    let begin = &summary.statements[4];
    assert_eq!((begin.statement.as_str(), begin.mean_ns), ("BEGIN;", 39_000));
    assert_eq!((begin.failures, begin.retries), (Some(0), Some(0)));
}

#[test]
fn statements_without_retries_have_one_column_less() {
    let summary = Summary::parse(STATEMENTS).unwrap();
    assert_eq!(summary.statements.len(), 11);
    let last = summary.statements.last().unwrap();
    assert_eq!((last.statement.as_str(), last.failures, last.retries), ("END;", Some(0), None));
}

#[test]
fn failures_are_counted_by_kind() {
    let summary = Summary::parse(FAILURES).unwrap();
    near(summary.get("failed.count"), 10_114.0);
    near(summary.get("failed.serialization"), 10_114.0);
    near(summary.get("failed.deadlock"), 0.0);
    near(summary.get("failed"), 10_114.0 / (10_114.0 + 6_915.0));
    assert_eq!(summary.statements[1].failures, Some(10_017));
    let seconds: Vec<_> = FAILURES_PROGRESS.lines().filter_map(progress).collect();
    assert_eq!(seconds.len(), 2);
    assert!(seconds[0].figures.contains(&Figure::new("failed.count", 4_543.0, Unit::Count)));
}

#[test]
fn a_rate_limit_has_its_lag() {
    let summary = Summary::parse(RATE).unwrap();
    near(summary.get("lag"), 5_007_000.0);
    near(summary.get("skipped"), 17.0);
    near(summary.get("late"), 11.0 / 857.0);
    let seconds: Vec<_> = RATE_PROGRESS.lines().filter_map(progress).collect();
    assert_eq!(seconds.len(), 3);
    assert!(seconds[0].figures.contains(&Figure::from_ms("lag", 5.049)), "{:?}", seconds[0]);
}

#[test]
fn progress_is_a_series() {
    let seconds: Vec<_> = RETRIES_PROGRESS.lines().filter_map(progress).collect();
    let tps: Vec<f64> = seconds.iter().map(|second| second.figures[0].value).collect();
    assert_eq!(tps, [4_531.7, 4_266.0, 4_063.0]);
    assert_eq!(seconds[2].at_ns, 3_000_000_000);
    assert!(seconds[0].figures.contains(&Figure::from_ms("latency", 0.432)));
    assert_eq!(progress("starting vacuum...end."), None);
    let silent = progress("progress: 7.0 s, 0.0 tps, lat -nan ms stddev -nan").unwrap();
    assert_eq!(silent.figures, [Figure::new("tps", 0.0, Unit::PerSecond)], "what is no number is left out");
}

#[test]
fn the_figures_of_one_script_of_several_are_not_taken_for_the_whole() {
    let summary = Summary::parse(SCRIPTS).unwrap();
    near(summary.get("latency"), 552_000.0);
    near(summary.get("tps"), 213.010_053);
}

#[test]
fn what_never_came_to_a_rate_is_no_summary() {
    assert_eq!(Summary::parse(ABORTED), None);
    assert_eq!(Summary::parse(""), None);
}

#[test]
fn version_13_prints_two_rates() {
    let summary = Summary::parse(SHAPE_13).unwrap();
    near(summary.get("tps"), 752.532_201);
    near(summary.get("tps.with_connects"), 752.528_022);
    near(summary.get("latency.stddev"), 14_724_000.0);
    assert_eq!((summary.version.as_deref(), summary.get("failed")), (None, None), "version 13 counts no failures");
    assert_eq!(summary.statements.len(), 3);
    assert_eq!(summary.statements[2].failures, None);
}

#[test]
fn version_14_says_its_version_and_one_rate() {
    let summary = Summary::parse_of(SHAPE_14);
    assert_eq!(summary.version.as_deref(), Some("14.10"));
    near(summary.get("connect"), 45_758_000.0);
    near(summary.get("tps"), 896.967_014);
}

#[test]
fn version_17_is_read_as_15() {
    let summary = Summary::parse_of(SHAPE_17);
    assert_eq!(summary.version.as_deref(), Some("17.2"));
    near(summary.get("failed.count"), 0.0);
    near(summary.get("tps"), 896.967_014);
}

impl Summary {
    fn parse_of(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| panic!("no summary in {text}"))
    }
}

#[test]
fn log_lines_are_times_or_failures() {
    assert_eq!(logged("0 1 1519 0 1795385031 275259"), Some(Logged::Done(1_519_000)));
    assert_eq!(logged("0 10 617 0 1795385670 794485 103"), Some(Logged::Done(617_000)));
    assert_eq!(logged("1 18 skipped 0 1795385671 40136 0"), Some(Logged::Failed));
    assert_eq!(logged("1 1 serialization 0 1795385673 919609"), Some(Logged::Failed));
    for cut in ["", "0 1", "0 1 15", "0 1 1519 0 17953"] {
        assert_eq!(logged(cut), None, "{cut:?}");
    }
}

#[test]
fn percentiles_come_from_the_log() {
    let mut histogram = Histogram::new();
    assert!(percentiles(&histogram).is_empty());
    (1..=100).for_each(|ms| histogram.record(ms * 1_000_000));
    let names: Vec<_> = percentiles(&histogram).into_iter().map(|figure| figure.name).collect();
    assert_eq!(names, ["latency.p50", "latency.p95", "latency.p99", "latency.max"]);
}
