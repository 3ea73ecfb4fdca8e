//! How often and how long after each other an attempt is repeated. Pure.

use std::time::Duration;

use crate::problem::Problem;

/// The first pause is at most this long; each further one at most twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// No pause of our own is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest wait that the service may ask for; before a longer one the caller is told.
pub(crate) const PATIENCE: Duration = LONGEST_PAUSE;
/// Likewise for files: an upload that broke off stands in the way of its successor for fifteen seconds.
pub(crate) const UPLOAD_PATIENCE: Duration = Duration::from_secs(20);

/// Full jitter: somewhere between nothing and the doubled pause, so that clients that were cut off together do not come back
/// together. `random` is from 0 to 1.
pub(crate) fn pause(attempt: u32, random: f64) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(attempt)).min(LONGEST_PAUSE);
    most.mul_f64(random.clamp(0.0, 1.0))
}

/// How long to wait before a refused request is sent again; `None` when a repeat is of no use, or not within `patience`.
pub(crate) fn after(problem: &Problem, attempt: u32, random: f64, patience: Duration) -> Option<Duration> {
    let is_worth_it = match problem.status {
        429 | 502..=504 => problem.retryable,
        // What broke off on the way, and what stands in the way for a moment.
        400 | 408 | 409 => {
            matches!(
                problem.code.as_str(),
                "idempotency_in_flight" | "import_busy" | "upload_idle" | "body_incomplete" | "not_a_problem"
            ) && problem.retryable
        }
        _ => false,
    };
    let asked = problem.retry_after.unwrap_or(Duration::ZERO);
    (is_worth_it && asked <= patience).then(|| asked + pause(attempt, random))
}

/// Whether the answer says nothing of what became of a write. Whatever else the service says, it says of a write that it did not do.
pub(crate) fn is_unknown(problem: &Problem) -> bool {
    match problem.code.as_str() {
        "outcome_unknown" | "timeout" | "internal" => true,
        "not_a_problem" => problem.status >= 500 || problem.status == 408,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, code: &str, retry_after: Option<u64>) -> Problem {
        let retryable = retry_after.is_some();
        let retry_after = retry_after.map(Duration::from_secs);
        Problem { code: code.to_owned(), retryable, retry_after, ..Problem::bare(status, b"") }
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let most = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000];
        for (attempt, most) in most.into_iter().enumerate() {
            assert_eq!(pause(attempt as u32, 1.0), Duration::from_millis(most));
            assert_eq!(pause(attempt as u32, 0.0), Duration::ZERO);
        }
        assert_eq!(pause(u32::MAX, 1.0), LONGEST_PAUSE);
    }

    #[test]
    fn what_was_refused_for_good_is_not_repeated() {
        for (status, code) in
            [(422, "validation_failed"), (409, "insufficient_stock"), (404, "not_found"), (500, "internal")]
        {
            assert_eq!(after(&problem(status, code, None), 0, 0.5, PATIENCE), None, "{status} {code}");
        }
        assert_eq!(after(&problem(429, "rate_limited", Some(2)), 0, 0.0, PATIENCE), Some(Duration::from_secs(2)));
        assert_eq!(after(&problem(429, "rate_limited", Some(60)), 0, 0.0, PATIENCE), None, "too long to wait unasked");
        let busy = problem(409, "import_busy", Some(15));
        assert_eq!(after(&busy, 0, 0.0, PATIENCE), None);
        assert_eq!(after(&busy, 0, 0.0, UPLOAD_PATIENCE), Some(Duration::from_secs(15)));
        assert_eq!(
            after(&problem(409, "idempotency_in_flight", Some(1)), 0, 0.0, PATIENCE),
            Some(Duration::from_secs(1))
        );
    }

    #[test]
    fn only_the_service_can_say_that_nothing_was_written() {
        for code in ["unavailable", "conflict_retry", "query_too_slow"] {
            assert!(!is_unknown(&problem(503, code, Some(1))), "{code}");
        }
        for (status, code) in [(503, "outcome_unknown"), (503, "timeout"), (500, "internal"), (502, "not_a_problem")] {
            assert!(is_unknown(&problem(status, code, None)), "{status} {code}");
        }
        assert!(is_unknown(&problem(408, "not_a_problem", None)), "something on the way lost patience");
        for (status, code) in [(409, "conflict"), (404, "not_a_problem")] {
            assert!(!is_unknown(&problem(status, code, None)), "{status} {code}");
        }
    }
}
