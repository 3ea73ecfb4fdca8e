//! Bodies and parameters as the description of the interface shows them. [`super::fields`] and [`super::query`] do the reading,
//! because a refusal must name every fault with its place.
#![expect(dead_code, reason = "these structs describe; nothing makes one")]

use kv_types::{CustomerId, ProductId, WarehouseId};
use utoipa::{IntoParams, ToSchema};

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The lock under which a stock write is done.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct FenceParameter {
    /// `RESOURCE=NUMBER`: the lock's resource and the fence of its grant. Refused with 409 `lock_lost` when a later holder has
    /// written.
    #[param(rename = "X-Lock-Fence", example = "stock:product-1=1048577")]
    fence: Option<String>,
}

/// The key that makes a write safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct KeyParameter {
    /// The caller's own word for this write, 1 to 255 visible ASCII characters. A repeat with the same key, method, path and body
    /// within 24 hours is given the first one's answer, with the header `Idempotency-Replayed: true`, and has no effect; with
    /// another body it is refused with 422 `idempotency_key_reused`. What was refused is not kept: a repeat is tried anew.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, example = "order-17")]
    key: Option<String>,
}

/// A customer to be made.
#[derive(ToSchema)]
pub struct NewCustomer {
    /// The tenant's own code, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, example = "C-1001")]
    code: String,
    /// Name.
    #[schema(min_length = 1, max_length = 200, example = "Ada Lovelace")]
    name: String,
    /// E-mail address.
    #[schema(max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    /// Telephone number.
    #[schema(max_length = 40, example = "+44 20 7946 0001")]
    phone: Option<String>,
}

/// Changes of a customer: what is left out stays; null empties `email` and `phone`.
#[derive(ToSchema)]
pub struct CustomerPatch {
    /// The tenant's own code, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    code: Option<String>,
    /// Name.
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// E-mail address.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// Telephone number.
    #[schema(max_length = 40, example = "+44 20 7946 0002")]
    phone: Option<String>,
}

/// A product to be made.
#[derive(ToSchema)]
pub struct NewProduct {
    /// Stock keeping unit, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, example = "SKU-0001")]
    sku: String,
    /// Name.
    #[schema(min_length = 1, max_length = 200, example = "Hex bolt M8 x 40")]
    name: String,
    /// Description.
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// The base unit in which it is counted.
    #[schema(min_length = 1, max_length = 20, default = "unit", nullable = false)]
    uom: Option<String>,
    /// The price of one unit, in minor units of the currency (cents).
    #[schema(minimum = 0, maximum = 10_000_000_000_i64, example = 1299)]
    price_minor: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
    /// Whether it may be ordered.
    #[schema(default = true, nullable = false)]
    active: Option<bool>,
}

/// Changes of a product: what is left out stays; null empties `description`.
#[derive(ToSchema)]
pub struct ProductPatch {
    /// Stock keeping unit, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    sku: Option<String>,
    /// Name.
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Description.
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// The base unit in which it is counted.
    #[schema(min_length = 1, max_length = 20, nullable = false)]
    uom: Option<String>,
    /// The price of one unit, in minor units of the currency (cents). Orders already placed keep theirs.
    #[schema(minimum = 0, maximum = 10_000_000_000_i64, nullable = false)]
    price_minor: Option<i64>,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", nullable = false)]
    currency: Option<String>,
    /// Whether it may be ordered.
    #[schema(nullable = false)]
    active: Option<bool>,
}

/// A warehouse to be made.
#[derive(ToSchema)]
pub struct NewWarehouse {
    /// The tenant's own code, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, example = "MAIN")]
    code: String,
    /// Name.
    #[schema(min_length = 1, max_length = 200, example = "Main warehouse")]
    name: String,
    /// Orders take stock from the lowest number first.
    #[schema(minimum = 0, maximum = 2_147_483_647, default = 100, nullable = false)]
    priority: Option<i32>,
    /// Whether stock may be taken from it.
    #[schema(default = true, nullable = false)]
    active: Option<bool>,
}

/// Changes of a warehouse: what is left out stays.
#[derive(ToSchema)]
pub struct WarehousePatch {
    /// The tenant's own code, unique within the tenant.
    #[schema(min_length = 1, max_length = 64, nullable = false)]
    code: Option<String>,
    /// Name.
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    /// Orders take stock from the lowest number first.
    #[schema(minimum = 0, maximum = 2_147_483_647, nullable = false)]
    priority: Option<i32>,
    /// Whether stock may be taken from it.
    #[schema(nullable = false)]
    active: Option<bool>,
}

/// Goods that arrived: all lines are booked or none.
#[derive(ToSchema)]
pub struct StockReceipt {
    /// The lines.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<StockReceiptLine>,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200)]
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
    #[schema(min_length = 1, max_length = 200)]
    reference: Option<String>,
}

/// A level to set right: by `delta`, or to `set_to` if it is `expected_quantity`.
#[derive(ToSchema)]
pub struct StockAdjustmentLine {
    /// What.
    product_id: ProductId,
    /// Where.
    warehouse_id: WarehouseId,
    /// So many available units more, or fewer; not 0.
    #[schema(minimum = -1_000_000, maximum = 1_000_000, nullable = false)]
    delta: Option<i64>,
    /// So many available units; with `expected_quantity`.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64, nullable = false)]
    set_to: Option<i64>,
    /// The available units that the caller believes in. When they are others: 409 `quantity_mismatch`.
    #[schema(minimum = -1_000_000_000_000_i64, maximum = 1_000_000_000_000_i64, nullable = false)]
    expected_quantity: Option<i64>,
}

/// Stock to be moved: all lines are booked or none.
#[derive(ToSchema)]
pub struct StockTransfer {
    /// Where the units are.
    from_warehouse_id: WarehouseId,
    /// Where they shall be; another one.
    to_warehouse_id: WarehouseId,
    /// The lines. Those of the same product are summed.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<StockTransferLine>,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200)]
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
    #[schema(min_length = 1, max_length = 200)]
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
    #[schema(min_length = 1, max_length = 200)]
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
