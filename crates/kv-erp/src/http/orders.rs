//! Orders over HTTP. An order holds its stock from the moment it is placed; calling it off gives the stock back.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kv_store::lists::known;
use kv_store::stock::{Action, Command};
use kv_types::order::{Order, OrderConfirmation, OrderLine, PlaceOrder, ReturnGoods};
use kv_types::stock::MAX_LINES;
use kv_types::{Expected, OrderId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{CreateErrors, GetErrors, ListErrors, MatchedActErrors, MatchedChangeErrors, found};
use super::bodies::lists::OrdersParameters;
use super::bodies::{self, FenceParameter, IfMatchParameter, IfNoneMatchParameter, KeyParameter};
use super::ctx::Ctx;
use super::etag::{IfMatch, IfNoneMatch, show};
use super::fields::Fields;
use super::idempotency::Keyed;
use super::json::{JsonBody, OptionalBody};
use super::listing::Listed;
use super::outcomes::{changed, made, run, seal_made};
use super::path::PathId;
use super::problem::Problem;
use super::query::Query;
use super::reservations::read_part;
use super::values::{REASON_MAX, REFERENCE_MAX, boolean, line, quantity, reference_to, ttl};
use super::writer::{Fence, Writer};
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, place))
        .routes(routes!(get))
        .routes(routes!(confirmation))
        .routes(routes!(confirm))
        .routes(routes!(fulfill))
        .routes(routes!(take_back))
        .routes(routes!(close))
        .routes(routes!(cancel))
}

/// Lists orders, in the order in which they were placed.
#[utoipa::path(get, path = "/orders", operation_id = "list_orders", tag = "orders",
    params(OrdersParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<Order>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Order>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::ORDERS).await?;
    let page = app.store().list_orders(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Places an order and holds its stock: all lines or none, or with `allow_partial` what there is of them, if it is one unit at
/// least; products of which there is nothing are left out then. The first warehouse, by priority, that has all units of a product
/// gives them; when none has, several do.
#[utoipa::path(post, path = "/orders", operation_id = "place_order", tag = "orders", params(FenceParameter, KeyParameter),
    request_body = bodies::NewOrder,
    responses((status = 201, description = "Placed", body = Order, headers(("Location" = String, description = "Its address"), ("ETag" = String, description = "Its state"))), CreateErrors))]
async fn place(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once_sealed(&app, body.bytes(), seal_made);
    let action = Action::place_order(writer.tenant, body.read(read_order)?);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected: Expected::Any, action }, made).await
}

pub(super) fn read_order(fields: &mut Fields<'_>) -> Option<PlaceOrder> {
    let customer = fields.required("customer_id", reference_to("unknown_customer"));
    let lines = fields.list("items", MAX_LINES, read_line);
    let reference = fields.optional("reference", line(REFERENCE_MAX));
    let ttl = fields.optional("ttl_seconds", ttl);
    let allow_partial = fields.given("allow_partial", boolean).unwrap_or(false);
    Some(PlaceOrder { customer: customer?, lines: lines?, reference, ttl, allow_partial })
}

fn read_line(item: &mut Fields<'_>) -> Option<OrderLine> {
    let product = item.required("product_id", reference_to("unknown_product"));
    let quantity = item.required("quantity", quantity);
    Some(OrderLine { product: product?, quantity: quantity? })
}

/// Shows an order.
#[utoipa::path(get, path = "/orders/{id}", operation_id = "get_order", tag = "orders", params(("id" = OrderId, Path), IfNoneMatchParameter),
    responses((status = 200, description = "It", body = Order, headers(("ETag" = String, description = "Its state"))),
        (status = 304, description = "It is in a state that If-None-Match names"), GetErrors))]
async fn get(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<OrderId>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    Ok(show(found(app.store().order(ctx.tenant, id).await?, "order")?, &known))
}

/// Shows what the order's customer is told. It is made by a worker, a moment after the order was placed: 404 until then.
#[utoipa::path(get, path = "/orders/{id}/confirmation", operation_id = "get_order_confirmation", tag = "orders",
    params(("id" = OrderId, Path)),
    responses((status = 200, description = "It", body = OrderConfirmation), GetErrors))]
async fn confirmation(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<OrderId>,
) -> Result<Json<OrderConfirmation>, Problem> {
    found(app.store().order_confirmation(ctx.tenant, id).await?, "confirmation of an order").map(Json)
}

