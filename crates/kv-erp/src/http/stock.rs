//! Stock over HTTP: levels and their movements.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kv_store::lists::known;
use kv_store::stock::{self, Action, Command};
use kv_types::stock::{ReorderPoint, StockLevel, StockMovement};
use kv_types::{ProductId, WarehouseId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{ChangeErrors, GetErrors, ListErrors, MatchedChangeErrors, done, found};
use super::bodies::lists::{StockLevelsParameters, StockMovementsParameters};
use super::bodies::{self, FenceParameter, IfMatchParameter, IfNoneMatchParameter, KeyParameter};
use super::ctx::Ctx;
use super::etag::{IfMatch, IfNoneMatch, show};
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::listing::Listed;
use super::outcomes::{changed, run};
use super::path::PathIds;
use super::problem::Problem;
use super::query::Query;
use super::shown::Shown;
use super::values::{self, COUNT_MAX};
use super::writer::{Fence, Writer};
use crate::app::App;

/// The largest reorder point.
const REORDER_POINT_MAX: i64 = 1_000_000_000;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_levels))
        .routes(routes!(get_level))
        .routes(routes!(limit_backorders))
        .routes(routes!(get_reorder_point, set_reorder_point))
        .routes(routes!(list_movements))
}

/// Lists stock levels, by product and warehouse.
#[utoipa::path(get, path = "/stock-levels", operation_id = "list_stock_levels", tag = "stock", params(StockLevelsParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<StockLevel>), ListErrors))]
async fn list_levels(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<StockLevel>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::STOCK_LEVELS).await?;
    let page = app.store().list_stock_levels(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Shows how much of a product lies in a warehouse.
#[utoipa::path(get, path = "/stock-levels/{product_id}/{warehouse_id}", operation_id = "get_stock_level", tag = "stock",
    params(("product_id" = ProductId, Path), ("warehouse_id" = WarehouseId, Path), IfNoneMatchParameter),
    responses((status = 200, description = "It", body = StockLevel, headers(("ETag" = String, description = "Its state"))),
        (status = 304, description = "It is in a state that If-None-Match names"), GetErrors))]
async fn get_level(
    State(app): State<App>,
    ctx: Ctx,
    PathIds(product, warehouse): PathIds<ProductId, WarehouseId>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    Ok(show(found(app.store().stock_level(ctx.tenant, product, warehouse).await?, "stock level")?, &known))
}

/// Says how many units of a level may be promised beyond those that are there; 0 by default. What is promised only cannot be
/// shipped: 409 `not_on_hand`.
#[utoipa::path(put, path = "/stock-levels/{product_id}/{warehouse_id}/backorder-limit", operation_id = "limit_backorders", tag = "stock",
    params(("product_id" = ProductId, Path), ("warehouse_id" = WarehouseId, Path), IfMatchParameter, FenceParameter, KeyParameter),
    request_body = bodies::BackorderLimit,
    responses((status = 200, description = "The level as it is now", body = StockLevel, headers(("ETag" = String, description = "Its state"))), MatchedChangeErrors))]
async fn limit_backorders(
    State(app): State<App>,
    writer: Writer,
    PathIds(product, warehouse): PathIds<ProductId, WarehouseId>,
    (IfMatch(expected), Fence(fence), key): (IfMatch, Fence, Keyed),
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), changed);
    let limit = body.read(|fields| fields.required("limit", values::whole(0..=COUNT_MAX)))?;
    let action = Action::LimitBackorders(product, warehouse, limit);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected, action }, changed).await
}

/// Shows with how many available units a level is low.
#[utoipa::path(get, path = "/stock-levels/{product_id}/{warehouse_id}/reorder-point", operation_id = "get_reorder_point", tag = "stock",
    params(("product_id" = ProductId, Path), ("warehouse_id" = WarehouseId, Path)),
    responses((status = 200, description = "It", body = ReorderPoint), GetErrors))]
async fn get_reorder_point(
    State(app): State<App>,
    ctx: Ctx,
    PathIds(product, warehouse): PathIds<ProductId, WarehouseId>,
) -> Result<Json<ReorderPoint>, Problem> {
    found(app.store().reorder_point(ctx.tenant, (product, warehouse)).await?, "stock level").map(Json)
}

/// Says with how many available units a level is low: when they fall to so many or fewer, the event `stock.low` is told, once until
/// there are more again. Null takes the point away. The level's version and `ETag` do not change.
#[utoipa::path(put, path = "/stock-levels/{product_id}/{warehouse_id}/reorder-point", operation_id = "set_reorder_point", tag = "stock",
    params(("product_id" = ProductId, Path), ("warehouse_id" = WarehouseId, Path), KeyParameter), request_body = bodies::NewReorderPoint,
    responses((status = 200, description = "It as it is now", body = ReorderPoint), ChangeErrors))]
async fn set_reorder_point(
    State(app): State<App>,
    writer: Writer,
    PathIds(product, warehouse): PathIds<ProductId, WarehouseId>,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), Shown::changed);
    let point = body.read(|fields| {
        let is_given = fields.has("reorder_point");
        let point = fields.nullable("reorder_point", values::whole(0..=REORDER_POINT_MAX));
        if is_given { point } else { fields.required("reorder_point", values::whole(0..=REORDER_POINT_MAX)).map(Some) }
    })?;
    let write = stock::set_reorder_point(writer.tenant, (product, warehouse), point);
    done(app.store().apply(write, once).await?, "stock level", Shown::changed)
}

/// Lists the movements of one level, from the first on. Versions have no gaps.
#[utoipa::path(get, path = "/stock-movements", operation_id = "list_stock_movements", tag = "stock", params(StockMovementsParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<StockMovement>), ListErrors))]
async fn list_movements(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<StockMovement>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::STOCK_MOVEMENTS).await?;
    let page = app.store().list_movements(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}
