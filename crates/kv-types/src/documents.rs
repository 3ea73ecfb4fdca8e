//! What changes stock beside orders and reservations: receipts, adjustments and transfers, each with its lines.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AdjustmentId, ProductId, Quantity, ReceiptId, TransferId, WarehouseId};

/// Units that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiveLine {
    /// What.
    #[serde(rename = "product_id")]
    pub product: ProductId,
    /// Where to.
    #[serde(rename = "warehouse_id")]
    pub warehouse: WarehouseId,
    /// How many.
    pub quantity: Quantity,
}

/// Takes goods into stock: all lines or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receive {
    /// 1 to [`crate::stock::MAX_LINES`].
    #[serde(rename = "items")]
    pub lines: Vec<ReceiveLine>,
    /// The caller's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A line of a receipt as it was booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptItem {
    /// What.
    pub product_id: ProductId,
    /// Where.
    pub warehouse_id: WarehouseId,
    /// How many came in.
    #[schema(value_type = i64)]
    pub quantity: Quantity,
    /// Available units afterwards.
    pub quantity_after: i64,
    /// The level's version that this line made.
    pub version: i64,
}

/// Goods that were taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Its id.
    pub id: ReceiptId,
    /// The caller's own word for it.
    #[schema(example = "PO-2026-0017")]
    pub reference: Option<String>,
    /// The lines in the order of the request.
    pub items: Vec<ReceiptItem>,
    /// When.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// What the available units of a level shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AdjustTo {
    /// So many more, or fewer.
    #[serde(rename = "delta")]
    Delta(i64),
    /// So many, if they are as many as expected.
    #[serde(untagged)]
    Set {
        /// What was counted.
        #[serde(rename = "set_to")]
        to: i64,
        /// What the caller believes the level to say.
        #[serde(rename = "expected_quantity")]
        expected: i64,
    },
}

/// A level to set right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AdjustLine {
    /// What.
    #[serde(rename = "product_id")]
    pub product: ProductId,
    /// Where.
    #[serde(rename = "warehouse_id")]
    pub warehouse: WarehouseId,
    /// By or to how much.
    #[serde(flatten)]
    pub to: AdjustTo,
}

/// Sets stock right after somebody counted: all lines or none. Lines of one level follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adjust {
    /// 1 to [`crate::stock::MAX_LINES`].
    #[serde(rename = "items")]
    pub lines: Vec<AdjustLine>,
    /// Why.
    pub reason: String,
    /// The caller's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A line of an adjustment as it was booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdjustmentItem {
    /// What.
    pub product_id: ProductId,
    /// Where.
    pub warehouse_id: WarehouseId,
    /// Change of the available units; 0 when a count found what was expected.
    #[schema(example = -2)]
    pub delta: i64,
    /// Available units afterwards.
    #[schema(example = 8)]
    pub quantity_after: i64,
    /// The level's version that this line made.
    #[schema(example = 10)]
    pub version: i64,
}

/// Stock that was set right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adjustment {
    /// Its id.
    pub id: AdjustmentId,
    /// Why.
    #[schema(example = "Annual count")]
    pub reason: String,
    /// The caller's own word for it.
    #[schema(example = "COUNT-7")]
    pub reference: Option<String>,
    /// The lines in the order of the request.
    pub items: Vec<AdjustmentItem>,
    /// When.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Units to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TransferLine {
    /// What.
    #[serde(rename = "product_id")]
    pub product: ProductId,
    /// How many.
    pub quantity: Quantity,
}

/// Moves stock from one warehouse to another: all lines or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransferStock {
    /// Where the units are.
    #[serde(rename = "from_warehouse_id")]
    pub from: WarehouseId,
    /// Where they shall be; another one.
    #[serde(rename = "to_warehouse_id")]
    pub to: WarehouseId,
    /// 1 to [`crate::stock::MAX_LINES`]; lines of the same product are summed.
    #[serde(rename = "items")]
    pub lines: Vec<TransferLine>,
    /// The caller's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// One product of a transfer as it was booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransferItem {
    /// What.
    pub product_id: ProductId,
    /// How many were moved.
    #[schema(example = 4)]
    pub quantity: i64,
    /// Available units afterwards where they came from.
    #[schema(example = 6)]
    pub from_quantity_after: i64,
    /// The version that this made of the level they came from.
    #[schema(example = 11)]
    pub from_version: i64,
    /// Available units afterwards where they went.
    #[schema(example = 4)]
    pub to_quantity_after: i64,
    /// The version that this made of the level they went to.
    #[schema(example = 1)]
    pub to_version: i64,
}

/// Stock that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transfer {
    /// Its id.
    pub id: TransferId,
    /// Where the units were.
    pub from_warehouse_id: WarehouseId,
    /// Where they are now.
    pub to_warehouse_id: WarehouseId,
    /// The caller's own word for it.
    #[schema(example = "MOVE-3")]
    pub reference: Option<String>,
    /// One per product.
    pub items: Vec<TransferItem>,
    /// When.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}
