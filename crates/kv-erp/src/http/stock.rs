//! Stock over HTTP: levels and their movements.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kv_store::stock::{Action, Command, LevelFilter};
use kv_types::stock::{StockLevel, StockMovement};
use kv_types::{ProductId, WarehouseId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{ChangeErrors, GetErrors, ListErrors, found};
use super::bodies::{self, FenceParameter, KeyParameter, PageParameters};
use super::ctx::Ctx;
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::outcomes::{changed, run};
use super::path::PathIds;
use super::problem::Problem;
use super::query::{Listed, Query, id, whole};
use super::values::{self, COUNT_MAX};
use super::writer::{Fence, Writer};
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_levels))
        .routes(routes!(get_level))
        .routes(routes!(limit_backorders))
        .routes(routes!(list_movements))
}

/// Lists stock levels, by product and warehouse.
#[utoipa::path(get, path = "/stock-levels", operation_id = "list_stock_levels", tag = "stock",
    params(("product_id" = Option<ProductId>, Query), ("warehouse_id" = Option<WarehouseId>, Query), PageParameters),
    responses((status = 200, description = "One page", body = Listed<StockLevel>), ListErrors))]
async fn list_levels(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<StockLevel>, Problem> {
    let (filter, after, limit) = query.read(|query| {
        let filter =
            LevelFilter { product: query.optional("product_id", id), warehouse: query.optional("warehouse_id", id) };
        Some((filter, query.cursor(), query.limit()))
    })?;
    let page = app.store().stock_levels(ctx.tenant, filter, after, limit).await?;
    Ok(Listed::new(page, |level| (level.product_id, level.warehouse_id)))
}

/// Shows how much of a product lies in a warehouse.
#[utoipa::path(get, path = "/stock-levels/{product_id}/{warehouse_id}", operation_id = "get_stock_level", tag = "stock",
    params(("product_id" = ProductId, Path), ("warehouse_id" = WarehouseId, Path)),
    responses((status = 200, description = "It", body = StockLevel), GetErrors))]
async fn get_level(
    State(app): State<App>,
    ctx: Ctx,
    PathIds(product, warehouse): PathIds<ProductId, WarehouseId>,
) -> Result<Json<StockLevel>, Problem> {
    found(app.store().stock_level(ctx.tenant, product, warehouse).await?, "stock level")
}

/// Says how many units of a level may be promised beyond those that are there; 0 by default. What is promised only cannot be
/// shipped: 409 `not_on_hand`.
#[utoipa::path(put, path = "/stock-levels/{product_id}/{warehouse_id}/backorder-limit", operation_id = "limit_backorders", tag = "stock",
    params(("product_id" = ProductId, Path), ("warehouse_id" = WarehouseId, Path), FenceParameter, KeyParameter),
    request_body = bodies::BackorderLimit,
    responses((status = 200, description = "The level as it is now", body = StockLevel), ChangeErrors))]
async fn limit_backorders(
    State(app): State<App>,
    writer: Writer,
    PathIds(product, warehouse): PathIds<ProductId, WarehouseId>,
    (Fence(fence), key): (Fence, Keyed),
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), changed);
    let limit = body.read(|fields| fields.required("limit", values::whole(0..=COUNT_MAX)))?;
    let action = Action::LimitBackorders(product, warehouse, limit);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, action }, changed).await
}

/// Lists the movements of one level, from the first on. Versions have no gaps.
#[utoipa::path(get, path = "/stock-movements", operation_id = "list_stock_movements", tag = "stock",
    params(
        ("product_id" = ProductId, Query),
        ("warehouse_id" = WarehouseId, Query),
        ("after" = Option<i64>, Query, description = "The last version already seen", minimum = 0),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<i64>, Query, minimum = 0, description = "The `next_cursor` of the page before; the same as `after`"),
    ),
    responses((status = 200, description = "One page", body = Listed<StockMovement>), ListErrors))]
async fn list_movements(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<StockMovement>, Problem> {
    let (product, warehouse, after, limit) = query.read(|query| {
        let (product, warehouse) = (query.required("product_id", id), query.required("warehouse_id", id));
        let after = query.optional("after", |raw| whole(raw, 0, i64::MAX));
        let cursor = query.optional("cursor", |raw| whole(raw, 0, i64::MAX));
        let limit = query.limit();
        Some((product?, warehouse?, after.or(cursor).unwrap_or(0), limit))
    })?;
    let page = app.store().stock_movements(ctx.tenant, (product, warehouse), after, limit).await?;
    let next_cursor = page.rows.last().filter(|_| page.has_more).map(|last| last.version.to_string());
    Ok(Listed { data: page.rows, next_cursor })
}
