//! Decisions on orders: placed, accepted, shipped in parts, returned, called off. Pure.
//!
//! Invariant: an order's stock is its reservation's; what an order shows of its lines is read off there.

use std::collections::BTreeMap;

use kv_types::events::EventKind;
use kv_types::order::{Order, OrderItem, OrderLine, OrderStatus, PlaceOrder, ReturnGoods};
use kv_types::stock::{MovementKind, Reservation, ReservationItem, ReservationStatus, ReserveLine};
use kv_types::{OrderId, ProductId, ReservationId, UserId};

use super::allocate::{Appetite, Takes, allocate};
use super::board::Board;
use super::decide::hold;
use super::ending::{check_on_hand, end, give_back, sum_parts};
use super::entry::Cause;
use super::refusal::{OrderStep, Reference, Refusal, Shortage, Thing, UnknownReference};
use super::rows::show_held;
use super::signals::Happened;

/// Places an order and holds its stock.
pub(super) fn place(
    board: &mut Board,
    actor: UserId,
    (id, reservation_id): (OrderId, ReservationId),
    order: &PlaceOrder,
) -> Result<Order, Refusal> {
    let lines: Vec<ReserveLine> = order
        .lines
        .iter()
        .map(|line| ReserveLine { product: line.product, warehouse: None, quantity: line.quantity })
        .collect();
    let appetite = if order.allow_partial { Appetite::Any } else { Appetite::Whole };
    let takes = with_customer(board, order, allocate(board, &lines, appetite))?;
    let (currency, items) = price(board, &takes)?;
    let asked: i64 = order.lines.iter().map(|line| line.quantity.units()).sum();
    board.gave_less |= takes.values().sum::<i64>() < asked;
    let total_minor = items.iter().map(|item| item.quantity * item.unit_price_minor).sum();
    let cause = Cause { reservation: Some(reservation_id), order: Some(id), ..Cause::by(actor) };
    let expires_at = order.ttl.map(|ttl| ttl.end(board.now));
    let held = hold(board, &takes, &cause, (order.reference.clone(), expires_at));
    let mut placed = Order {
        id,
        order_number: 0, // drawn from the sequence when the row is written
        customer_id: order.customer,
        status: OrderStatus::Pending,
        currency,
        total_minor,
        reference: order.reference.clone(),
        reservation_id: Some(reservation_id),
        items,
        version: 1,
        expires_at,
        created_at: board.now,
    };
    show_held(&mut placed, &held);
    board.effects.orders.push(placed.clone());
    board.effects.happened.push(Happened::Order(EventKind::OrderCreated, id));
    Ok(placed)
}

/// Adds an unknown customer to the faults of the lines, so that one answer names them all.
fn with_customer(board: &Board, order: &PlaceOrder, takes: Result<Takes, Refusal>) -> Result<Takes, Refusal> {
    if board.customers.contains(&order.customer) {
        return takes;
    }
    let mut faults = vec![UnknownReference { line: None, field: Reference::Customer }];
    if let Err(Refusal::Unknown(lines)) = takes {
        faults.extend(lines);
    }
    Err(Refusal::Unknown(faults))
}

/// Prices what the order gets, as the products' prices are now.
fn price(board: &Board, takes: &Takes) -> Result<(String, Vec<OrderItem>), Refusal> {
    let mut sums: BTreeMap<ProductId, i64> = BTreeMap::new();
    for (&(product, _), &units) in takes {
        *sums.entry(product).or_default() += units;
    }
    let mut currency: Option<&str> = None;
    let mut items = Vec::with_capacity(sums.len());
    for (product_id, quantity) in sums {
        let facts = board.products.get(&product_id).ok_or(Refusal::NotFound(Thing::Product))?;
        if currency.is_some_and(|known| known != facts.currency) {
            return Err(Refusal::MixedCurrency);
        }
        currency = Some(&facts.currency);
        items.push(OrderItem {
            product_id,
            quantity,
            unit_price_minor: facts.price_minor,
            fulfilled_quantity: 0,
            returned_quantity: 0,
            // Those of the reservation, once it is made.
            allocations: Vec::new(),
        });
    }
    Ok((currency.unwrap_or_default().to_owned(), items))
}

