//! Bodies and parameters as the description of the interface shows them. [`super::fields`] and [`super::query`] do the reading,
//! because a refusal must name every fault with its place.
#![expect(dead_code, reason = "these structs describe; nothing makes one")]

pub mod access;
pub mod batch;
pub mod catalogue;
pub mod exports;
pub mod imports;
pub mod lists;
pub mod stock;
pub mod webhooks;

pub use access::{NewApiToken, NewTenant, NewUser, PasswordReset, UserChange};
pub use batch::Batch;
pub use catalogue::{CustomerPatch, NewCustomer, NewProduct, NewWarehouse, ProductPatch, WarehousePatch};
pub use exports::NewExport;
pub use imports::NewImport;
pub use stock::{
    BackorderLimit, Extension, Fulfillment, NewOrder, NewReorderPoint, NewReservation, OrderReturn, ReservationPart,
    StockAdjustment, StockReceipt, StockTransfer,
};
use utoipa::IntoParams;
pub(crate) use webhooks::EventType;
pub use webhooks::{EndpointPatch, NewEndpoint};

/// The lock under which a stock write is done.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct FenceParameter {
    /// `RESOURCE=NUMBER`: the lock's resource and the fence of its grant. Refused with 409 `lock_lost` when a later holder has
    /// written.
    #[param(
        rename = "X-Lock-Fence",
        min_length = 3,
        max_length = 218,
        pattern = "^[A-Za-z0-9_.:/@+=,#~-]+=[1-9][0-9]{0,17}$",
        example = "stock:product-1=1048577"
    )]
    fence: Option<String>,
}

/// The key that makes a write safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct KeyParameter {
    /// The caller's own word for this write, 1 to 255 visible ASCII characters. A repeat with the same key, method, path and body
    /// within 24 hours is given the first one's answer, with the header `Idempotency-Replayed: true`, and has no effect; with
    /// another body it is refused with 422 `idempotency_key_reused`. What was refused is not kept: a repeat is tried anew.
    #[param(
        rename = "Idempotency-Key",
        pattern = "^[!-~]{1,255}$",
        min_length = 1,
        max_length = 255,
        example = "order-17"
    )]
    key: Option<String>,
}

/// Whether the caller would rather not wait.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct PreferParameter {
    /// With `respond-async` (RFC 7240) the work is done by a job, and the answer comes before it is done.
    #[param(rename = "Prefer", example = "respond-async")]
    prefer: Option<String>,
}

/// The states that a change is meant for.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct MustMatchParameter {
    /// The `ETag` of what the caller saw, or several, or `*` for whatever is there. Without it: 428 `precondition_required`; when the
    /// thing is in another state: 412 `version_mismatch`.
    #[param(rename = "If-Match", pattern = "^(\\*|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$", example = "\"7\"")]
    expected: String,
}

/// The states that a change is meant for, if it is not meant for any.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatchParameter {
    /// The `ETag` of what the caller saw, or several, or `*`. When the thing is in another state: 412 `version_mismatch`.
    #[param(rename = "If-Match", pattern = "^(\\*|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$", example = "\"7\"")]
    expected: Option<String>,
}

/// The states that the caller has.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatchParameter {
    /// The `ETag` of what the caller has, or several. When the thing is still in one of these states: 304 without a body.
    #[param(rename = "If-None-Match", pattern = "^(\\*|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$", example = "\"7\"")]
    known: Option<String>,
}
