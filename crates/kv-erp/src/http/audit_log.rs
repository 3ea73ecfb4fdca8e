//! The audit log over HTTP, for the tenant's owners.

use axum::extract::State;
use kv_store::lists::known;
use kv_types::access::AuditEntry;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::ListErrors;
use super::bodies::lists::AuditLogParameters;
use super::ctx::Ctx;
use super::listing::Listed;
use super::problem::Problem;
use super::query::Query;
use crate::app::App;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists who did what, the latest first: each write that was done, and what was refused for want of rights. An entry of a write is there
/// exactly when the write is.
#[utoipa::path(get, path = "/audit-log", operation_id = "list_audit_log", tag = "audit-log", params(AuditLogParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<AuditEntry>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<AuditEntry>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::AUDIT_LOG).await?;
    let page = app.store().list_audit_log(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}
