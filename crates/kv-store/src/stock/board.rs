//! What a batch knows and what it will write: the rows it locked, and the effects its commands had on them. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use kv_types::events::EventKind;
use kv_types::order::{Order, OrderStatus};
use kv_types::stock::{MovementKind, Reservation};
use kv_types::{CustomerId, IdempotencyKey, OrderId, ProductId, ReservationId, WarehouseId};

use super::chain::Hash;
use super::entry::{Cause, Movement, NewDocument};
use super::keys::Known;
use super::signals::Happened;
use crate::audit_log::Entry;
use crate::idempotency::{Answer, Asked};

/// A stock level's key. Its order is the global order in which levels are locked.
pub(crate) type LevelKey = (ProductId, WarehouseId);

/// The largest sum a level may reach; far below `i64::MAX`, so that no sum of a batch can overflow.
pub(crate) const MAX_UNITS: i64 = 1_000_000_000_000_000;

/// A locked row of `stock_levels`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) quantity: i64,
    pub(crate) reserved: i64,
    pub(crate) shipped: i64,
    pub(crate) received: i64,
    /// How far the available units may go below zero.
    pub(crate) backorder_limit: i64,
    pub(crate) version: i64,
    /// The version at which the row was locked.
    pub(crate) locked_version: i64,
    /// Whether more than its movements changed.
    pub(crate) has_new_limit: bool,
    /// With so many available units, or fewer, it is low.
    pub(crate) reorder_point: Option<i64>,
    /// The available units at which the row was locked.
    pub(crate) locked_quantity: i64,
    /// The hash of its last movement.
    pub(crate) last_hash: Option<Hash>,
}

impl Level {
    /// Whether this batch changed it.
    pub(crate) fn is_changed(&self) -> bool {
        self.version != self.locked_version || self.has_new_limit
    }

    /// Its reorder point, when this batch brought it there or below.
    pub(crate) fn fell_to(&self) -> Option<i64> {
        self.reorder_point.filter(|point| self.quantity <= *point && *point < self.locked_quantity)
    }

    /// Units on the shelf.
    pub(crate) fn on_hand(&self) -> i64 {
        self.quantity + self.reserved
    }

    fn is_conserved(&self) -> bool {
        self.quantity >= -self.backorder_limit
            && self.on_hand() >= 0
            && self.reserved >= 0
            && self.shipped >= 0
            && self.quantity + self.reserved + self.shipped == self.received
    }
}

/// A product's facts that an order needs.
#[derive(Clone, Debug)]
pub(crate) struct ProductFacts {
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
    pub(crate) active: bool,
}

/// A warehouse's facts that an allocation needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WarehouseFacts {
    pub(crate) priority: i32,
    pub(crate) active: bool,
}

/// An answer to be kept under its key.
#[derive(Clone, Debug)]
pub(crate) struct NewAnswer {
    pub(crate) asked: Asked,
    pub(crate) answer: Answer,
    /// The orders that the command placed or changed, in the order in which the answer shows them.
    pub(crate) orders: Vec<OrderId>,
}

/// Rows to be written, in the order in which the commands were decided.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) movements: Vec<Movement>,
    pub(crate) documents: Vec<NewDocument>,
    pub(crate) reservations: Vec<Reservation>,
    /// Reservations that were there before and changed.
    pub(crate) changed_reservations: BTreeSet<ReservationId>,
    pub(crate) orders: Vec<Order>,
    /// Orders that were there before and changed their state.
    pub(crate) changed_orders: Vec<OrderId>,
    /// Orders that are not on the board, and whose reservations are over.
    pub(crate) expired_orders: Vec<OrderId>,
    /// What happened to orders and reservations, in order.
    pub(crate) happened: Vec<Happened>,
    pub(crate) answers: Vec<NewAnswer>,
    /// Keys that are used anew.
    pub(crate) expired_keys: Vec<IdempotencyKey>,
    /// What the commands changed, for the audit log.
    pub(crate) entries: Vec<Entry>,
}

/// The rows a batch locked or read.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) tenant: i64,
    /// The time of every decision: taken once the locks were held.
    pub(crate) now: Timestamp,
    /// When the transaction began.
    pub(crate) began: Timestamp,
    pub(crate) levels: BTreeMap<LevelKey, Level>,
    pub(crate) products: HashMap<ProductId, ProductFacts>,
    pub(crate) warehouses: HashMap<WarehouseId, WarehouseFacts>,
    pub(crate) customers: HashSet<CustomerId>,
    pub(crate) reservations: HashMap<ReservationId, Reservation>,
    pub(crate) orders: HashMap<OrderId, Order>,
    /// Whether a product has levels that were made while the batch waited for its locks, and so are not among [`Self::levels`].
    pub(crate) has_unlocked_sources: bool,
    /// Whether a reservation's time is over and it holds stock of levels that are not among [`Self::levels`].
    pub(crate) has_unlocked_due: bool,
    /// Levels that were made for this batch.
    pub(crate) new_levels: BTreeSet<LevelKey>,
    /// Whether the batch has to be begun anew with further levels locked: a command would book on one that was not made for it and
    /// is not there, or units that it may have lie on others.
    pub(crate) needs_levels: bool,
    /// Whether an order was content with less than it asked for.
    pub(crate) gave_less: bool,
    /// The tokens that the fence table accepted, by resource.
    pub(crate) fences: HashMap<String, i64>,
    /// What is known of the commands' idempotency keys.
    pub(crate) keys: HashMap<IdempotencyKey, Known>,
    /// How often something that was there before was changed other than by a movement.
    pub(crate) touches: usize,
    pub(crate) effects: Effects,
}

