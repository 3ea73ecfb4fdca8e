//! The decisions as a value, so that a model checker can drive [`decide`] itself and not a copy of it.
//!
//! Invariants: every decision is the ledger's own, on a board made from the rows as `load.rs` makes it; a change is written as
//! `batch.rs` writes it, levels by their new values and everything else as rows. Equal tables decide alike from there on.
//! Absent on purpose: a rule of its own, fences, orders, a clock, and PostgreSQL with its checks behind the decision.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use jiff::Timestamp;
use kv_types::stock::{MovementKind, Reservation};
use kv_types::{ProductId, ReservationId, WarehouseId};

use super::board::{Board, Effects, Level, LevelKey, ProductFacts, WarehouseFacts};
use super::command::{Command, Outcome};
use super::decide::decide;
use super::ending::expire_due;
use super::refusal::Refusal;

/// One tenant's rows of stock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    levels: BTreeMap<LevelKey, Level>,
    reservations: BTreeMap<ReservationId, Reservation>,
    /// What was booked for which reservation, in the order of booking.
    booked: Vec<(ReservationId, MovementKind)>,
}

/// What a decision would write.
#[derive(Debug)]
pub struct Change {
    levels: BTreeMap<LevelKey, Level>,
    reservations: Vec<Reservation>,
    effects: Effects,
}

/// A level's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// Can be reserved.
    pub available: i64,
    /// Held by pending reservations.
    pub held: i64,
    /// Have left.
    pub shipped: i64,
    /// Ever came in.
    pub received: i64,
}

impl Change {
    fn of(board: Board) -> Self {
        let reservations = board.effects.changed_reservations.iter().map(|id| board.reservations[id].clone()).collect();
        let levels = board.levels.into_iter().filter(|(_, level)| level.is_changed()).collect();
        Self { levels, reservations, effects: board.effects }
    }
}

impl Table {
    /// One product in one warehouse.
    pub fn stocked(product: ProductId, warehouse: WarehouseId, units: i64) -> Self {
        let level = Level { quantity: units, received: units, version: 1, locked_version: 1, ..Level::default() };
        Self { levels: BTreeMap::from([((product, warehouse), level)]), ..Self::default() }
    }

    /// Decides a command on the rows as they are; writes nothing.
    ///
    /// # Errors
    /// The ledger's refusals.
    pub fn decide(&self, command: &Command) -> Result<(Outcome, Change), Refusal> {
        let mut board = self.board();
        let outcome = decide(&mut board, command)?;
        Ok((outcome, Change::of(board)))
    }

    /// What a batch does to a reservation whose time is over, before it decides anything; writes nothing.
    pub fn expire(&self, id: ReservationId) -> Change {
        let mut board = self.board();
        let now = board.now;
        board.reservations.retain(|other, _| *other == id);
        board.reservations.values_mut().for_each(|held| held.expires_at = Some(now));
        expire_due(&mut board);
        Change::of(board)
    }

    /// Writes what was decided. It must have been decided on these rows; that no other came between is the caller's to see to,
    /// as in the service it is that of the rows' locks.
    pub fn write(&mut self, change: Change) {
        // The chain is nothing that a decision rests on, and would make equal tables differ.
        let unchained = |(key, level)| (key, Level { last_hash: None, ..level });
        self.levels.extend(change.levels.into_iter().map(unchained));
        let reservations = change.effects.reservations.into_iter().chain(change.reservations);
        self.reservations.extend(reservations.map(|reservation| (reservation.id, reservation)));
        let booked = change.effects.movements.iter();
        self.booked.extend(booked.filter_map(|movement| Some((movement.cause.reservation?, movement.kind))));
    }

    /// The units of all levels together.
    pub fn units(&self) -> Units {
        let sum = |column: fn(&Level) -> i64| self.levels.values().map(column).sum();
        Units {
            available: sum(|level| level.quantity),
            held: sum(|level| level.reserved),
            shipped: sum(|level| level.shipped),
            received: sum(|level| level.received),
        }
    }

    /// The reservations there are.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.values()
    }

    /// One of them.
    pub fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.reservations.get(&id)
    }

    /// How often the reservation's units left or went back.
    pub fn endings(&self, id: ReservationId) -> usize {
        let is_end =
            |kind: MovementKind| matches!(kind, MovementKind::Released | MovementKind::Expired | MovementKind::Shipped);
        self.booked.iter().filter(|(of, kind)| *of == id && is_end(*kind)).count()
    }

    fn board(&self) -> Board {
        let lock = |(key, level): (&LevelKey, &Level)| (*key, Level { locked_version: level.version, ..*level });
        let facts = ProductFacts { price_minor: 1, currency: "EUR".to_owned(), active: true };
        Board {
            now: Timestamp::UNIX_EPOCH,
            levels: self.levels.iter().map(lock).collect(),
            products: self.levels.keys().map(|(product, _)| (*product, facts.clone())).collect(),
            warehouses: self
                .levels
                .keys()
                .map(|(_, warehouse)| (*warehouse, WarehouseFacts { priority: 1, active: true }))
                .collect(),
            reservations: self.reservations.iter().map(|(id, held)| (*id, held.clone())).collect(),
            ..Board::default()
        }
    }
}

impl Hash for Table {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (key, level) in &self.levels {
            (key, level.quantity, level.reserved, level.shipped, level.received, level.version).hash(state);
        }
        for (id, held) in &self.reservations {
            (id, held.status.as_str()).hash(state);
            for item in &held.items {
                (item.quantity, item.fulfilled_quantity, item.version).hash(state);
            }
        }
        for (id, kind) in &self.booked {
            (id, kind.as_str()).hash(state);
        }
    }
}
