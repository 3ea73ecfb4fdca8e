//! How a reservation ends: its stock leaves, is given back, or its time is over. Pure.
//!
//! Invariant: a reservation ends once, and what has ended is never held again.

use std::collections::BTreeMap;

use kv_types::events::EventKind;
use kv_types::order::OrderStatus;
use kv_types::stock::{MovementKind, PartLine, Reservation, ReservationStatus};
use kv_types::{ReservationId, Ttl, UserId};

use super::board::{Board, LevelKey};
use super::entry::Cause;
use super::refusal::{Refusal, Shortage, Thing};
use super::signals::Happened;

/// Gives back, before anything else is decided, whatever is on the board and whose time is over.
///
/// A reservation of which not all levels are locked stays: see [`Board::has_unlocked_due`].
pub(crate) fn expire_due(board: &mut Board) {
    let is_due = |held: &&Reservation| {
        held.status == ReservationStatus::Pending && held.expires_at.is_some_and(|end| end <= board.now)
    };
    let mut due: Vec<Reservation> = board.reservations.values().filter(is_due).cloned().collect();
    // The ledger shall not depend on the order of a hash map.
    due.sort_unstable_by_key(|held| held.id);
    for held in due {
        if !held.items.iter().all(|item| board.levels.contains_key(&(item.product_id, item.warehouse_id))) {
            board.has_unlocked_due = true;
        } else if is_held(board, &held) {
            expire(board, held);
        }
    }
}

/// Whether the levels hold what a reservation says. One that lies stays, for the proof of the ledger to name: nobody else's
/// request shall fail because of it.
fn is_held(board: &Board, held: &Reservation) -> bool {
    held.items.iter().all(|item| {
        let level = board.levels.get(&(item.product_id, item.warehouse_id));
        level.is_some_and(|level| level.reserved >= item.quantity - item.fulfilled_quantity)
    })
}

fn expire(board: &mut Board, held: Reservation) {
    let order = held.order_id;
    let cause = Cause { actor: None, reservation: Some(held.id), order, document: None, reason: None };
    board.effects.happened.push(Happened::ReservationExpired(held.id));
    end(board, held, ReservationStatus::Expired, MovementKind::Expired, &cause);
    match order {
        Some(order) if board.orders.contains_key(&order) => {
            board.set_order_status(order, OrderStatus::Expired, EventKind::OrderExpired);
        }
        Some(order) => {
            board.effects.happened.push(Happened::Order(EventKind::OrderExpired, order));
            board.effects.expired_orders.push(order);
        }
        None => {}
    }
}

/// Books all that is still held, and the end.
pub(super) fn end(
    board: &mut Board,
    mut held: Reservation,
    status: ReservationStatus,
    kind: MovementKind,
    cause: &Cause,
) -> Reservation {
    for item in &mut held.items {
        let left = item.quantity - item.fulfilled_quantity;
        if left > 0 {
            (item.last_version, _) = board.book((item.product_id, item.warehouse_id), kind, left, cause.clone());
        }
        if kind == MovementKind::Shipped {
            item.fulfilled_quantity = item.quantity;
        }
    }
    held.status = status;
    board.change_reservation(held.clone());
    held
}

/// A reservation that stands on its own. One that belongs to an order ends only with the order.
fn alone(board: &Board, id: ReservationId) -> Result<Reservation, Refusal> {
    let held = board.reservations.get(&id).cloned().ok_or(Refusal::NotFound(Thing::Reservation))?;
    match held.order_id {
        Some(order) => Err(Refusal::BelongsToOrder(order)),
        None => Ok(held),
    }
}

/// Why nothing more may be done to a reservation that is not pending.
fn over(status: ReservationStatus) -> Result<(), Refusal> {
    match status {
        ReservationStatus::Pending => Ok(()),
        ReservationStatus::Fulfilled => Err(Refusal::AlreadyFulfilled),
        ReservationStatus::Released => Err(Refusal::AlreadyReleased),
        ReservationStatus::Expired => Err(Refusal::Expired),
    }
}

/// Gives a reservation's stock back. Once more is no change and no error.
pub(super) fn release(board: &mut Board, actor: UserId, id: ReservationId) -> Result<Reservation, Refusal> {
    let held = alone(board, id)?;
    if held.status == ReservationStatus::Released {
        return Ok(held);
    }
    give_back(board, actor, held)
}

/// Gives back what is held, whoever it belongs to.
pub(super) fn give_back(board: &mut Board, actor: UserId, held: Reservation) -> Result<Reservation, Refusal> {
    over(held.status)?;
    let cause = Cause { reservation: Some(held.id), order: held.order_id, ..Cause::by(actor) };
    Ok(end(board, held, ReservationStatus::Released, MovementKind::Released, &cause))
}

