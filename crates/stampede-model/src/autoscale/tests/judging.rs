//! Rows: a sound run passes, and each thing that can be wrong is told from the others.

use super::*;
use crate::chaos::Outcome;
use crate::failure::FailureKind;
use crate::run_result::Counts;
use crate::verdict::Verdict;

fn plan() -> ScalePlan {
    ScalePlan {
        autoscaler: scaler(600.0, (3, 8)),
        cluster: None,
        service: "api".into(),
        interval: Duration::from_secs(15),
        compress: 10,
        requests: Some("load".into()),
        cpu_request_milli: None,
        queue: None,
        scenario: "load.toml".into(),
        expect: ExpectedScale {
            replicas: vec![3, 8, 3],
            p95: Duration::from_millis(500),
            window: Duration::from_secs(10),
            errors: 0.001,
        },
    }
}

fn moment(at_s: u64, wanted: u32, ready: u32) -> Moment {
    let (recommended, values) = (Some(wanted), vec![Some(1.0)]);
    Moment { at_ns: at_s * S, wanted, ready, recommended, values, reason: Reason::Metrics }
}

fn change(at_s: u64, from: u32, to: u32) -> ScaleChange {
    ScaleChange { at_ns: at_s * S, done_ns: (at_s + 2) * S, from, to, failed: None }
}

/// A hundred seconds with a hundred requests each, and replicas that follow a hump.
fn sound() -> (AutoscaleReport, Vec<Outcome>) {
    let outcomes: Vec<Outcome> = (0..10_000)
        .map(|number| {
            let intent_ns = number * S / 100;
            Outcome { intent_ns, end_ns: intent_ns + 5_000_000, failure: None }
        })
        .collect();
    let report = AutoscaleReport {
        format: AUTOSCALE_FORMAT.into(),
        version: AUTOSCALE_VERSION,
        target: "t".into(),
        url: "u".into(),
        service: "api".into(),
        started_unix_ms: 0,
        elapsed_ns: 100 * S,
        load: "1000/s, 10s to 5000/s".into(),
        compress: 10,
        interval_ms: 1_500,
        autoscaler: plan().autoscaler,
        moments: vec![
            moment(1, 3, 3),
            moment(20, 7, 3),
            moment(22, 8, 7),
            moment(25, 8, 8),
            moment(70, 8, 8),
            moment(80, 3, 8),
            moment(85, 3, 3),
        ],
        changes: vec![change(20, 3, 7), change(22, 7, 8), change(80, 8, 3)],
        seconds: seconds_of(&outcomes),
        counts: Counts { asked: 10_000, sent: 10_000, answered: 10_000, succeeded: 10_000, ..Counts::default() },
        outcomes_left_out: 0,
        doubts: Vec::new(),
        interrupted: false,
        rows: Vec::new(),
    };
    (report, outcomes)
}

fn verdicts(report: &AutoscaleReport, outcomes: &[Outcome]) -> (Vec<Verdict>, String) {
    let rows = rows(&Judging { plan: &plan(), report, outcomes });
    let one = horizontal_scale(&rows).unwrap();
    let worst = rows.iter().any(|row| row.verdict == one.verdict);
    assert!(worst, "{one:?}");
    (rows.iter().map(|row| row.verdict).collect(), one.reason)
}

#[test]
fn a_sound_run_passes_every_row() {
    let (report, outcomes) = sound();
    let rows = rows(&Judging { plan: &plan(), report: &report, outcomes: &outcomes });
    assert!(rows.iter().all(|row| row.verdict == Verdict::Pass && row.reason.is_empty()), "{rows:#?}");
    let one = horizontal_scale(&rows).unwrap();
    assert_eq!((one.test.as_str(), one.verdict), ("Horizontal Scale", Verdict::Pass));
    for word in ["3 → 7 → 8 → 3, 8 ready after 5.00 s", "worst p95 5.00 ms of 10 windows", "5 replicas left, 0 of "]
    {
        assert!(one.figure.contains(word), "{word}: {}", one.figure);
    }
}

#[test]
fn replicas_that_went_another_way_are_missed() {
    use Verdict::{Missed, Pass};
    let (mut report, outcomes) = sound();
    report.moments.insert(5, moment(71, 7, 8));
    report.moments.insert(6, moment(72, 8, 8));
    let (found, reason) = verdicts(&report, &outcomes);
    assert_eq!(found, [Missed, Pass, Pass, Pass], "it flapped");
    assert!(reason.contains("3 → 7 → 8 → 7 → 8 → 3"), "{reason}");
    let (mut report, outcomes) = sound();
    report.moments.retain(|moment| moment.ready != 8 || moment.wanted != 8);
    let (found, reason) = verdicts(&report, &outcomes);
    assert_eq!(found[0], Missed);
    assert!(reason.contains("never ready"), "{reason}");
    let (mut report, outcomes) = sound();
    report.changes[1].failed = Some("api-8 was not ready".into());
    assert!(verdicts(&report, &outcomes).1.contains("api-8 was not ready"));
}

#[test]
fn one_slow_window_and_one_error_while_replicas_leave_are_seen() {
    use Verdict::{Missed, Pass, Unknown};
    let (report, mut outcomes) = sound();
    for outcome in outcomes.iter_mut().filter(|outcome| (30 * S..31 * S).contains(&outcome.intent_ns)) {
        outcome.end_ns = outcome.intent_ns + 600_000_000;
    }
    let (found, reason) = verdicts(&report, &outcomes);
    assert_eq!(found, [Pass, Missed, Pass, Pass]);
    assert!(reason.contains("600 ms in the window from 30.0 s"), "{reason}");

    let (mut report, mut outcomes) = sound();
    let failed = outcomes.iter_mut().find(|outcome| outcome.intent_ns > 81 * S).unwrap();
    failed.failure = Some(FailureKind::Reset);
    report.counts = Counts { succeeded: 9_999, failed: 1, ..report.counts };
    assert_eq!(
        verdicts(&report, &outcomes).0,
        [Pass, Pass, Pass, Missed],
        "one of 10,000 is few, and one too many here"
    );

    report.counts = Counts { succeeded: 9_980, failed: 20, ..report.counts };
    assert_eq!(verdicts(&report, &outcomes).0[2], Missed);

    report.changes.retain(|change| change.to > change.from);
    assert_eq!(verdicts(&report, &outcomes).0[3], Unknown);
}

#[test]
fn what_was_not_seen_is_no_pass() {
    let (mut report, outcomes) = sound();
    report.doubts.push("the generator was late".into());
    let (found, reason) = verdicts(&report, &outcomes);
    assert_eq!(found, [Verdict::Unknown; 4]);
    assert!(reason.contains("the generator was late"), "{reason}");
    let (mut report, _) = sound();
    (report.moments, report.counts) = (Vec::new(), Counts::default());
    assert_eq!(verdicts(&report, &[]).0, [Verdict::Unknown; 4]);
}
