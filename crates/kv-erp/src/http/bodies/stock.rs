//! Bodies of stock, reservations and orders.

use kv_types::{CustomerId, ProductId, WarehouseId};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

/// Goods that arrived: all lines are booked or none.
#[derive(ToSchema)]
pub struct StockReceipt {
    /// The lines.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<StockReceiptLine>,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200, example = "PO-2026-0017")]
    reference: Option<String>,
}

/// Units that arrived.
#[derive(ToSchema)]
pub struct StockReceiptLine {
    /// What.
    product_id: ProductId,
    /// Where to.
    warehouse_id: WarehouseId,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

/// Stock to be set right: all lines are booked or none.
#[derive(ToSchema)]
pub struct StockAdjustment {
    /// The lines, each after those before it.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<StockAdjustmentLine>,
    /// Why.
    #[schema(min_length = 1, max_length = 200, example = "Annual count")]
    reason: String,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200, example = "PO-2026-0017")]
    reference: Option<String>,
}

/// A level to set right.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum StockAdjustmentLine {
    /// By so much.
    Change(StockChange),
    /// To so much.
    Count(StockCount),
}

/// A level to change.
#[derive(ToSchema)]
pub struct StockChange {
    /// What.
    product_id: ProductId,
    /// Where.
    warehouse_id: WarehouseId,
    /// So many available units more, or fewer; not 0.
    #[schema(schema_with = change_of_units)]
    delta: i64,
}

/// A level to set to what was counted, if it is what the caller believes it to be.
#[derive(ToSchema)]
pub struct StockCount {
    /// What.
    product_id: ProductId,
    /// Where.
    warehouse_id: WarehouseId,
    /// So many available units. Not below 0: what is promised beyond what is there is no count.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    set_to: i64,
    /// The available units that the caller believes in. When they are others: 409 `quantity_mismatch`.
    #[schema(minimum = -1_000_000_000_000_i64, maximum = 1_000_000_000_000_i64)]
    expected_quantity: i64,
}

fn change_of_units() -> Schema {
    let range = |least: isize, most: isize| {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most))
    };
    let fewer = range(-1_000_000, -1);
    let more = range(1, 1_000_000);
    OneOfBuilder::new()
        .item(fewer)
        .item(more)
        .description(Some("So many available units more, or fewer; not 0."))
        .into()
}

/// Stock to be moved: all lines are booked or none.
#[derive(ToSchema)]
pub struct StockTransfer {
    /// Where the units are.
    from_warehouse_id: WarehouseId,
    /// Where they shall be; another one.
    #[schema(value_type = String, format = Uuid, example = "01960000-0000-7000-8000-000000000014")]
    to_warehouse_id: WarehouseId,
    /// The lines. Those of the same product are summed.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<StockTransferLine>,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200, example = "PO-2026-0017")]
    reference: Option<String>,
}

/// Units to move.
#[derive(ToSchema)]
pub struct StockTransferLine {
    /// What.
    product_id: ProductId,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

/// Stock to be held: all lines or none.
#[derive(ToSchema)]
pub struct NewReservation {
    /// The lines. Those that mean the same stock are summed before the check.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<NewReservationLine>,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200, example = "PO-2026-0017")]
    reference: Option<String>,
    /// For how many seconds the stock is held; without it, without end.
    #[schema(minimum = 1, maximum = 86_400)]
    ttl_seconds: Option<i64>,
}

/// Units to hold.
#[derive(ToSchema)]
pub struct NewReservationLine {
    /// What.
    product_id: ProductId,
    /// From where; without it from the first warehouse, by priority, that has all of it, or else from several.
    warehouse_id: Option<WarehouseId>,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

/// An order to be placed: all lines or none.
#[derive(ToSchema)]
pub struct NewOrder {
    /// For whom.
    customer_id: CustomerId,
    /// The lines. Those of the same product are summed.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<NewOrderLine>,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200, example = "PO-2026-0017")]
    reference: Option<String>,
    /// For how many seconds the stock is held while nobody confirms the order; without it, without end.
    #[schema(minimum = 1, maximum = 86_400)]
    ttl_seconds: Option<i64>,
    /// Whether to be content with what there is.
    #[schema(default = false, nullable = false)]
    allow_partial: Option<bool>,
}

/// Units to order.
#[derive(ToSchema)]
pub struct NewOrderLine {
    /// What.
    product_id: ProductId,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

/// What of a reservation leaves; the rest is given back. Without a body all of it leaves.
#[derive(ToSchema)]
pub struct ReservationPart {
    /// The lines. Those of the same stock are summed.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<PartOfLevel>,
}

/// Units of one level.
#[derive(ToSchema)]
pub struct PartOfLevel {
    /// What.
    product_id: ProductId,
    /// From or back to where.
    warehouse_id: WarehouseId,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

/// A longer life.
#[derive(ToSchema)]
pub struct Extension {
    /// For how many seconds from now the stock is held at least.
    #[schema(minimum = 1, maximum = 86_400)]
    ttl_seconds: i64,
}

/// What of an order leaves. Without a body all that is left.
#[derive(ToSchema)]
pub struct Fulfillment {
    /// The lines. Those of the same product are summed.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<NewOrderLine>,
}

/// Goods of an order that came back.
#[derive(ToSchema)]
pub struct OrderReturn {
    /// The lines. Those of the same stock are summed.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<PartOfLevel>,
    /// Why.
    #[schema(min_length = 1, max_length = 200, example = "Damaged in transit")]
    reason: String,
}

/// How far a level may promise.
#[derive(ToSchema)]
pub struct BackorderLimit {
    /// How many units beyond those that are there.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    limit: i64,
}

/// With how many available units a level is low.
#[derive(ToSchema)]
pub struct NewReorderPoint {
    /// When the available units fall to so many or fewer, `stock.low` is told; null when nobody wants to know.
    #[schema(required, minimum = 0, maximum = 1_000_000_000, example = 5)]
    reorder_point: Option<i64>,
}