/// Lets a reservation's stock leave. Once more is no change and no error.
pub(super) fn ship(board: &mut Board, actor: UserId, id: ReservationId) -> Result<Reservation, Refusal> {
    let held = alone(board, id)?;
    // After a part has left, the rest was given back: that is no repeat.
    let has_all_left = held.items.iter().all(|item| item.fulfilled_quantity == item.quantity);
    if held.status == ReservationStatus::Fulfilled && has_all_left {
        return Ok(held);
    }
    over(held.status)?;
    let all = held.items.iter().map(|item| ((item.product_id, item.warehouse_id), item.quantity));
    check_on_hand(board, all.enumerate())?;
    let cause = Cause { reservation: Some(id), ..Cause::by(actor) };
    Ok(end(board, held, ReservationStatus::Fulfilled, MovementKind::Shipped, &cause))
}

/// Lets some of a reservation's stock leave and gives the rest back. The same once more is no change and no error.
pub(super) fn ship_part(
    board: &mut Board,
    actor: UserId,
    id: ReservationId,
    lines: &[PartLine],
) -> Result<Reservation, Refusal> {
    let mut held = alone(board, id)?;
    let parts = sum_parts(&held, lines, |item| item.quantity)?;
    let part = |key: LevelKey| parts.get(&key).map_or(0, |(units, _)| *units);
    if held.status == ReservationStatus::Fulfilled
        && held.items.iter().all(|item| item.fulfilled_quantity == part((item.product_id, item.warehouse_id)))
    {
        return Ok(held);
    }
    over(held.status)?;
    check_on_hand(board, parts.iter().map(|(&key, &(units, line))| (line, (key, units))))?;
    let cause = Cause { reservation: Some(id), ..Cause::by(actor) };
    for item in &mut held.items {
        let key = (item.product_id, item.warehouse_id);
        item.fulfilled_quantity = part(key);
        let rest = item.quantity - item.fulfilled_quantity;
        for (kind, units) in [(MovementKind::Shipped, item.fulfilled_quantity), (MovementKind::Released, rest)] {
            if units > 0 {
                (item.last_version, _) = board.book(key, kind, units, cause.clone());
            }
        }
    }
    held.status = ReservationStatus::Fulfilled;
    board.change_reservation(held.clone());
    Ok(held)
}

/// What leaves must be on the shelf, not only promised. Each level is named once, with the line that it stands for.
pub(super) fn check_on_hand(
    board: &Board,
    shipments: impl Iterator<Item = (usize, (LevelKey, i64))>,
) -> Result<(), Refusal> {
    let mut missing: Vec<Shortage> = shipments
        .filter_map(|(line, (key, requested))| {
            let (available, warehouse) = (board.on_hand(key), Some(key.1));
            (requested > available).then_some(Shortage { line, product: key.0, warehouse, requested, available })
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_unstable_by_key(|shortage| shortage.line);
    Err(Refusal::NotOnHand(missing))
}

/// Holds a reservation's stock until at least so long from now. One without an end keeps having none.
pub(super) fn extend(board: &mut Board, id: ReservationId, ttl: Ttl) -> Result<Reservation, Refusal> {
    let mut held = board.reservations.get(&id).cloned().ok_or(Refusal::NotFound(Thing::Reservation))?;
    over(held.status)?;
    let end = ttl.end(board.now);
    if held.expires_at.is_some_and(|known| known < end) {
        held.expires_at = Some(end);
        board.change_reservation(held.clone());
        if let Some(order) = held.order_id.and_then(|order| board.orders.get_mut(&order)) {
            order.expires_at = held.expires_at;
        }
    }
    Ok(held)
}

/// The lines summed by level, with the first line of each. None may name more than `most` of a level of the reservation.
pub(super) fn sum_parts(
    held: &Reservation,
    lines: &[PartLine],
    most: fn(&kv_types::stock::ReservationItem) -> i64,
) -> Result<BTreeMap<LevelKey, (i64, usize)>, Refusal> {
    let mut parts: BTreeMap<LevelKey, (i64, usize)> = BTreeMap::new();
    for (line, part) in lines.iter().enumerate() {
        parts.entry((part.product, part.warehouse)).or_insert((0, line)).0 += part.quantity.units();
    }
    let mut exceeding: Vec<Shortage> = parts
        .iter()
        .filter_map(|(&(product, warehouse), &(requested, line))| {
            // Of what is not held there is nothing.
            let of_level =
                held.items.iter().filter(|item| (item.product_id, item.warehouse_id) == (product, warehouse));
            let available = of_level.map(most).sum();
            let warehouse = Some(warehouse);
            (requested > available).then_some(Shortage { line, product, warehouse, requested, available })
        })
        .collect();
    if exceeding.is_empty() {
        return Ok(parts);
    }
    exceeding.sort_unstable_by_key(|shortage| shortage.line);
    Err(Refusal::Exceeds(exceeding))
}
