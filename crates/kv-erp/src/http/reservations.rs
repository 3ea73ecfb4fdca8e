//! Reservations over HTTP: stock that is held, given back, or shipped.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use kv_types::ReservationId;
use kv_types::stock::{MAX_LINES, Reservation, Reserve, ReserveLine};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{BASE, CreateErrors, GetErrors, StockActErrors, created, found};
use super::bodies::{self, FenceParameter};
use super::ctx::Ctx;
use super::fields::Fields;
use super::json::JsonBody;
use super::path::PathId;
use super::problem::Problem;
use super::values::{REFERENCE_MAX, line, quantity, reference_to};
use super::writer::{Fence, Writer};
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(get)).routes(routes!(release)).routes(routes!(confirm))
}

/// Holds stock: all lines or none. When it is short, the answer lists every short line with what there is.
#[utoipa::path(post, path = "/reservations", operation_id = "create_reservation", tag = "reservations", params(FenceParameter),
    request_body = bodies::NewReservation,
    responses((status = 201, description = "Held", body = Reservation, headers(("Location" = String, description = "Its address"))), CreateErrors))]
async fn create(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    body: JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let reserve = body.read(read_reserve)?;
    let reservation = app.store().stock().reserve(writer.tenant, writer.user, reserve, fence).await?;
    Ok(created(format!("{BASE}/reservations/{}", reservation.id), reservation))
}

fn read_reserve(fields: &mut Fields<'_>) -> Option<Reserve> {
    let lines = fields.list("items", MAX_LINES, |item| {
        let product = item.required("product_id", reference_to("unknown_product"));
        let warehouse = item.optional("warehouse_id", reference_to("unknown_warehouse"));
        let quantity = item.required("quantity", quantity);
        Some(ReserveLine { product: product?, warehouse, quantity: quantity? })
    });
    let reference = fields.optional("reference", line(REFERENCE_MAX));
    Some(Reserve { lines: lines?, reference })
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
    found(app.store().reservation(ctx.tenant, id).await?, "reservation")
}

/// Gives the held stock back. Once more is no change and no error.
#[utoipa::path(post, path = "/reservations/{id}/release", operation_id = "release_reservation", tag = "reservations",
    params(("id" = ReservationId, Path), FenceParameter),
    responses((status = 200, description = "It as it is now", body = Reservation), StockActErrors))]
async fn release(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ReservationId>,
    Fence(fence): Fence,
) -> Result<Json<Reservation>, Problem> {
    Ok(Json(app.store().stock().release(writer.tenant, writer.user, id, fence).await?))
}

/// Lets the held stock leave. Once more is no change and no error.
#[utoipa::path(post, path = "/reservations/{id}/confirm", operation_id = "confirm_reservation", tag = "reservations",
    params(("id" = ReservationId, Path), FenceParameter),
    responses((status = 200, description = "It as it is now", body = Reservation), StockActErrors))]
async fn confirm(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ReservationId>,
    Fence(fence): Fence,
) -> Result<Json<Reservation>, Problem> {
    Ok(Json(app.store().stock().ship(writer.tenant, writer.user, id, fence).await?))
}
