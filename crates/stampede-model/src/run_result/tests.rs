use super::*;

fn near(value: f64, expected: f64) -> bool {
    (value - expected).abs() < 1e-12
}

#[test]
fn a_run_without_requests_is_no_success() {
    let nothing = LoadResult::default();
    assert!(near(nothing.error_share(), 1.0));
    assert!(near(nothing.success_share(), 0.0));
    assert!(near(nothing.answered_per_s(), 0.0));
}

#[test]
fn whatever_did_not_succeed_is_an_error() {
    let counts = Counts { asked: 10, sent: 8, answered: 6, succeeded: 5, failed: 2, unfinished: 1, not_sent: 2 };
    let result = LoadResult { counts, ..LoadResult::default() };
    assert!(near(result.error_share(), 0.5));
}

#[test]
fn counts_that_do_not_add_up_are_seen() {
    let mut result = LoadResult::default();
    assert!(result.is_balanced());
    result.counts.failed = 1;
    result.counts.sent = 1;
    result.counts.asked = 1;
    assert!(!result.is_balanced(), "a failure of no kind");
}
