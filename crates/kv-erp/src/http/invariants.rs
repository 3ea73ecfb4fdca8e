//! The proof of the ledger over HTTP: what must hold of the caller's tenant, asked of the tables as they are.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kv_store::stock::LedgerFault;
use kv_store::{StoreError, replicas};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::AuditErrors;
use super::ctx::Ctx;
use super::problem::{FieldFault, Problem};
use crate::app::{App, NoPlace};

/// The route, which has a bound of its own in [`super::layers`].
pub(super) const PROOF_ROUTE: &str = "/api/v1/admin/invariants";
/// When to ask again after there was no place or no end.
const LATER: Duration = Duration::from_secs(10);
/// Most faults that one answer lists; it says how many there are.
const MAX_LISTED: usize = 1_000;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(prove))
}

/// A ledger of which everything holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sound {
    /// True: otherwise the answer is a problem.
    sound: bool,
    /// Empty.
    #[schema(max_items = 0)]
    faults: Vec<FieldFault>,
}

/// Proves the tenant's ledger: every level, movement, reservation and order of it, on one snapshot. It reads the whole ledger, so it
/// is for owners and managers, each process does one of a tenant at a time (409 `proof_under_way`) and few altogether, and it ends
/// with its request, after a minute at the latest (503 `proof_timeout`).
#[utoipa::path(get, path = "/admin/invariants", operation_id = "prove_invariants", tag = "operations",
    responses((status = 200, description = "Everything holds", body = Sound), AuditErrors))]
async fn prove(State(app): State<App>, ctx: Ctx) -> Result<Json<Sound>, Problem> {
    let _place = app.proofs().enter(ctx.tenant).map_err(no_place)?;
    let limit = app.settings().proof_timeout;
    let store = app.store();
    let proving = replicas::within(store.steady().await, store.audit_stock_within(ctx.tenant, limit));
    let faults = proving.await.map_err(|error| match error {
        StoreError::LockTimeout => too_long(limit),
        other => other.into(),
    })?;
    if faults.is_empty() {
        return Ok(Json(Sound { sound: true, faults: Vec::new() }));
    }
    let detail = format!("{} thing(s) of the ledger do not hold; see errors.", faults.len());
    Err(Problem::new(StatusCode::CONFLICT, "not_sound", detail)
        .with("fault_count", faults.len())
        .with_errors(faults.iter().take(MAX_LISTED).map(shown).collect()))
}

fn no_place(why: NoPlace) -> Problem {
    match why {
        NoPlace::UnderWay => {
            let detail = "A proof of this tenant's ledger is under way; ask again when it has ended.";
            Problem::new(StatusCode::CONFLICT, "proof_under_way", detail).retry_after(LATER)
        }
        NoPlace::Full => {
            let detail =
                "As many ledgers are being proved as may be at a time; ask again, or run `kv-erp admin verify`.";
            Problem::unavailable("overloaded", detail, LATER)
        }
    }
}

fn too_long(limit: Duration) -> Problem {
    let detail = format!(
        "The proof was ended after {} s. Ask again when less is going on; `kv-erp admin verify` reads the ledger without a limit.",
        limit.as_secs_f64()
    );
    Problem::unavailable("proof_timeout", detail, LATER)
}

fn shown(fault: &LedgerFault) -> FieldFault {
    match fault {
        LedgerFault::Level { product, warehouse, fault } => {
            FieldFault::new(format!("/stock-levels/{product}/{warehouse}"), "not_sound", fault.clone())
                .with("product_id", product.to_string())
                .with("warehouse_id", warehouse.to_string())
        }
        LedgerFault::Order { order, product, fault } => {
            let shown = FieldFault::new(format!("/orders/{order}"), "not_sound", fault.clone())
                .with("order_id", order.to_string());
            match product {
                Some(product) => shown.with("product_id", product.to_string()),
                None => shown,
            }
        }
    }
}
