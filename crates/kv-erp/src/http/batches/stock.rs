//! Batches of reservations, orders, receipts and adjustments: through the ledger, as everything that changes stock.

use axum::extract::State;
use axum::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream;
use kv_store::idempotency::Done;
use kv_store::stock::{Action, Command, FenceClaim};
use kv_types::{Expected, TenantId};
use kv_types::order::Order;
use kv_types::stock::{Adjustment, Receipt, Reservation};

use super::answer::{ItemResult, Made, Results, each};
use super::read::{Batch, Item, batch};
use crate::app::App;
use crate::http::adjustments::read_adjust;
use crate::http::answers::CreateErrors;
use crate::http::bodies::{self, FenceParameter, KeyParameter};
use crate::http::fields::Fields;
use crate::http::idempotency::Keyed;
use crate::http::json::JsonBody;
use crate::http::orders::read_order;
use crate::http::outcomes::{made, run, seal_made};
use crate::http::problem::{FieldFault, Problem};
use crate::http::receipts::read_receive;
use crate::http::reservations::read_reserve;
use crate::http::writer::{Fence, Writer};

/// Items of one batch that wait for the ledger at a time: enough to fill its batches, and few enough to leave room for others.
const IN_FLIGHT: usize = 64;

/// Makes reservations, all or each for itself. An `atomic` batch is decided item by item in its order, each seeing what those before it
/// took; its lines together are at most 2,000. Keys as in the batch of customers.
#[utoipa::path(post, path = "/reservations/batch", operation_id = "create_reservations", tag = "reservations",
    params(FenceParameter, KeyParameter), request_body = bodies::Batch<bodies::NewReservation>,
    responses((status = 201, description = "All held (`atomic`)", body = Made<Reservation>),
        (status = 207, description = "What came of each (`independent`)", body = Results), CreateErrors))]
pub(super) async fn reservations(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    act(&app, (writer, fence), (key, body), (read_reserve, Action::reserve)).await
}

/// Places orders, all or each for itself; as the batch of reservations.
#[utoipa::path(post, path = "/orders/batch", operation_id = "place_orders", tag = "orders",
    params(FenceParameter, KeyParameter), request_body = bodies::Batch<bodies::NewOrder>,
    responses((status = 201, description = "All placed (`atomic`)", body = Made<Order>),
        (status = 207, description = "What came of each (`independent`)", body = Results), CreateErrors))]
pub(super) async fn orders(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    act(&app, (writer, fence), (key, body), (read_order, Action::place_order)).await
}

/// Takes goods in, all receipts or each for itself; as the batch of reservations.
#[utoipa::path(post, path = "/stock-receipts/batch", operation_id = "receive_stocks", tag = "stock",
    params(FenceParameter, KeyParameter), request_body = bodies::Batch<bodies::StockReceipt>,
    responses((status = 201, description = "All booked (`atomic`)", body = Made<Receipt>),
        (status = 207, description = "What came of each (`independent`)", body = Results), CreateErrors))]
pub(super) async fn receipts(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    act(&app, (writer, fence), (key, body), (read_receive, Action::receive)).await
}

/// Sets stock right, all adjustments or each for itself; as the batch of reservations.
#[utoipa::path(post, path = "/stock-adjustments/batch", operation_id = "adjust_stocks", tag = "stock",
    params(FenceParameter, KeyParameter), request_body = bodies::Batch<bodies::StockAdjustment>,
    responses((status = 201, description = "All booked (`atomic`)", body = Made<Adjustment>),
        (status = 207, description = "What came of each (`independent`)", body = Results), CreateErrors))]
pub(super) async fn adjustments(
    State(app): State<App>,
    writer: Writer,
    Fence(fence): Fence,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    act(&app, (writer, fence), (key, body), (read_adjust, Action::adjust)).await
}

/// Reads an item.
type Reader<T> = fn(&mut Fields<'_>) -> Option<T>;
/// Makes what the ledger is asked of an item.
type Maker<T> = fn(TenantId, T) -> Action;

async fn act<T>(
    app: &App,
    (writer, fence): (Writer, Option<FenceClaim>),
    (key, body): (Keyed, JsonBody),
    (read, action): (Reader<T>, Maker<T>),
) -> Result<Response, Problem> {
    let bytes = body.bytes_shared();
    match batch(body, &key, read)? {
        Batch::Atomic(items) => {
            let actions = items.into_iter().map(|item| action(writer.tenant, item)).collect();
            let action = Action::group(actions).map_err(|too_large| {
                let detail = format!("The items' lines: {too_large}.");
                Problem::validation(vec![FieldFault::new("/items", "too_many_lines", detail)])
            })?;
            let once = key.once_sealed(app, &bytes, seal_made);
            run(app, writer.tenant, Command { actor: writer.user, fence, once, expected: Expected::Any, action }, made).await
        }
        Batch::Independent(items) => {
            let items = items.into_iter().enumerate().map(|(place, item)| {
                let fence = fence.clone();
                async move { act_on(app, (writer, fence), (place, item), action).await }
            });
            // Not sent before its turn: a client that hangs up leaves the rest not begun.
            Ok(each(stream::iter(items).buffered(IN_FLIGHT).collect().await))
        }
    }
}

async fn act_on<T>(
    app: &App,
    (writer, fence): (Writer, Option<FenceClaim>),
    (place, item): (usize, Item<T>),
    action: Maker<T>,
) -> ItemResult {
    let once = item.once(app, seal_made);
    let asked = match item.asked {
        Ok(asked) => asked,
        Err(problem) => return ItemResult::problem(place, &problem),
    };
    let command = Command { actor: writer.user, fence, once, expected: Expected::Any, action: action(writer.tenant, asked) };
    match app.store().stock().run(writer.tenant, command).await {
        Ok(Done::Now(outcome)) => ItemResult::now(place, made(&outcome)),
        Ok(Done::Before(answer)) => ItemResult::before(place, answer),
        Err(error) => ItemResult::problem(place, &error.into()),
    }
}
