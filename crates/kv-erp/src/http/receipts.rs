//! Receipts over HTTP: goods that came in.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kv_store::lists::known;
use kv_store::stock::{Action, Command};
use kv_types::stock::{MAX_LINES, Receipt, Receive, ReceiveLine};
use kv_types::{Expected, ReceiptId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{CreateErrors, GetErrors, ListErrors, found};
use super::bodies::lists::ReceiptsParameters;
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

/// Lists receipts, in the order in which they were booked.
#[utoipa::path(get, path = "/stock-receipts", operation_id = "list_stock_receipts", tag = "stock", params(ReceiptsParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<Receipt>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Receipt>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::RECEIPTS).await?;
    let page = app.store().list_receipts(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Shows a receipt.
#[utoipa::path(get, path = "/stock-receipts/{id}", operation_id = "get_stock_receipt", tag = "stock", params(("id" = ReceiptId, Path)),
    responses((status = 200, description = "It", body = Receipt), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(id): PathId<ReceiptId>) -> Result<Json<Receipt>, Problem> {
    found(app.store().receipt(ctx.tenant, id).await?, "receipt").map(Json)
}

/// Takes goods into stock: all lines or none.
#[utoipa::path(post, path = "/stock-receipts", operation_id = "receive_stock", tag = "stock", params(FenceParameter, KeyParameter),
    request_body = bodies::StockReceipt,
    responses((status = 201, description = "Booked", body = Receipt, headers(("Location" = String, description = "Its address"))), CreateErrors))]
async fn create(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once_sealed(&app, body.bytes(), seal_made);
    let action = Action::receive(writer.tenant, body.read(read_receive)?);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected: Expected::Any, action }, made).await
}

pub(super) fn read_receive(fields: &mut Fields<'_>) -> Option<Receive> {
    let lines = fields.list("items", MAX_LINES, |item| {
        let product = item.required("product_id", reference_to("unknown_product"));
        let warehouse = item.required("warehouse_id", reference_to("unknown_warehouse"));
        let quantity = item.required("quantity", quantity);
        Some(ReceiveLine { product: product?, warehouse: warehouse?, quantity: quantity? })
    });
    let reference = fields.optional("reference", line(REFERENCE_MAX));
    Some(Receive { lines: lines?, reference })
}
