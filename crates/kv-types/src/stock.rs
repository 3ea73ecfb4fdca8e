//! Stock: what may be asked, and what is shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::documents::{
    Adjust, AdjustLine, AdjustTo, Adjustment, AdjustmentItem, Receipt, ReceiptItem, Receive, ReceiveLine, Transfer,
    TransferItem, TransferLine, TransferStock,
};
pub use crate::movement::{MovementKind, StockMovement};
use crate::{OrderId, ProductId, Quantity, ReservationId, Ttl, WarehouseId};

/// Most lines that one reservation, order or document of stock may have.
pub const MAX_LINES: usize = 100;

/// Units of one product to hold, from one warehouse or, without it, from wherever they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReserveLine {
    /// What.
    #[serde(rename = "product_id")]
    pub product: ProductId,
    /// From where; `None` lets the service choose by the warehouses' priority.
    #[serde(rename = "warehouse_id", skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<WarehouseId>,
    /// How many.
    pub quantity: Quantity,
}

/// Holds stock for somebody: all lines or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reserve {
    /// 1 to [`MAX_LINES`]; lines that mean the same stock are summed before the check.
    #[serde(rename = "items")]
    pub lines: Vec<ReserveLine>,
    /// The caller's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// For how long; `None` holds without end.
    #[serde(rename = "ttl_seconds", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
}

/// Units of one level that a reservation holds, or that an order has shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PartLine {
    /// What.
    #[serde(rename = "product_id")]
    pub product: ProductId,
    /// From or back to where.
    #[serde(rename = "warehouse_id")]
    pub warehouse: WarehouseId,
    /// How many.
    pub quantity: Quantity,
}

/// How much of one product lies in one warehouse. `quantity + reserved_quantity + shipped_quantity = received_quantity`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockLevel {
    /// What.
    pub product_id: ProductId,
    /// Where.
    pub warehouse_id: WarehouseId,
    /// Available units: not held by any reservation. Negative when more is promised than there is.
    #[schema(example = 7)]
    pub quantity: i64,
    /// Units held by pending reservations.
    #[schema(example = 3)]
    pub reserved_quantity: i64,
    /// Units on the shelf: the sum of both. Never negative.
    #[schema(example = 10)]
    pub on_hand_quantity: i64,
    /// Units that left.
    #[schema(example = 5)]
    pub shipped_quantity: i64,
    /// Units that ever came in, less those that were taken out again by adjustments and transfers.
    #[schema(example = 15)]
    pub received_quantity: i64,
    /// How many units may be promised beyond those that are there.
    #[schema(example = 0)]
    pub backorder_limit: i64,
    /// The number of movements so far.
    #[schema(example = 9)]
    pub version: i64,
    /// When it last changed.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// With how many available units a stock level is low.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReorderPoint {
    /// Of what.
    pub product_id: ProductId,
    /// Where.
    pub warehouse_id: WarehouseId,
    /// Available units as they are now.
    #[schema(example = 7)]
    pub quantity: i64,
    /// When the available units fall to so many or fewer, `stock.low` is told; null when nobody wants to know.
    #[schema(example = 5)]
    pub reorder_point: Option<i64>,
}

/// The states of a reservation. All but the first are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservationStatus {
    /// The stock is held.
    Pending,
    /// The stock has left.
    Fulfilled,
    /// The stock is available again.
    Released,
    /// The stock is available again because the time was over.
    Expired,
}

impl ReservationStatus {
    /// The word in the table and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Fulfilled => "fulfilled",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    /// Reads the table's word.
    pub fn parse(raw: &str) -> Option<Self> {
        [Self::Pending, Self::Fulfilled, Self::Released, Self::Expired]
            .into_iter()
            .find(|status| status.as_str() == raw)
    }
}

/// Units of one level that a reservation holds or held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationItem {
    /// What.
    pub product_id: ProductId,
    /// Where.
    pub warehouse_id: WarehouseId,
    /// How many.
    #[schema(example = 3)]
    pub quantity: i64,
    /// How many of them have left.
    #[schema(example = 0)]
    pub fulfilled_quantity: i64,
    /// How many of those came back.
    #[schema(example = 0)]
    pub returned_quantity: i64,
    /// The level's version at which they were taken: its place in the order of all movements of that level.
    #[schema(example = 9)]
    pub version: i64,
    /// The level's version at which these units last moved: taken, shipped, returned or given back. When a part leaves and the rest
    /// is given back at once, that is the rest's, and the part's is the one before it.
    pub last_version: i64,
}

/// Stock held for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Its state.
    pub status: ReservationStatus,
    /// The order it belongs to.
    pub order_id: Option<OrderId>,
    /// The caller's own word for it.
    #[schema(example = "PO-2026-0017")]
    pub reference: Option<String>,
    /// One line per level.
    pub items: Vec<ReservationItem>,
    /// From when on the stock is no longer held; null without an end.
    #[serde(serialize_with = "crate::time::rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}
