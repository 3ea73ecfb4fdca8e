//! Reservations over HTTP: stock that is held, given back, or shipped.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kv_store::lists::known;
use kv_store::stock::{Action, Command};
use kv_types::stock::{MAX_LINES, PartLine, Reservation, Reserve, ReserveLine};
use kv_types::{Expected, ReservationId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{ChangeErrors, CreateErrors, GetErrors, ListErrors, StockActErrors, found};
use super::bodies::lists::ReservationsParameters;
use super::bodies::{self, FenceParameter, KeyParameter};
use super::ctx::Ctx;
use super::fields::Fields;
use super::idempotency::Keyed;
use super::json::{JsonBody, OptionalBody};
use super::listing::Listed;
use super::outcomes::{changed, made, run, seal_made};
use super::path::PathId;
use super::problem::Problem;
use super::query::Query;
use super::values::{REFERENCE_MAX, line, quantity, reference_to, ttl};
use super::writer::{Fence, Writer};
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get))
        .routes(routes!(release))
        .routes(routes!(confirm))
        .routes(routes!(extend))
}

/// Lists reservations, in the order in which they were made.
#[utoipa::path(get, path = "/reservations", operation_id = "list_reservations", tag = "reservations", params(ReservationsParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<Reservation>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Reservation>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::RESERVATIONS).await?;
    let page = app.store().list_reservations(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Holds stock: all lines or none. When it is short, the answer lists every short line with what there is.
#[utoipa::path(post, path = "/reservations", operation_id = "create_reservation", tag = "reservations", params(FenceParameter, KeyParameter),
    request_body = bodies::NewReservation,
    responses((status = 201, description = "Held", body = Reservation, headers(("Location" = String, description = "Its address"))), CreateErrors))]
async fn create(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once_sealed(&app, body.bytes(), seal_made);
    let action = Action::reserve(writer.tenant, body.read(read_reserve)?);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected: Expected::Any, action }, made).await
}

pub(super) fn read_reserve(fields: &mut Fields<'_>) -> Option<Reserve> {
    let lines = fields.list("items", MAX_LINES, |item| {
        let product = item.required("product_id", reference_to("unknown_product"));
        let warehouse = item.optional("warehouse_id", reference_to("unknown_warehouse"));
        let quantity = item.required("quantity", quantity);
        Some(ReserveLine { product: product?, warehouse, quantity: quantity? })
    });
    let reference = fields.optional("reference", line(REFERENCE_MAX));
    let ttl = fields.optional("ttl_seconds", ttl);
    Some(Reserve { lines: lines?, reference, ttl })
}

/// Shows a reservation.
#[utoipa::path(get, path = "/reservations/{id}", operation_id = "get_reservation", tag = "reservations",
    params(("id" = ReservationId, Path)),
    responses((status = 200, description = "It", body = Reservation), GetErrors))]
async fn get(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<ReservationId>,
) -> Result<Json<Reservation>, Problem> {
    found(app.store().reservation(ctx.tenant, id).await?, "reservation").map(Json)
}

/// Gives the held stock back. Once more is no change and no error.
#[utoipa::path(post, path = "/reservations/{id}/release", operation_id = "release_reservation", tag = "reservations",
    params(("id" = ReservationId, Path), FenceParameter, KeyParameter),
    responses((status = 200, description = "It as it is now", body = Reservation), StockActErrors))]
async fn release(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ReservationId>,
    Fence(fence): Fence,
    key: Keyed,
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], changed);
    let command = Command { actor: writer.user, fence, once, expected: Expected::Any, action: Action::Release(id) };
    run(&app, writer.tenant, command, changed).await
}

/// Lets the held stock leave: all of it, or the units in the body, and then the rest is given back. Once more is no change and no
/// error.
#[utoipa::path(post, path = "/reservations/{id}/confirm", operation_id = "confirm_reservation", tag = "reservations",
    params(("id" = ReservationId, Path), FenceParameter, KeyParameter),
    request_body = bodies::ReservationPart,
    responses((status = 200, description = "It as it is now", body = Reservation), ChangeErrors))]
async fn confirm(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ReservationId>,
    (Fence(fence), key): (Fence, Keyed),
    body: OptionalBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), changed);
    let part = body.read(|fields| fields.list("items", MAX_LINES, read_part))?;
    let action = part.map_or(Action::Ship(id), |lines| Action::ShipPart(id, lines));
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected: Expected::Any, action }, changed)
        .await
}

/// Units of one level.
pub(super) fn read_part(item: &mut Fields<'_>) -> Option<PartLine> {
    let product = item.required("product_id", reference_to("unknown_product"));
    let warehouse = item.required("warehouse_id", reference_to("unknown_warehouse"));
    let quantity = item.required("quantity", quantity);
    Some(PartLine { product: product?, warehouse: warehouse?, quantity: quantity? })
}

/// Holds the stock until at least so many seconds from now. A reservation without an end keeps having none, and none is shortened.
#[utoipa::path(post, path = "/reservations/{id}/extend", operation_id = "extend_reservation", tag = "reservations",
    params(("id" = ReservationId, Path), FenceParameter, KeyParameter),
    request_body = bodies::Extension,
    responses((status = 200, description = "It as it is now", body = Reservation), ChangeErrors))]
async fn extend(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ReservationId>,
    (Fence(fence), key): (Fence, Keyed),
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), changed);
    let action = Action::Extend(id, body.read(|fields| fields.required("ttl_seconds", ttl))?);
    run(&app, writer.tenant, Command { actor: writer.user, fence, once, expected: Expected::Any, action }, changed)
        .await
}
