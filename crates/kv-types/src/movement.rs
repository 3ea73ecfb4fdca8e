//! The ledger's entries: what a movement does to a level, and how it is shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AdjustmentId, OrderId, ReceiptId, ReservationId, TransferId};

/// What a movement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// Goods came in.
    Received,
    /// Somebody counted, and the available units were set right.
    Adjusted,
    /// Available units became held ones.
    Reserved,
    /// Held units became available again.
    Released,
    /// Held units became available again because their time was over.
    Expired,
    /// Held units left.
    Shipped,
    /// Units that had left came back.
    Returned,
    /// Available units left for another warehouse.
    TransferredOut,
    /// Units came in from another warehouse.
    TransferredIn,
}

/// What one unit of a movement changes of a level's quantities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Of the available units.
    pub quantity: i64,
    /// Of the held units.
    pub reserved: i64,
    /// Of the shipped units.
    pub shipped: i64,
    /// Of the received units.
    pub received: i64,
}

impl Effect {
    const fn of(quantity: i64, reserved: i64, shipped: i64, received: i64) -> Self {
        assert!(quantity + reserved + shipped == received, "a movement conserves units");
        Self { quantity, reserved, shipped, received }
    }
}

impl MovementKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::Adjusted,
        Self::Reserved,
        Self::Released,
        Self::Expired,
        Self::Shipped,
        Self::Returned,
        Self::TransferredOut,
        Self::TransferredIn,
    ];

    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Adjusted => "adjusted",
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Shipped => "shipped",
            Self::Returned => "returned",
            Self::TransferredOut => "transferred_out",
            Self::TransferredIn => "transferred_in",
        }
    }

    /// What one unit changes. An adjustment's units have a sign; all others are counted from 1.
    pub const fn effect(self) -> Effect {
        match self {
            Self::Received | Self::Adjusted | Self::TransferredIn => Effect::of(1, 0, 0, 1),
            Self::Reserved => Effect::of(-1, 1, 0, 0),
            Self::Released | Self::Expired => Effect::of(1, -1, 0, 0),
            Self::Shipped => Effect::of(0, -1, 1, 0),
            Self::Returned => Effect::of(1, 0, -1, 0),
            Self::TransferredOut => Effect::of(-1, 0, 0, -1),
        }
    }
}

/// One entry of a level's ledger. Versions count from 1 without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockMovement {
    /// The level's version that this movement made.
    #[schema(example = 9)]
    pub version: i64,
    /// `received`, `adjusted`, `reserved`, `released`, `expired`, `shipped`, `returned`, `transferred_out` or `transferred_in`.
    #[schema(example = "reserved")]
    pub kind: String,
    /// Change of the available units.
    #[schema(example = -3)]
    pub d_quantity: i64,
    /// Change of the held units.
    #[schema(example = 3)]
    pub d_reserved: i64,
    /// Change of the shipped units.
    #[schema(example = 0)]
    pub d_shipped: i64,
    /// Change of the received units.
    #[schema(example = 0)]
    pub d_received: i64,
    /// Available units afterwards.
    #[schema(example = 7)]
    pub quantity_after: i64,
    /// Held units afterwards.
    #[schema(example = 3)]
    pub reserved_after: i64,
    /// The reservation that caused it.
    pub reservation_id: Option<ReservationId>,
    /// The order that caused it.
    pub order_id: Option<OrderId>,
    /// The receipt that caused it.
    pub receipt_id: Option<ReceiptId>,
    /// The adjustment that caused it.
    pub adjustment_id: Option<AdjustmentId>,
    /// The transfer that caused it.
    pub transfer_id: Option<TransferId>,
    /// Why, of an adjustment or a return.
    pub reason: Option<String>,
    /// When.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}