/// Accepts an order; its stock is held without end from then on. Once more is no change and no error.
#[utoipa::path(post, path = "/orders/{id}/confirm", operation_id = "confirm_order", tag = "orders",
    params(("id" = OrderId, Path), IfMatchParameter, FenceParameter, KeyParameter),
    responses((status = 200, description = "It as it is now", body = Order, headers(("ETag" = String, description = "Its state"))), MatchedActErrors))]
async fn confirm(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<OrderId>,
    (IfMatch(expected), Fence(fence), key): (IfMatch, Fence, Keyed),
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], changed);
    let command = Command { actor: writer.user, fence, once, expected, action: Action::ConfirmOrder(id) };
    run(&app, writer.tenant, command, changed).await
}

/// Lets stock of a confirmed order leave: all that is left, or the units in the body. All once more is no change and no error.
#[utoipa::path(post, path = "/orders/{id}/fulfill", operation_id = "fulfill_order", tag = "orders",
    params(("id" = OrderId, Path), IfMatchParameter, FenceParameter, KeyParameter),
    request_body = bodies::Fulfillment,
    responses((status = 200, description = "It as it is now", body = Order, headers(("ETag" = String, description = "Its state"))), MatchedChangeErrors))]
async fn fulfill(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<OrderId>,
    (IfMatch(expected), Fence(fence), key): (IfMatch, Fence, Keyed),
    body: OptionalBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), changed);
    let lines = body.read(|fields| fields.list("items", MAX_LINES, read_line))?;
    let action = Action::FulfillOrder(id, lines);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected, action }, changed).await
}

/// Takes goods of an order back to where they left from, never more than were shipped from there. Each call is a return of its own:
/// repeat it under a key.
#[utoipa::path(post, path = "/orders/{id}/returns", operation_id = "return_order", tag = "orders",
    params(("id" = OrderId, Path), IfMatchParameter, FenceParameter, KeyParameter),
    request_body = bodies::OrderReturn,
    responses((status = 200, description = "It as it is now", body = Order, headers(("ETag" = String, description = "Its state"))), MatchedChangeErrors))]
async fn take_back(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<OrderId>,
    (IfMatch(expected), Fence(fence), key): (IfMatch, Fence, Keyed),
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), changed);
    let action = Action::ReturnOrder(id, body.read(read_return)?);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected, action }, changed).await
}

fn read_return(fields: &mut Fields<'_>) -> Option<ReturnGoods> {
    let lines = fields.list("items", MAX_LINES, read_part);
    let reason = fields.required("reason", line(REASON_MAX));
    Some(ReturnGoods { lines: lines?, reason: reason? })
}

/// Ends a partially fulfilled order: what is left of its stock is given back, and it is `fulfilled` with what has left, which its
/// lines show. An order of which nothing has left is cancelled instead. Once more is no change and no error.
#[utoipa::path(post, path = "/orders/{id}/close", operation_id = "close_order", tag = "orders",
    params(("id" = OrderId, Path), IfMatchParameter, FenceParameter, KeyParameter),
    responses((status = 200, description = "It as it is now", body = Order, headers(("ETag" = String, description = "Its state"))), MatchedActErrors))]
async fn close(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<OrderId>,
    (IfMatch(expected), Fence(fence), key): (IfMatch, Fence, Keyed),
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], changed);
    let command = Command { actor: writer.user, fence, once, expected, action: Action::CloseOrder(id) };
    run(&app, writer.tenant, command, changed).await
}

/// Calls an order off and gives its stock back; not once anything of it has left. Once more is no change and no error.
#[utoipa::path(post, path = "/orders/{id}/cancel", operation_id = "cancel_order", tag = "orders",
    params(("id" = OrderId, Path), IfMatchParameter, FenceParameter, KeyParameter),
    responses((status = 200, description = "It as it is now", body = Order, headers(("ETag" = String, description = "Its state"))), MatchedActErrors))]
async fn cancel(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<OrderId>,
    (IfMatch(expected), Fence(fence), key): (IfMatch, Fence, Keyed),
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], changed);
    let command = Command { actor: writer.user, fence, once, expected, action: Action::CancelOrder(id) };
    run(&app, writer.tenant, command, changed).await
}