impl Board {
    /// Counts what the commands so far have changed: it is another number after one that changed anything.
    pub(crate) fn changes(&self) -> usize {
        let Effects { movements, documents, reservations, orders, .. } = &self.effects;
        self.touches + movements.len() + documents.len() + reservations.len() + orders.len()
    }

    /// Whether there is anything to commit. A fence that was raised counts although its command was refused: a token that was seen
    /// makes older ones stale.
    pub(crate) fn has_effects(&self) -> bool {
        !(self.effects.movements.is_empty()
            && self.effects.changed_orders.is_empty()
            && self.effects.changed_reservations.is_empty()
            && self.effects.answers.is_empty()
            && self.fences.is_empty()
            && self.levels.values().all(|level| !level.has_new_limit))
    }

    /// Levels that were made for commands that were refused.
    pub(crate) fn levels_made_in_vain(&self) -> BTreeSet<LevelKey> {
        let is_unused = |key: &&LevelKey| self.levels.get(key).is_none_or(|level| !level.is_changed());
        self.new_levels.iter().filter(is_unused).copied().collect()
    }

    /// Available units of a level; a level that was never received into has none.
    pub(crate) fn quantity(&self, key: LevelKey) -> i64 {
        self.levels.get(&key).map_or(0, |level| level.quantity)
    }

    /// How many units of a level may be reserved.
    pub(crate) fn available(&self, key: LevelKey) -> i64 {
        self.levels.get(&key).map_or(0, |level| level.quantity + level.backorder_limit)
    }

    /// How many units of a level are on the shelf.
    pub(crate) fn on_hand(&self, key: LevelKey) -> i64 {
        self.levels.get(&key).map_or(0, Level::on_hand)
    }

    /// The active warehouses that know a product, in the order in which orders take stock from them.
    pub(crate) fn sources(&self, product: ProductId) -> Vec<WarehouseId> {
        let first = (product, WarehouseId::from_uuid(uuid::Uuid::nil()));
        let last = (product, WarehouseId::from_uuid(uuid::Uuid::max()));
        let mut sources: Vec<(i32, WarehouseId)> = self
            .levels
            .range(first..=last)
            .filter_map(|((_, warehouse), _)| {
                let facts = self.warehouses.get(warehouse)?;
                facts.active.then_some((facts.priority, *warehouse))
            })
            .collect();
        sources.sort_unstable();
        sources.into_iter().map(|(_, warehouse)| warehouse).collect()
    }

    /// Books one movement; the caller has checked that the level can bear it.
    ///
    /// # Panics
    /// When it cannot: a batch that would break conservation must not reach the database.
    pub(crate) fn book(&mut self, key: LevelKey, kind: MovementKind, units: i64, cause: Cause) -> (i64, i64) {
        assert!(units > 0 || kind == MovementKind::Adjusted, "a movement of {units} units");
        let level = self.levels.get_mut(&key).expect("a level that a command touches was locked before it was decided");
        let effect = kind.effect();
        level.quantity += effect.quantity * units;
        level.reserved += effect.reserved * units;
        level.shipped += effect.shipped * units;
        level.received += effect.received * units;
        level.version += 1;
        assert!(level.is_conserved(), "{kind:?} of {units} units would leave {level:?}");
        let (version, quantity_after, reserved_after) = (level.version, level.quantity, level.reserved);
        let before = level.last_hash;
        let mut movement =
            Movement { key, version, kind, units, quantity_after, reserved_after, cause, hash: Hash::default() };
        movement.hash = movement.link(self.tenant, self.now).hash(before.as_ref());
        level.last_hash = Some(movement.hash);
        self.effects.movements.push(movement);
        (version, quantity_after)
    }

    /// A reservation that was there before, as it is now.
    pub(crate) fn change_reservation(&mut self, reservation: Reservation) {
        self.touches += 1;
        self.effects.changed_reservations.insert(reservation.id);
        self.reservations.insert(reservation.id, reservation);
    }

    /// Moves an order to a new state, because of what happened to it.
    pub(crate) fn set_order_status(&mut self, id: OrderId, status: OrderStatus, because: EventKind) {
        let order = self.orders.get_mut(&id).expect("an order that a command changes was locked before it was decided");
        if let Some(held) = order.reservation_id.and_then(|held| self.reservations.get(&held)) {
            super::rows::show_held(order, held);
        }
        order.status = status;
        order.version += 1;
        self.touches += 1;
        self.effects.happened.push(Happened::Order(because, id));
        if !self.effects.changed_orders.contains(&id) {
            self.effects.changed_orders.push(id);
        }
    }
}
