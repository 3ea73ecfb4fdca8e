//! The map from what the rooms below may answer to a [`Problem`]: with [`super::refusals`], no other file chooses a status for
//! them.
//!
//! A cause is logged here, once, where it turns into an answer. While a server is away every request fails alike, so that kind
//! is logged once a second at most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use kv_coord::CoordError;
use kv_coord::lock::{AcquireError, LockLost, ReleaseOutcome, RenewError};
use kv_store::StoreError;
use kv_store::idempotency::KeyFault;
use kv_store::stock::StockError;

use super::problem::Problem;
use crate::failure::chain;

/// When a client should try again after something was away or full.
const SOON: Duration = Duration::from_secs(1);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) => {
                log_sparsely(&error);
                Self::unavailable("unavailable", "The database is not reachable; nothing was written.", SOON)
            }
            StoreError::Overloaded => {
                Self::unavailable("overloaded", "The database is busy; nothing was written.", SOON)
            }
            StoreError::LockTimeout => {
                Self::unavailable("lock_timeout", "The rows are busy; nothing was written.", SOON)
            }
            StoreError::Conflict { kind, .. } => {
                tracing::warn!(error = %chain(&error), %kind, "a transaction met others as often as it was begun");
                let detail = "Others changed the same rows at the same time, again and again; nothing was written.";
                Self::unavailable("conflict_retry", detail, SOON)
            }
            StoreError::TooSlow => {
                let detail =
                    "What is asked takes too long to read; narrow it with filters, or leave out count or sort.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "query_too_slow", detail)
            }
            StoreError::Constraint { constraint } => {
                // A constraint that a handler has a better word for never comes here.
                tracing::warn!(%constraint, "a constraint refused a write and no handler named it");
                Self::new(
                    StatusCode::CONFLICT,
                    "conflict",
                    "The change contradicts what is stored; nothing was written.",
                )
            }
            StoreError::OutcomeUnknown => {
                tracing::error!(error = %chain(&error), "a commit's outcome is unknown");
                let detail = "The connection broke during the commit: the change may or may not have happened. Look before you repeat it.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", detail)
            }
            StoreError::Key(fault) => (*fault).into(),
            StoreError::Database(_) | StoreError::Corrupt(_) | StoreError::Undecided => {
                tracing::error!(error = %chain(&error), "a statement failed");
                internal()
            }
        }
    }
}

impl From<StockError> for Problem {
    fn from(error: StockError) -> Self {
        match error {
            StockError::Refused(refusal) => refusal.into(),
            StockError::Store(error) => error.into(),
        }
    }
}

impl From<KeyFault> for Problem {
    fn from(fault: KeyFault) -> Self {
        match fault {
            KeyFault::Reused => {
                let detail = "The Idempotency-Key was used for another request: its method, path or body differ.";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
            }
            KeyFault::Void => {
                let detail = "The Idempotency-Key was made void: nothing with it has an effect.";
                Self::new(StatusCode::CONFLICT, "idempotency_key_void", detail)
            }
            KeyFault::InFlight => {
                let detail = "A request with this Idempotency-Key is under way; ask again for its answer.";
                Self::new(StatusCode::CONFLICT, "idempotency_in_flight", detail).retry_after(SOON)
            }
        }
    }
}

impl From<CoordError> for Problem {
    fn from(error: CoordError) -> Self {
        log_sparsely(&error);
        Self::unavailable("unavailable", "The lock and limit service is not reachable.", SOON)
    }
}

impl From<AcquireError> for Problem {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Busy { holder_ttl, position } => {
                let ttl_ms = u64::try_from(holder_ttl.as_millis()).unwrap_or(u64::MAX);
                Self::new(StatusCode::CONFLICT, "lock_busy", "Somebody else holds the lock.")
                    .with("ttl_ms", ttl_ms)
                    .with("position", position)
                    .retryable()
            }
            AcquireError::QueueFull { waiters } => {
                Self::unavailable("lock_queue_full", "Too many wait for this lock.", SOON).with("waiters", waiters)
            }
            AcquireError::Backend(error) => error.into(),
            other => unforeseen(&other),
        }
    }
}

impl From<RenewError> for Problem {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Lost(LockLost::NotOwner) => not_owner(),
            RenewError::Lost(_) => expired(),
            RenewError::Backend(error) => error.into(),
            other => unforeseen(&other),
        }
    }
}

/// Whether a release did what its caller wanted.
pub(super) fn released(outcome: ReleaseOutcome) -> Result<(), Problem> {
    match outcome {
        ReleaseOutcome::Released { .. } => Ok(()),
        ReleaseOutcome::Expired => Err(expired()),
        ReleaseOutcome::NotOwner => Err(not_owner()),
    }
}

fn not_owner() -> Problem {
    Problem::new(StatusCode::CONFLICT, "lock_not_owner", "Somebody else holds the lock.")
}

fn expired() -> Problem {
    Problem::new(StatusCode::CONFLICT, "lock_expired", "Nobody holds the lock: it expired or was given back.")
}

fn unforeseen(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = %chain(error), "an unforeseen error");
    internal()
}

/// 500 with nothing of the cause in it.
pub(super) fn internal() -> Problem {
    let detail = "The service failed; the log has the cause under the request's id.";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

fn log_sparsely(error: &dyn std::error::Error) {
    static LAST_LOGGED_S: AtomicU64 = AtomicU64::new(0);
    let now_s = jiff::Timestamp::now().as_second().unsigned_abs();
    if LAST_LOGGED_S.swap(now_s, Ordering::Relaxed) != now_s {
        tracing::warn!(error = %chain(error), "requests fail because a server is away (logged once a second)");
    }
}

#[cfg(test)]
mod tests {
    use kv_store::conflict::Conflict;
    use serde_json::{Value, json};

    use super::*;

    fn body(problem: impl Into<Problem>) -> Value {
        serde_json::from_slice(&problem.into().body(None)).unwrap()
    }

    #[test]
    fn what_may_pass_is_retryable_and_what_may_have_happened_is_not() {
        let conflict = StoreError::Conflict { kind: Conflict::Deadlock, source: None };
        for transient in [StoreError::Unavailable(None), StoreError::Overloaded, StoreError::LockTimeout, conflict] {
            assert!(transient.is_transient());
            let body = body(transient);
            assert_eq!((&body["status"], &body["retryable"]), (&json!(503), &json!(true)));
        }
        let body = body(StoreError::OutcomeUnknown);
        assert_eq!((&body["status"], &body["retryable"]), (&json!(503), &json!(false)));
    }
}
