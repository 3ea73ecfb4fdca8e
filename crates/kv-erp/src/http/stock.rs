//! Stock over HTTP: levels, their movements, and receipts of goods.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kv_store::stock::{Action, Command, LevelFilter};
use kv_types::stock::{MAX_LINES, Receipt, Receive, ReceiveLine, StockLevel, StockMovement};
use kv_types::{ProductId, WarehouseId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{CreateErrors, GetErrors, ListErrors, found};
use super::bodies::{self, FenceParameter, KeyParameter, PageParameters};
use super::ctx::Ctx;
use super::fields::Fields;
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::outcomes::{made, run, seal_made};
use super::path::PathIds;
use super::problem::Problem;
use super::query::{Listed, Query, id, whole};
use super::values::{REFERENCE_MAX, line, quantity, reference_to};
use super::writer::{Fence, Writer};
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_levels))
        .routes(routes!(get_level))
        .routes(routes!(list_movements))
        .routes(routes!(receive))
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

/// Lists the movements of one level, from the first on. Versions have no gaps.
#[utoipa::path(get, path = "/stock-movements", operation_id = "list_stock_movements", tag = "stock",
    params(
        ("product_id" = ProductId, Query),
        ("warehouse_id" = WarehouseId, Query),
        ("after" = Option<i64>, Query, description = "The last version already seen", minimum = 0),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before; the same as `after`"),
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

/// Takes goods into stock: all lines or none.
#[utoipa::path(post, path = "/stock-receipts", operation_id = "receive_stock", tag = "stock", params(FenceParameter, KeyParameter),
    request_body = bodies::StockReceipt,
    responses((status = 201, description = "Booked", body = Receipt), CreateErrors))]
async fn receive(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once_sealed(&app, body.bytes(), seal_made);
    let action = Action::receive(writer.tenant, body.read(read_receive)?);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, action }, made).await
}

fn read_receive(fields: &mut Fields<'_>) -> Option<Receive> {
    let lines = fields.list("items", MAX_LINES, |item| {
        let product = item.required("product_id", reference_to("unknown_product"));
        let warehouse = item.required("warehouse_id", reference_to("unknown_warehouse"));
        let quantity = item.required("quantity", quantity);
        Some(ReceiveLine { product: product?, warehouse: warehouse?, quantity: quantity? })
    });
    let reference = fields.optional("reference", line(REFERENCE_MAX));
    Some(Receive { lines: lines?, reference })
}
