//! The single map from what the rooms below may answer to a [`Problem`]: no other file chooses a status for them.
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
use kv_store::stock::{Reference, Refusal, Shortage, StockError, UnknownReference};

use super::problem::{FieldFault, Problem};
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
            StoreError::Database(_) | StoreError::Corrupt(_) => {
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

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let conflict = |code, detail: String| Self::new(StatusCode::CONFLICT, code, detail);
        let invalid = |code, detail: String| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        match refusal {
            Refusal::Short(lines) => {
                let detail =
                    format!("There is not enough stock for {} of the lines; nothing was written.", lines.len());
                conflict("insufficient_stock", detail).with_errors(lines.iter().map(shortage).collect())
            }
            Refusal::Unknown(references) => references_problem(&references, unknown_code, "names nothing that exists"),
            Refusal::Inactive(references) => references_problem(&references, inactive_code, "is switched off"),
            Refusal::MixedCurrency => {
                invalid("mixed_currency", "The products have prices in different currencies.".into())
            }
            Refusal::NotFound => Self::not_found("reservation or order"),
            Refusal::AlreadyFulfilled => {
                conflict("reservation_already_fulfilled", "The reserved stock has already left.".into())
            }
            Refusal::AlreadyReleased => {
                conflict("reservation_released", "The reserved stock was already given back.".into())
            }
            Refusal::BelongsToOrder(order) => {
                let detail = format!("The reservation belongs to order {order} and changes only with it.");
                conflict("reservation_belongs_to_order", detail).with("order_id", order.to_string())
            }
            Refusal::OrderState(status) => {
                // Only a confirmation is refused, and only of an order that was called off.
                let detail = format!("The order is {}, so it cannot be confirmed.", status.as_str());
                conflict("order_not_confirmable", detail).with("order_status", status.as_str())
            }
            Refusal::FenceStale { resource } => {
                let detail = format!("The lock on {resource} was lost: a later holder has written already.");
                conflict("lock_lost", detail).with("resource", resource)
            }
            Refusal::Key(fault) => fault.into(),
            Refusal::Overflow => invalid("out_of_range", "The stock level would leave its range.".into()),
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

fn shortage(short: &Shortage) -> FieldFault {
    let detail = format!("{} asked for, {} available.", short.requested, short.available);
    let fault = FieldFault::new(format!("/items/{}/quantity", short.line), "insufficient_stock", detail)
        .with("product_id", short.product.to_string())
        .with("requested", short.requested)
        .with("available", short.available);
    match short.warehouse {
        Some(warehouse) => fault.with("warehouse_id", warehouse.to_string()),
        None => fault,
    }
}

fn references_problem(references: &[UnknownReference], code: fn(Reference) -> &'static str, fault: &str) -> Problem {
    let errors: Vec<FieldFault> = references
        .iter()
        .map(|reference| {
            let field = field_of(reference.field);
            let pointer = reference.line.map_or_else(|| format!("/{field}"), |line| format!("/items/{line}/{field}"));
            FieldFault::new(pointer, code(reference.field), fault.to_owned())
        })
        .collect();
    let first = references.first().map_or("unknown_reference", |reference| code(reference.field));
    let detail = match errors.as_slice() {
        [one] => format!("{} {fault}.", one.pointer),
        several => format!("{} references: each {fault}; see errors.", several.len()),
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, first, detail).with_errors(errors)
}

const fn field_of(reference: Reference) -> &'static str {
    match reference {
        Reference::Customer => "customer_id",
        Reference::Product => "product_id",
        Reference::Warehouse => "warehouse_id",
    }
}

const fn unknown_code(reference: Reference) -> &'static str {
    match reference {
        Reference::Customer => "unknown_customer",
        Reference::Product => "unknown_product",
        Reference::Warehouse => "unknown_warehouse",
    }
}

const fn inactive_code(reference: Reference) -> &'static str {
    match reference {
        Reference::Customer => "inactive_customer",
        Reference::Product => "inactive_product",
        Reference::Warehouse => "inactive_warehouse",
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
    use kv_types::{ProductId, WarehouseId};
    use serde_json::{Value, json};

    use super::*;

    fn body(problem: impl Into<Problem>) -> Value {
        serde_json::from_slice(&problem.into().body(None)).unwrap()
    }

    #[test]
    fn a_shortage_lists_every_short_line() {
        let product = ProductId::from_uuid(uuid::Uuid::from_u128(1));
        let warehouse = Some(WarehouseId::from_uuid(uuid::Uuid::from_u128(2)));
        let short = |line, warehouse| Shortage { line, product, warehouse, requested: 5, available: 3 };
        let body = body(Refusal::Short(vec![short(0, None), short(4, warehouse)]));
        assert_eq!((&body["status"], &body["code"]), (&json!(409), &json!("insufficient_stock")));
        assert_eq!(body["errors"][0]["pointer"], "/items/0/quantity");
        assert_eq!(body["errors"][0].get("warehouse_id"), None);
        assert_eq!(body["errors"][1]["pointer"], "/items/4/quantity");
        assert_eq!(body["errors"][1]["warehouse_id"], "00000000-0000-0000-0000-000000000002");
        assert_eq!((&body["errors"][1]["requested"], &body["errors"][1]["available"]), (&json!(5), &json!(3)));
    }

    #[test]
    fn unknown_references_point_at_their_fields() {
        let references = vec![
            UnknownReference { line: None, field: Reference::Customer },
            UnknownReference { line: Some(2), field: Reference::Product },
        ];
        let body = body(Refusal::Unknown(references));
        assert_eq!((&body["status"], &body["code"]), (&json!(422), &json!("unknown_customer")));
        assert_eq!(body["errors"][0]["pointer"], "/customer_id");
        assert_eq!(body["errors"][1]["pointer"], "/items/2/product_id");
        assert_eq!(body["errors"][1]["code"], "unknown_product");
    }

    #[test]
    fn what_may_pass_is_retryable_and_what_may_have_happened_is_not() {
        for transient in [StoreError::Unavailable(None), StoreError::Overloaded, StoreError::LockTimeout] {
            assert!(transient.is_transient());
            let body = body(transient);
            assert_eq!((&body["status"], &body["retryable"]), (&json!(503), &json!(true)));
        }
        let body = body(StoreError::OutcomeUnknown);
        assert_eq!((&body["status"], &body["retryable"]), (&json!(503), &json!(false)));
    }
}
