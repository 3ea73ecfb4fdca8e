//! Warehouses over HTTP.

use axum::extract::State;
use axum::response::Response;
use kv_store::catalogue::warehouses as writes;
use kv_store::lists::known;
use kv_types::WarehouseId;
use kv_types::catalogue::{NewWarehouse, Warehouse, WarehousePatch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{
    BASE, CreateErrors, GetErrors, ListErrors, MatchedActErrors, PatchErrors, done, done_if, found, unchanged,
};
use super::bodies::lists::WarehousesParameters;
use super::bodies::{self, IfMatchParameter, IfNoneMatchParameter, KeyParameter, MustMatchParameter};
use super::conflict::of_catalogue;
use super::ctx::Ctx;
use super::etag::{IfMatch, IfNoneMatch, MustMatch, show};
use super::fields::Fields;
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::listing::Listed;
use super::path::PathId;
use super::problem::Problem;
use super::query::Query;
use super::shown::Shown;
use super::values::{CODE_MAX, NAME_MAX, boolean, line, priority};
use super::writer::Writer;
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, change, delete))
}

/// The priority of a warehouse of which nothing is said.
const DEFAULT_PRIORITY: i32 = 100;

pub(super) fn read_new(fields: &mut Fields<'_>) -> Option<NewWarehouse> {
    let code = fields.required("code", line(CODE_MAX));
    let name = fields.required("name", line(NAME_MAX));
    let priority = fields.given("priority", priority).unwrap_or(DEFAULT_PRIORITY);
    let active = fields.given("active", boolean).unwrap_or(true);
    Some(NewWarehouse { code: code?, name: name?, priority, active })
}

// The faults decide whether a patch is good, so each field's own `None` may mean either absent or refused.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every reader")]
fn read_patch(fields: &mut Fields<'_>) -> Option<WarehousePatch> {
    Some(WarehousePatch {
        code: fields.given("code", line(CODE_MAX)),
        name: fields.given("name", line(NAME_MAX)),
        priority: fields.given("priority", priority),
        active: fields.given("active", boolean),
    })
}

/// Lists warehouses, in the order in which they were made.
#[utoipa::path(get, path = "/warehouses", operation_id = "list_warehouses", tag = "warehouses", params(WarehousesParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<Warehouse>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Warehouse>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::WAREHOUSES).await?;
    let page = app.store().list_warehouses(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Makes a warehouse.
#[utoipa::path(post, path = "/warehouses", operation_id = "create_warehouse", tag = "warehouses", params(KeyParameter),
    request_body = bodies::NewWarehouse,
    responses((status = 201, description = "Made", body = Warehouse, headers(("Location" = String, description = "Its address"), ("ETag" = String, description = "Its state"))), CreateErrors))]
async fn create(State(app): State<App>, writer: Writer, key: Keyed, body: JsonBody) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), made);
    let write = writes::creation(writer.tenant, &body.read(read_new)?);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "warehouse", made)
}

pub(super) fn made(warehouse: &Warehouse) -> Shown {
    Shown::created(format!("{BASE}/warehouses/{}", warehouse.id), warehouse).tagged(warehouse)
}

/// Shows a warehouse.
#[utoipa::path(get, path = "/warehouses/{id}", operation_id = "get_warehouse", tag = "warehouses", params(("id" = WarehouseId, Path), IfNoneMatchParameter),
    responses((status = 200, description = "It", body = Warehouse, headers(("ETag" = String, description = "Its state"))),
        (status = 304, description = "It is in a state that If-None-Match names"), GetErrors))]
async fn get(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<WarehouseId>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    Ok(show(found(app.store().warehouse(ctx.tenant, id).await?, "warehouse")?, &known))
}

/// Changes a warehouse: what the body leaves out stays.
#[utoipa::path(patch, path = "/warehouses/{id}", operation_id = "change_warehouse", tag = "warehouses", params(("id" = WarehouseId, Path), MustMatchParameter, KeyParameter),
    request_body = bodies::WarehousePatch,
    responses((status = 200, description = "It as it is now", body = Warehouse, headers(("ETag" = String, description = "Its state"))), PatchErrors))]
async fn change(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<WarehouseId>,
    (MustMatch(expected), key): (MustMatch, Keyed),
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), Shown::revised);
    let patch = body.read(read_patch)?;
    let look = app.store().warehouse(writer.tenant, id);
    if patch == WarehousePatch::default() {
        // Nothing to change is no change: the version stays, and there is nothing to keep.
        return unchanged(&found(look.await?, "warehouse")?, &expected);
    }
    let write = writes::change(writer.tenant, id, &patch, &expected);
    let changed = app.store().apply(write, once).await.map_err(of_catalogue)?;
    done_if(changed, Shown::revised, (look, "warehouse")).await
}

/// Deletes a warehouse that nothing refers to.
#[utoipa::path(delete, path = "/warehouses/{id}", operation_id = "delete_warehouse", tag = "warehouses",
    params(("id" = WarehouseId, Path), IfMatchParameter, KeyParameter),
    responses((status = 204, description = "It is gone"), MatchedActErrors))]
async fn delete(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<WarehouseId>,
    (IfMatch(expected), key): (IfMatch, Keyed),
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], |_| Shown::gone());
    let write = writes::deletion(writer.tenant, id, &expected);
    let deleted = app.store().apply(write, once).await.map_err(of_catalogue)?;
    done_if(deleted, |_| Shown::gone(), (app.store().warehouse(writer.tenant, id), "warehouse")).await
}
