//! Runs of a hundred and twenty requests with one fault each.

use super::*;
use crate::stress::record::{Finding, Grade};

const S: u64 = 1_000_000_000;
const MOMENTS: Moments = Moments { taken_ns: 2 * S, held_ns: 2 * S + 1, released_ns: 5 * S, end_ns: 12 * S };

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: status == 503 }
}

/// One request every tenth of a second; `of` says how each ends.
fn run(of: impl Fn(u64) -> (Outcome, u64)) -> (PoolRecord, Vec<Finding>) {
    let probes: Vec<Probe> = (0..120)
        .map(|number| {
            let at_ns = number * S / 10;
            let (outcome, took_ns) = of(at_ns);
            Probe { at_ns, end_ns: at_ns + took_ns, outcome }
        })
        .collect();
    let rule = PoolRule { recover_within_ns: 5 * S, also_good: Vec::new() };
    rule.judge(&probes, MOMENTS, HoldRecord::default())
}

fn held(at_ns: u64) -> bool {
    (2 * S..5 * S).contains(&at_ns)
}

fn grades(findings: &[Finding]) -> Vec<Grade> {
    findings.iter().map(|finding| finding.grade).collect()
}

#[test]
fn a_service_that_says_503_and_recovers_is_sound() {
    let (record, findings) = run(|at| (answered(if held(at) { 503 } else { 200 }), S / 100));
    assert_eq!(findings, []);
    assert_eq!(record.phases[1].unavailable, 30);
    assert_eq!(record.phases[1].retry_after, 30);
    assert_eq!((record.first_good_ns, record.settled_ns), (Some(S / 100), Some(S / 100)));
}

#[test]
fn a_500_a_hang_and_a_reset_are_violations() {
    for (bad, word) in [
        (answered(500), "30 x 500"),
        (Outcome::Failed(FailureKind::Timeout), "hung"),
        (Outcome::Failed(FailureKind::Reset), "connection reset"),
    ] {
        let (_, findings) = run(|at| (if held(at) { bad } else { answered(200) }, S / 100));
        assert_eq!(grades(&findings), [Grade::Violation], "{word}");
        assert!(findings[0].text.contains(word), "{findings:?}");
    }
}

#[test]
fn a_request_that_reaches_into_the_exhaustion_belongs_to_it() {
    let (record, findings) =
        run(
            |at| {
                if at == 19 * S / 10 {
                    (answered(500), S)
                } else {
                    (answered(if held(at) { 503 } else { 200 }), S / 100)
                }
            },
        );
    assert_eq!(grades(&findings), [Grade::Violation], "{findings:?}");
    assert_eq!(record.phases[0].asked, 19);
}

#[test]
fn a_service_that_never_comes_back_is_a_violation_and_a_slow_one_a_miss() {
    let (record, findings) = run(|at| (answered(if at < 2 * S { 200 } else { 503 }), S / 100));
    assert_eq!(grades(&findings), [Grade::Violation]);
    assert_eq!(record.first_good_ns, None);
    let (record, findings) = run(|at| (answered(if (2 * S..11 * S).contains(&at) { 503 } else { 200 }), S / 100));
    assert_eq!(grades(&findings), [Grade::Missed]);
    assert_eq!(record.settled_ns, Some(6 * S + S / 100));
}

#[test]
fn one_good_answer_between_bad_ones_is_no_recovery() {
    let (record, findings) = run(|at| {
        let bad = (2 * S..11 * S).contains(&at) && at != 6 * S;
        (answered(if bad { 503 } else { 200 }), S / 100)
    });
    assert_eq!(record.first_good_ns, Some(S + S / 100));
    assert_eq!(grades(&findings), [Grade::Missed]);
}

#[test]
fn a_service_that_was_ill_before_is_not_judged() {
    let (_, findings) = run(|at| (answered(if at == S || held(at) { 503 } else { 200 }), S / 100));
    assert_eq!(grades(&findings), [Grade::Doubt]);
}

#[test]
fn an_exhaustion_that_nobody_felt_is_said() {
    let (_, findings) = run(|_| (answered(200), S / 100));
    assert_eq!(grades(&findings), [Grade::Note]);
    assert!(findings[0].text.contains("--lock"));
}

#[test]
fn a_503_without_retry_after_is_worth_a_note() {
    let plain = Outcome::Answered { status: 503, retry_after: false };
    let (_, findings) = run(|at| (if held(at) { plain } else { answered(200) }, S / 100));
    assert_eq!(grades(&findings), [Grade::Note]);
}
