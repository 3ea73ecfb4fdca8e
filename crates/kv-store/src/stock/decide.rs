//! The decisions: one command on the board of its batch, first come first served, all or nothing. Pure.
//!
//! Invariant: a refusal leaves the board as it was; every check stands before the first booking. Reservations whose time is over
//! were given back by [`super::ending::expire_due`] before the first decision of a batch.

use jiff::Timestamp;
use kv_types::stock::{MovementKind, Reservation, ReservationItem, ReservationStatus, Reserve};
use kv_types::{ReservationId, Revision, UserId};

use super::allocate::{Appetite, Takes, allocate};
use super::board::Board;
use super::command::{Action, Command, FenceClaim, Outcome};
use super::entry::Cause;
use super::refusal::{Refusal, Thing};
use super::{ending, goods, group, ordering};

/// Decides one command and books its effects on the board.
pub(crate) fn decide(board: &mut Board, command: &Command) -> Result<Outcome, Refusal> {
    check_fence(board, command.fence.as_ref())?;
    check_expected(board, command)?;
    decide_action(board, command.actor, &command.action)
}

pub(super) fn decide_action(board: &mut Board, actor: UserId, action: &Action) -> Result<Outcome, Refusal> {
    match action {
        Action::Reserve(id, reserve) => decide_reserve(board, actor, *id, reserve).map(Outcome::Reservation),
        Action::Receive(id, receive) => goods::receive(board, actor, *id, receive).map(Outcome::Receipt),
        Action::Adjust(id, adjust) => goods::adjust(board, actor, *id, adjust).map(Outcome::Adjustment),
        Action::Transfer(id, transfer) => goods::transfer(board, actor, *id, transfer).map(Outcome::Transfer),
        Action::LimitBackorders(product, warehouse, limit) => {
            goods::limit_backorders(board, (*product, *warehouse), *limit).map(Outcome::Level)
        }
        Action::Release(id) => ending::release(board, actor, *id).map(Outcome::Reservation),
        Action::Ship(id) => ending::ship(board, actor, *id).map(Outcome::Reservation),
        Action::ShipPart(id, lines) => ending::ship_part(board, actor, *id, lines).map(Outcome::Reservation),
        Action::Extend(id, ttl) => ending::extend(board, *id, *ttl).map(Outcome::Reservation),
        // What is due was given back before this.
        Action::Expire(id) => {
            let held = board.reservations.get(id).cloned();
            held.ok_or(Refusal::NotFound(Thing::Reservation)).map(Outcome::Reservation)
        }
        Action::PlaceOrder(id, reservation, order) => {
            ordering::place(board, actor, (*id, *reservation), order).map(Outcome::Order)
        }
        Action::ConfirmOrder(id) => ordering::confirm(board, *id).map(Outcome::Order),
        Action::FulfillOrder(id, lines) => ordering::fulfill(board, actor, *id, lines.as_deref()).map(Outcome::Order),
        Action::ReturnOrder(id, goods) => ordering::take_back(board, actor, *id, goods).map(Outcome::Order),
        Action::CloseOrder(id) => ordering::close(board, actor, *id).map(Outcome::Order),
        Action::CancelOrder(id) => ordering::cancel(board, actor, *id).map(Outcome::Order),
        Action::Group(actions) => group::decide(board, actor, actions).map(Outcome::Group),
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

/// What is not there is not found by the decision itself.
fn check_expected(board: &Board, command: &Command) -> Result<(), Refusal> {
    let current = match &command.action {
        Action::ConfirmOrder(id)
        | Action::FulfillOrder(id, _)
        | Action::ReturnOrder(id, _)
        | Action::CloseOrder(id)
        | Action::CancelOrder(id) => board.orders.get(id).map(kv_types::order::Order::revision),
        Action::LimitBackorders(product, warehouse, _) => {
            let is_known = board.products.contains_key(product) && board.warehouses.contains_key(warehouse);
            // A level that is not there is in the state in which it would be made.
            let level = board.levels.get(&(*product, *warehouse));
            let (version, limit) = level.map_or((0, 0), |level| (level.version, level.backorder_limit));
            is_known.then_some(Revision { version, limit })
        }
        _ => None,
    };
    match current {
        Some(current) if !command.expected.admits(current) => Err(Refusal::Changed { current }),
        _ => Ok(()),
    }
}

fn decide_reserve(
    board: &mut Board,
    actor: UserId,
    id: ReservationId,
    reserve: &Reserve,
) -> Result<Reservation, Refusal> {
    let takes = allocate(board, &reserve.lines, Appetite::Whole)?;
    let cause = Cause { reservation: Some(id), ..Cause::by(actor) };
    let expires_at = reserve.ttl.map(|ttl| ttl.end(board.now));
    Ok(hold(board, &takes, &cause, (reserve.reference.clone(), expires_at)))
}

/// Books the takes and makes the reservation of them.
pub(super) fn hold(
    board: &mut Board,
    takes: &Takes,
    cause: &Cause,
    (reference, expires_at): (Option<String>, Option<Timestamp>),
) -> Reservation {
    let items = takes
        .iter()
        .map(|(&key, &units)| {
            let (version, _) = board.book(key, MovementKind::Reserved, units, cause.clone());
            ReservationItem {
                product_id: key.0,
                warehouse_id: key.1,
                quantity: units,
                fulfilled_quantity: 0,
                returned_quantity: 0,
                version,
                last_version: version,
            }
        })
        .collect();
    let reservation = Reservation {
        id: cause.reservation.expect("stock is held by a reservation"),
        status: ReservationStatus::Pending,
        order_id: cause.order,
        reference,
        items,
        expires_at,
        created_at: board.now,
    };
    board.effects.reservations.push(reservation.clone());
    reservation
}
