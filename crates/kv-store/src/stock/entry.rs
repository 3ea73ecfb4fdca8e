//! The ledger's entries as they are booked: what moved, and who and what made it move.

use std::sync::Arc;

use jiff::Timestamp;
use kv_types::stock::MovementKind;
use kv_types::{AdjustmentId, OrderId, ReceiptId, ReservationId, TransferId, UserId, WarehouseId};

use super::board::LevelKey;
use super::chain::{Hash, Link};

/// A row of `stock_movements` to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) key: LevelKey,
    pub(crate) version: i64,
    pub(crate) kind: MovementKind,
    pub(crate) units: i64,
    pub(crate) quantity_after: i64,
    pub(crate) reserved_after: i64,
    pub(crate) cause: Cause,
    pub(crate) hash: Hash,
}

impl Movement {
    /// The movement as its row will have it.
    pub(crate) fn link(&self, tenant: i64, created_at: Timestamp) -> Link<'_> {
        let effect = self.kind.effect();
        let changes = [effect.quantity, effect.reserved, effect.shipped, effect.received].map(|sign| sign * self.units);
        let (mut receipt, mut adjustment, mut transfer) = (None, None, None);
        match self.cause.document.map(|(document, _)| document) {
            Some(Document::Receipt(id)) => receipt = Some(id.uuid()),
            Some(Document::Adjustment(id)) => adjustment = Some(id.uuid()),
            Some(Document::Transfer(id)) => transfer = Some(id.uuid()),
            None => {}
        }
        let (reservation, order) =
            (self.cause.reservation.map(ReservationId::uuid), self.cause.order.map(OrderId::uuid));
        let actor = self.cause.actor.map(UserId::uuid);
        Link {
            tenant,
            product: self.key.0.uuid(),
            warehouse: self.key.1.uuid(),
            version: self.version,
            kind: self.kind.as_str(),
            changes,
            after: [self.quantity_after, self.reserved_after],
            causes: [reservation, order, receipt, adjustment, transfer, actor],
            line: self.cause.document.map(|(_, line)| line),
            reason: self.cause.reason.as_deref(),
            created_at,
        }
    }
}

/// Who and what made a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Nobody, when time did it.
    pub(crate) actor: Option<UserId>,
    pub(crate) reservation: Option<ReservationId>,
    pub(crate) order: Option<OrderId>,
    /// The document, and the line of it, from 1.
    pub(crate) document: Option<(Document, i32)>,
    pub(crate) reason: Option<Arc<str>>,
}

impl Cause {
    /// Somebody, for no further cause.
    pub(crate) const fn by(actor: UserId) -> Self {
        Self { actor: Some(actor), reservation: None, order: None, document: None, reason: None }
    }

    /// The same for a document's line.
    pub(crate) fn on(&self, document: Document, line: i32) -> Self {
        Self { document: Some((document, line)), ..self.clone() }
    }
}

/// What changes stock beside orders and reservations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Receipt(ReceiptId),
    Adjustment(AdjustmentId),
    Transfer(TransferId),
}

impl Document {
    pub(crate) const fn uuid(self) -> uuid::Uuid {
        match self {
            Self::Receipt(id) => id.uuid(),
            Self::Adjustment(id) => id.uuid(),
            Self::Transfer(id) => id.uuid(),
        }
    }
}

/// A document's head, to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewDocument {
    pub(crate) document: Document,
    pub(crate) reference: Option<String>,
    pub(crate) actor: UserId,
    /// Why, of an adjustment.
    pub(crate) reason: Option<Arc<str>>,
    /// From where to where, of a transfer.
    pub(crate) between: Option<(WarehouseId, WarehouseId)>,
}