/// An order and what holds its stock.
fn open(board: &Board, id: OrderId) -> Result<(OrderStatus, Option<Reservation>), Refusal> {
    let order = board.orders.get(&id).ok_or(Refusal::NotFound(Thing::Order))?;
    let held = order.reservation_id.and_then(|held| board.reservations.get(&held));
    Ok((order.status, held.cloned()))
}

fn shown(board: &Board, id: OrderId) -> Result<Order, Refusal> {
    board.orders.get(&id).cloned().ok_or(Refusal::NotFound(Thing::Order))
}

/// Accepts an order: from now on its stock is held without end. Once more is no change and no error.
pub(super) fn confirm(board: &mut Board, id: OrderId) -> Result<Order, Refusal> {
    let (status, held) = open(board, id)?;
    match status {
        OrderStatus::Confirmed => {}
        OrderStatus::Pending => {
            if let Some(held) = held.filter(|held| held.expires_at.is_some()) {
                board.change_reservation(Reservation { expires_at: None, ..held });
            }
            board.set_order_status(id, OrderStatus::Confirmed, EventKind::OrderConfirmed);
        }
        other => return Err(Refusal::OrderState(other, OrderStep::Confirm)),
    }
    shown(board, id)
}

/// Lets stock of an order leave: all that is left, or so many units of its products. All once more is no change and no error.
pub(super) fn fulfill(
    board: &mut Board,
    actor: UserId,
    id: OrderId,
    lines: Option<&[OrderLine]>,
) -> Result<Order, Refusal> {
    let (status, held) = open(board, id)?;
    let mut held = match (status, held) {
        // Of an order that was closed not all has left: that is no repeat.
        (OrderStatus::Fulfilled, Some(held)) if lines.is_none() && has_all_left(&held) => return shown(board, id),
        (OrderStatus::Confirmed | OrderStatus::PartiallyFulfilled, Some(held)) => held,
        (other, _) => return Err(Refusal::OrderState(other, OrderStep::Fulfill)),
    };
    let shipments = plan_shipments(board, &held, lines)?;
    let cause = Cause { reservation: Some(held.id), order: Some(id), ..Cause::by(actor) };
    for (item, units) in held.items.iter_mut().zip(shipments) {
        if units > 0 {
            let key = (item.product_id, item.warehouse_id);
            (item.last_version, _) = board.book(key, MovementKind::Shipped, units, cause.clone());
            item.fulfilled_quantity += units;
        }
    }
    let is_done = has_all_left(&held);
    if is_done {
        held.status = ReservationStatus::Fulfilled;
    }
    board.change_reservation(held);
    let (status, because) = if is_done {
        (OrderStatus::Fulfilled, EventKind::OrderFulfilled)
    } else {
        (OrderStatus::PartiallyFulfilled, EventKind::OrderPartiallyFulfilled)
    };
    board.set_order_status(id, status, because);
    shown(board, id)
}

fn has_all_left(held: &Reservation) -> bool {
    held.items.iter().all(|item| item.fulfilled_quantity == item.quantity)
}

/// How many units leave from each of the reservation's levels: all that are left, or those of the lines, taken from wherever they
/// are on the shelf.
fn plan_shipments(board: &Board, held: &Reservation, lines: Option<&[OrderLine]>) -> Result<Vec<i64>, Refusal> {
    let key = |item: &ReservationItem| (item.product_id, item.warehouse_id);
    let left = |item: &ReservationItem| item.quantity - item.fulfilled_quantity;
    let Some(lines) = lines else {
        let all: Vec<i64> = held.items.iter().map(left).collect();
        check_on_hand(board, held.items.iter().map(key).zip(all.iter().copied()).enumerate())?;
        return Ok(all);
    };
    let mut sums = sum_products(held, lines)?;
    let mut shipments = Vec::with_capacity(held.items.len());
    for item in &held.items {
        let (missing, _) = sums.entry(item.product_id).or_default();
        let units = left(item).min(board.on_hand(key(item))).min(*missing);
        *missing -= units;
        shipments.push(units);
    }
    let mut missing: Vec<Shortage> = sums
        .into_iter()
        .filter(|(_, (missing, _))| *missing > 0)
        .map(|(product, (missing, line))| {
            let asked: i64 =
                lines.iter().filter(|line| line.product == product).map(|line| line.quantity.units()).sum();
            Shortage { line, product, warehouse: None, requested: asked, available: asked - missing }
        })
        .collect();
    if missing.is_empty() {
        return Ok(shipments);
    }
    missing.sort_unstable_by_key(|shortage| shortage.line);
    Err(Refusal::NotOnHand(missing))
}

