//! Adjustments over HTTP: stock that was counted and set right.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kv_store::lists::known;
use kv_store::stock::{Action, Command};
use kv_types::stock::{Adjust, AdjustLine, AdjustTo, Adjustment, MAX_LINES};
use kv_types::{AdjustmentId, Expected, Quantity};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{CreateErrors, GetErrors, ListErrors, found};
use super::bodies::lists::AdjustmentsParameters;
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
use super::values::{COUNT_MAX, REASON_MAX, REFERENCE_MAX, line, reference_to, whole};
use super::writer::{Fence, Writer};
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get))
}

/// Lists adjustments, in the order in which they were booked.
#[utoipa::path(get, path = "/stock-adjustments", operation_id = "list_stock_adjustments", tag = "stock", params(AdjustmentsParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<Adjustment>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Adjustment>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::ADJUSTMENTS).await?;
    let page = app.store().list_adjustments(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Shows an adjustment.
#[utoipa::path(get, path = "/stock-adjustments/{id}", operation_id = "get_stock_adjustment", tag = "stock", params(("id" = AdjustmentId, Path)),
    responses((status = 200, description = "It", body = Adjustment), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(id): PathId<AdjustmentId>) -> Result<Json<Adjustment>, Problem> {
    found(app.store().adjustment(ctx.tenant, id).await?, "adjustment").map(Json)
}

/// Sets stock right: all lines or none. A line changes the available units by `delta`, or sets them to `set_to` if they are
/// `expected_quantity` at that moment.
///
/// Units that are held may turn out to be gone, too: the available ones may fall to minus the level's `backorder_limit`, as long as
/// what is on hand stays at 0 or more. What is promised and no longer there cannot be shipped until it has been replaced.
#[utoipa::path(post, path = "/stock-adjustments", operation_id = "adjust_stock", tag = "stock", params(FenceParameter, KeyParameter),
    request_body = bodies::StockAdjustment,
    responses((status = 201, description = "Booked", body = Adjustment, headers(("Location" = String, description = "Its address"))), CreateErrors))]
async fn create(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once_sealed(&app, body.bytes(), seal_made);
    let action = Action::adjust(writer.tenant, body.read(read_adjust)?);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected: Expected::Any, action }, made).await
}

pub(super) fn read_adjust(fields: &mut Fields<'_>) -> Option<Adjust> {
    let lines = fields.list("items", MAX_LINES, |item| {
        let product = item.required("product_id", reference_to("unknown_product"));
        let warehouse = item.required("warehouse_id", reference_to("unknown_warehouse"));
        let to = read_to(item);
        Some(AdjustLine { product: product?, warehouse: warehouse?, to: to? })
    });
    let reason = fields.required("reason", line(REASON_MAX));
    let reference = fields.optional("reference", line(REFERENCE_MAX));
    Some(Adjust { lines: lines?, reason: reason?, reference })
}

/// Either `delta`, or `set_to` and `expected_quantity`.
fn read_to(item: &mut Fields<'_>) -> Option<AdjustTo> {
    if item.has("set_to") || item.has("expected_quantity") {
        if item.has("delta") {
            item.given("delta", |_| Err::<i64, _>(("contradiction", "cannot stand beside set_to".to_owned())));
        }
        let to = item.required("set_to", whole(0..=COUNT_MAX));
        let expected = item.required("expected_quantity", whole(-COUNT_MAX..=COUNT_MAX));
        return Some(AdjustTo::Set { to: to?, expected: expected? });
    }
    let delta = item.required("delta", |value| match whole(-Quantity::MAX..=Quantity::MAX)(value)? {
        0 => Err(("out_of_range", "must not be 0".to_owned())),
        delta => Ok(delta),
    });
    delta.map(AdjustTo::Delta)
}
