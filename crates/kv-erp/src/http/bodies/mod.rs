//! Bodies and parameters as the description of the interface shows them. [`super::fields`] and [`super::query`] do the reading,
//! because a refusal must name every fault with its place.
#![expect(dead_code, reason = "these structs describe; nothing makes one")]

pub mod batch;
pub mod catalogue;
pub mod imports;
pub mod stock;

pub use batch::Batch;
pub use catalogue::{CustomerPatch, NewCustomer, NewProduct, NewWarehouse, ProductPatch, WarehousePatch};
pub use imports::NewImport;
pub use stock::{
    BackorderLimit, Extension, Fulfillment, NewOrder, NewReservation, OrderReturn, ReservationPart, StockAdjustment,
    StockReceipt, StockTransfer,
};
use utoipa::IntoParams;

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// Rows of the page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// The lock under which a stock write is done.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct FenceParameter {
    /// `RESOURCE=NUMBER`: the lock's resource and the fence of its grant. Refused with 409 `lock_lost` when a later holder has
    /// written.
    #[param(rename = "X-Lock-Fence", min_length = 3, max_length = 218, pattern = "^[A-Za-z0-9_.:/@+=,#~-]+=[1-9][0-9]{0,17}$", example = "stock:product-1=1048577")]
    fence: Option<String>,
}

/// The key that makes a write safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct KeyParameter {
    /// The caller's own word for this write, 1 to 255 visible ASCII characters. A repeat with the same key, method, path and body
    /// within 24 hours is given the first one's answer, with the header `Idempotency-Replayed: true`, and has no effect; with
    /// another body it is refused with 422 `idempotency_key_reused`. What was refused is not kept: a repeat is tried anew.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]{1,255}$", min_length = 1, max_length = 255, example = "order-17")]
    key: Option<String>,
}
