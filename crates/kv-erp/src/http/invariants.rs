//! The proof of the ledger over HTTP: what must hold of the caller's tenant, asked of the tables as they are.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kv_store::StoreError;
use kv_store::access::Role;
use kv_store::stock::LedgerFault;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::AuditErrors;
use super::ctx::Ctx;
use super::problem::{FieldFault, Problem};
use crate::app::App;

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
/// is for owners and managers, and each process does one at a time.
#[utoipa::path(get, path = "/admin/invariants", operation_id = "prove_invariants", tag = "operations",
    responses((status = 200, description = "Everything holds", body = Sound), AuditErrors))]
async fn prove(State(app): State<App>, ctx: Ctx) -> Result<Json<Sound>, Problem> {
    if !matches!(ctx.role, Role::Owner | Role::Manager) {
        let detail = "The proof is for owners and managers.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "role_too_low", detail));
    }
    let place = app.audits().try_acquire_owned().map_err(|_| StoreError::Overloaded)?;
    // On a task of its own: PostgreSQL reads on when the caller has gone, and the place is taken until it has ended.
    let proof = tokio::spawn(async move {
        let _place = place;
        app.store().audit_stock(ctx.tenant).await
    });
    let faults = proof.await.map_err(|_| super::faults::internal())??;
    if faults.is_empty() {
        return Ok(Json(Sound { sound: true, faults: Vec::new() }));
    }
    let detail = format!("{} thing(s) of the ledger do not hold; see errors.", faults.len());
    Err(Problem::new(StatusCode::CONFLICT, "not_sound", detail)
        .with("fault_count", faults.len())
        .with_errors(faults.iter().take(MAX_LISTED).map(shown).collect()))
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
