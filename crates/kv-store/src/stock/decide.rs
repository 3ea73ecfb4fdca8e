//! The decisions: one command on the board of its batch, first come first served, all or nothing. Pure.
//!
//! Invariant: a refusal leaves the board as it was; every check stands before the first booking.

use std::collections::BTreeMap;

use kv_types::order::{Allocation, Order, OrderItem, OrderStatus, PlaceOrder};
use kv_types::stock::{MovementKind, Reservation, ReservationItem, ReservationStatus, Reserve, ReserveLine};
use kv_types::{OrderId, ProductId, ReservationId, UserId};

use super::allocate::{Takes, allocate};
use super::board::{Board, Cause};
use super::command::{Action, Command, FenceClaim, Outcome, Reference, Refusal, UnknownReference};
use super::goods;

/// Decides one command and books its effects on the board.
pub(crate) fn decide(board: &mut Board, command: &Command) -> Result<Outcome, Refusal> {
    check_fence(board, command.fence.as_ref())?;
    let actor = command.actor;
    match &command.action {
        Action::Reserve(id, reserve) => decide_reserve(board, actor, *id, reserve).map(Outcome::Reservation),
        Action::Receive(id, receive) => goods::receive(board, actor, *id, receive).map(Outcome::Receipt),
        Action::Adjust(id, adjust) => goods::adjust(board, actor, *id, adjust).map(Outcome::Adjustment),
        Action::Transfer(id, transfer) => goods::transfer(board, actor, *id, transfer).map(Outcome::Transfer),
        Action::Release(id) => close_alone(board, actor, *id, ReservationStatus::Released).map(Outcome::Reservation),
        Action::Ship(id) => close_alone(board, actor, *id, ReservationStatus::Fulfilled).map(Outcome::Reservation),
        Action::PlaceOrder(id, reservation, order) => {
            place_order(board, actor, (*id, *reservation), order).map(Outcome::Order)
        }
        Action::ConfirmOrder(id) => confirm_order(board, *id).map(Outcome::Order),
        Action::CancelOrder(id) => cancel_order(board, actor, *id).map(Outcome::Order),
    }
}

fn check_fence(board: &Board, claim: Option<&FenceClaim>) -> Result<(), Refusal> {
    let Some(claim) = claim else { return Ok(()) };
    // Within one batch only the newest token of a resource passes: an older one belongs to a holder that has lost the lock.
    if board.fences.get(&claim.resource) == Some(&claim.fence) {
        Ok(())
    } else {
        Err(Refusal::FenceStale { resource: claim.resource.clone() })
    }
}

fn decide_reserve(
    board: &mut Board,
    actor: UserId,
    id: ReservationId,
    reserve: &Reserve,
) -> Result<Reservation, Refusal> {
    let takes = allocate(board, &reserve.lines)?;
    let cause = Cause { reservation: Some(id), ..Cause::by(actor) };
    Ok(hold(board, &takes, &cause, reserve.reference.clone()))
}

/// Books the takes and makes the reservation of them.
fn hold(board: &mut Board, takes: &Takes, cause: &Cause, reference: Option<String>) -> Reservation {
    let items = takes
        .iter()
        .map(|(&key, &units)| {
            let (version, _) = board.book(key, MovementKind::Reserved, units, cause.clone());
            ReservationItem { product_id: key.0, warehouse_id: key.1, quantity: units, fulfilled_quantity: 0, version }
        })
        .collect();
    let reservation = Reservation {
        id: cause.reservation.expect("stock is held by a reservation"),
        status: ReservationStatus::Pending,
        order_id: cause.order,
        reference,
        items,
        created_at: board.now,
    };
    board.effects.reservations.push(reservation.clone());
    reservation
}

/// Closes a reservation that stands on its own. One that belongs to an order changes only with the order.
fn close_alone(
    board: &mut Board,
    actor: UserId,
    id: ReservationId,
    target: ReservationStatus,
) -> Result<Reservation, Refusal> {
    let reservation = board.reservations.get(&id).ok_or(Refusal::NotFound)?;
    if let Some(order) = reservation.order_id {
        return Err(Refusal::BelongsToOrder(order));
    }
    close(board, actor, id, target)
}

