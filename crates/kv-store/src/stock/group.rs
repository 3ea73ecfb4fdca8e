//! Several actions as one: each is decided on what those before it left, and all are taken back when one is refused. Pure.
//!
//! Invariant: a refused group leaves the board as it was, and says of each of its actions that was refused why.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kv_types::order::Order;
use kv_types::stock::Reservation;
use kv_types::{OrderId, ReservationId, UserId};

use super::board::{Board, Level, LevelKey};
use super::command::{Action, Outcome};
use super::decide::decide_action;
use super::refusal::Refusal;

/// Decides the actions in their order. One that is refused does not end the deciding: those after it are decided as if it had not
/// been asked, so that all that cannot be had is told at once.
pub(super) fn decide(board: &mut Board, actor: UserId, actions: &[Action]) -> Result<Vec<Outcome>, Refusal> {
    let mark = Mark::of(board);
    let mut outcomes = Vec::with_capacity(actions.len());
    let mut refused = Vec::new();
    for (place, action) in actions.iter().enumerate() {
        match decide_action(board, actor, action) {
            Ok(outcome) => outcomes.push(outcome),
            Err(refusal) => refused.push((place, refusal)),
        }
    }
    if refused.is_empty() {
        return Ok(outcomes);
    }
    mark.restore(board);
    Err(Refusal::Group(refused))
}

/// What of a board a decision may change.
struct Mark {
    levels: BTreeMap<LevelKey, Level>,
    reservations: HashMap<ReservationId, Reservation>,
    orders: HashMap<OrderId, Order>,
    gave_less: bool,
    changed_reservations: BTreeSet<ReservationId>,
    /// The lengths of the lists of effects, which only grow: movements, documents, reservations, orders, changed orders, expired
    /// orders, what happened.
    lengths: [usize; 7],
}

impl Mark {
    fn of(board: &Board) -> Self {
        let effects = &board.effects;
        Self {
            levels: board.levels.clone(),
            reservations: board.reservations.clone(),
            orders: board.orders.clone(),
            gave_less: board.gave_less,
            changed_reservations: effects.changed_reservations.clone(),
            lengths: [
                effects.movements.len(),
                effects.documents.len(),
                effects.reservations.len(),
                effects.orders.len(),
                effects.changed_orders.len(),
                effects.expired_orders.len(),
                effects.happened.len(),
            ],
        }
    }

    fn restore(self, board: &mut Board) {
        board.levels = self.levels;
        board.reservations = self.reservations;
        board.orders = self.orders;
        board.gave_less = self.gave_less;
        let effects = &mut board.effects;
        effects.changed_reservations = self.changed_reservations;
        let [movements, documents, reservations, orders, changed_orders, expired_orders, happened] = self.lengths;
        effects.movements.truncate(movements);
        effects.documents.truncate(documents);
        effects.reservations.truncate(reservations);
        effects.orders.truncate(orders);
        effects.changed_orders.truncate(changed_orders);
        effects.expired_orders.truncate(expired_orders);
        effects.happened.truncate(happened);
    }
}
