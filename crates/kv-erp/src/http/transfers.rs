//! Transfers over HTTP: stock that moves between warehouses.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kv_store::lists::known;
use kv_store::stock::{Action, Command};
use kv_types::stock::{MAX_LINES, Transfer, TransferLine, TransferStock};
use kv_types::{Expected, TransferId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{CreateErrors, GetErrors, ListErrors, found};
use super::bodies::lists::TransfersParameters;
use super::bodies::{self, FenceParameter, KeyParameter};
use super::ctx::Ctx;
use super::fields::Fields;
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::listing::Listed;
use super::outcomes::{made, run, seal_made};
use super::path::PathId;
use super::problem::Problem;
use super::query::Query;
use super::values::{REFERENCE_MAX, line, quantity, reference_to};
use super::writer::{Fence, Writer};
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get))
}

/// Lists transfers, in the order in which they were booked.
#[utoipa::path(get, path = "/stock-transfers", operation_id = "list_stock_transfers", tag = "stock", params(TransfersParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<Transfer>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Transfer>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::TRANSFERS).await?;
    let page = app.store().list_transfers(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Shows a transfer.
#[utoipa::path(get, path = "/stock-transfers/{id}", operation_id = "get_stock_transfer", tag = "stock", params(("id" = TransferId, Path)),
    responses((status = 200, description = "It", body = Transfer), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(id): PathId<TransferId>) -> Result<Json<Transfer>, Problem> {
    found(app.store().transfer(ctx.tenant, id).await?, "transfer").map(Json)
}

/// Moves available stock from one warehouse to another: all lines or none.
#[utoipa::path(post, path = "/stock-transfers", operation_id = "transfer_stock", tag = "stock", params(FenceParameter, KeyParameter),
    request_body = bodies::StockTransfer,
    responses((status = 201, description = "Booked", body = Transfer, headers(("Location" = String, description = "Its address"))), CreateErrors))]
async fn create(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once_sealed(&app, body.bytes(), seal_made);
    let action = Action::transfer(writer.tenant, body.read(read_transfer)?);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected: Expected::Any, action }, made).await
}

fn read_transfer(fields: &mut Fields<'_>) -> Option<TransferStock> {
    let from = fields.required("from_warehouse_id", reference_to("unknown_warehouse"));
    let to = fields.required("to_warehouse_id", |value| match reference_to("unknown_warehouse")(value)? {
        to if from == Some(to) => Err(("same_warehouse", "must be another one than from_warehouse_id".to_owned())),
        to => Ok(to),
    });
    let lines = fields.list("items", MAX_LINES, |item| {
        let product = item.required("product_id", reference_to("unknown_product"));
        let quantity = item.required("quantity", quantity);
        Some(TransferLine { product: product?, quantity: quantity? })
    });
    let reference = fields.optional("reference", line(REFERENCE_MAX));
    Some(TransferStock { from: from?, to: to?, lines: lines?, reference })
}