/// Ends a reservation: its stock leaves or becomes available again. The same end once more is no change and no error.
fn close(
    board: &mut Board,
    actor: UserId,
    id: ReservationId,
    target: ReservationStatus,
) -> Result<Reservation, Refusal> {
    let mut reservation = board.reservations.get(&id).cloned().ok_or(Refusal::NotFound)?;
    match reservation.status {
        ReservationStatus::Pending => {}
        status if status == target => return Ok(reservation),
        ReservationStatus::Fulfilled => return Err(Refusal::AlreadyFulfilled),
        ReservationStatus::Released => return Err(Refusal::AlreadyReleased),
    }
    let cause = Cause { reservation: Some(id), order: reservation.order_id, ..Cause::by(actor) };
    let kind = match target {
        ReservationStatus::Fulfilled => MovementKind::Shipped,
        ReservationStatus::Released | ReservationStatus::Pending => MovementKind::Released,
    };
    for item in &mut reservation.items {
        board.book((item.product_id, item.warehouse_id), kind, item.quantity, cause.clone());
        if kind == MovementKind::Shipped {
            item.fulfilled_quantity = item.quantity;
        }
    }
    reservation.status = target;
    board.effects.closed_reservations.push(id);
    board.reservations.insert(id, reservation.clone());
    Ok(reservation)
}

fn place_order(
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
    let takes = with_customer(board, order, allocate(board, &lines))?;
    let mut sums: BTreeMap<ProductId, i64> = BTreeMap::new();
    for line in &order.lines {
        *sums.entry(line.product).or_default() += line.quantity.units();
    }
    let (currency, items) = price(board, &sums, &takes)?;
    let total_minor = items.iter().map(|item| item.quantity * item.unit_price_minor).sum();
    let cause = Cause { reservation: Some(reservation_id), order: Some(id), ..Cause::by(actor) };
    hold(board, &takes, &cause, order.reference.clone());
    let placed = Order {
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
        created_at: board.now,
    };
    board.effects.orders.push(placed.clone());
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

/// Prices the order's products as they are now.
fn price(board: &Board, sums: &BTreeMap<ProductId, i64>, takes: &Takes) -> Result<(String, Vec<OrderItem>), Refusal> {
    let mut currency: Option<&str> = None;
    let mut items = Vec::with_capacity(sums.len());
    for (&product_id, &quantity) in sums {
        let facts = board.products.get(&product_id).ok_or(Refusal::NotFound)?;
        if currency.is_some_and(|known| known != facts.currency) {
            return Err(Refusal::MixedCurrency);
        }
        currency = Some(&facts.currency);
        let allocations = takes
            .iter()
            .filter(|((product, _), _)| *product == product_id)
            .map(|(&(_, warehouse_id), &quantity)| Allocation { warehouse_id, quantity })
            .collect();
        items.push(OrderItem { product_id, quantity, unit_price_minor: facts.price_minor, allocations });
    }
    Ok((currency.unwrap_or_default().to_owned(), items))
}

fn confirm_order(board: &mut Board, id: OrderId) -> Result<Order, Refusal> {
    let order = board.orders.get(&id).ok_or(Refusal::NotFound)?;
    match order.status {
        OrderStatus::Confirmed => {}
        OrderStatus::Pending => board.set_order_status(id, OrderStatus::Confirmed),
        OrderStatus::Cancelled => return Err(Refusal::OrderState(OrderStatus::Cancelled)),
    }
    board.orders.get(&id).cloned().ok_or(Refusal::NotFound)
}

fn cancel_order(board: &mut Board, actor: UserId, id: OrderId) -> Result<Order, Refusal> {
    let order = board.orders.get(&id).ok_or(Refusal::NotFound)?;
    if order.status != OrderStatus::Cancelled {
        let reservation = order.reservation_id;
        if let Some(reservation) = reservation {
            close(board, actor, reservation, ReservationStatus::Released)?;
        }
        board.set_order_status(id, OrderStatus::Cancelled);
    }
    board.orders.get(&id).cloned().ok_or(Refusal::NotFound)
}