/// The lines summed by product, with the first line of each. None may name more than is left of it in the order.
fn sum_products(held: &Reservation, lines: &[OrderLine]) -> Result<BTreeMap<ProductId, (i64, usize)>, Refusal> {
    let mut left: BTreeMap<ProductId, i64> = BTreeMap::new();
    for item in &held.items {
        *left.entry(item.product_id).or_default() += item.quantity - item.fulfilled_quantity;
    }
    let mut sums: BTreeMap<ProductId, (i64, usize)> = BTreeMap::new();
    for (line, wish) in lines.iter().enumerate() {
        sums.entry(wish.product).or_insert((0, line)).0 += wish.quantity.units();
    }
    let mut exceeding: Vec<Shortage> = sums
        .iter()
        .filter_map(|(&product, &(requested, line))| {
            // Of what is not in the order there is nothing left.
            let available = left.get(&product).copied().unwrap_or(0);
            (requested > available).then_some(Shortage { line, product, warehouse: None, requested, available })
        })
        .collect();
    if exceeding.is_empty() {
        return Ok(sums);
    }
    exceeding.sort_unstable_by_key(|shortage| shortage.line);
    Err(Refusal::Exceeds(exceeding))
}

/// Takes goods of an order back to where they left from, never more than were shipped from there.
pub(super) fn take_back(board: &mut Board, actor: UserId, id: OrderId, goods: &ReturnGoods) -> Result<Order, Refusal> {
    let (status, held) = open(board, id)?;
    let mut held = match (status, held) {
        (OrderStatus::PartiallyFulfilled | OrderStatus::Fulfilled, Some(held)) => held,
        (other, _) => return Err(Refusal::OrderState(other, OrderStep::Return)),
    };
    let parts = sum_parts(&held, &goods.lines, |item| item.fulfilled_quantity - item.returned_quantity)?;
    let reason = Some(goods.reason.as_str().into());
    let cause = Cause { reservation: Some(held.id), order: Some(id), reason, ..Cause::by(actor) };
    for item in &mut held.items {
        let key = (item.product_id, item.warehouse_id);
        if let Some(&(units, _)) = parts.get(&key) {
            (item.last_version, _) = board.book(key, MovementKind::Returned, units, cause.clone());
            item.returned_quantity += units;
        }
    }
    board.change_reservation(held);
    board.set_order_status(id, status, EventKind::OrderReturned);
    shown(board, id)
}

/// Ends an order of which a part has left: what is left of its stock is given back, and it counts as fulfilled with what has left.
/// Once more is no change and no error.
pub(super) fn close(board: &mut Board, actor: UserId, id: OrderId) -> Result<Order, Refusal> {
    let (status, held) = open(board, id)?;
    match (status, held) {
        (OrderStatus::Fulfilled, Some(held)) if !has_all_left(&held) => {}
        (OrderStatus::PartiallyFulfilled, Some(held)) => {
            let cause = Cause { reservation: Some(held.id), order: Some(id), ..Cause::by(actor) };
            end(board, held, ReservationStatus::Fulfilled, MovementKind::Released, &cause);
            board.set_order_status(id, OrderStatus::Fulfilled, EventKind::OrderFulfilled);
        }
        (other, _) => return Err(Refusal::OrderState(other, OrderStep::Close)),
    }
    shown(board, id)
}

/// Calls an order off and gives its stock back; not once anything of it has left. Once more is no change and no error.
pub(super) fn cancel(board: &mut Board, actor: UserId, id: OrderId) -> Result<Order, Refusal> {
    let (status, held) = open(board, id)?;
    match status {
        OrderStatus::Cancelled => {}
        OrderStatus::Pending | OrderStatus::Confirmed => {
            if let Some(held) = held {
                give_back(board, actor, held)?;
            }
            board.set_order_status(id, OrderStatus::Cancelled, EventKind::OrderCancelled);
        }
        other => return Err(Refusal::OrderState(other, OrderStep::Cancel)),
    }
    shown(board, id)
}
