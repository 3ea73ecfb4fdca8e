//! The words of kv-erp: ids, quantities, money, and the request and view types of its HTTP interface.
//!
//! Invariants: a value of a type here is already checked; no I/O, no clock, no async, no unseeded randomness.
//! Absent on purpose: floats (money is integer minor units, stock is integer base units) and conversions between ids.

pub mod access;
pub mod catalogue;
pub mod documents;
pub mod events;
pub mod exports;
pub mod histogram;
pub mod idempotency;
pub mod ids;
pub mod imports;
pub mod jobs;
pub mod money;
pub mod movement;
pub mod order;
pub mod quantity;
mod revision;
pub mod stock;
pub mod time;
pub mod ttl;
pub mod webhooks;

pub use idempotency::{BadIdempotencyKey, IdempotencyKey};
pub use ids::{
    AdjustmentId, ApiTokenId, CustomerId, EventId, ExportFileId, ImportId, JobId, OrderId, ProductId, ReceiptId,
    ReservationId, TenantId, TransferId, UserId, WarehouseId, WebhookDeliveryId, WebhookEndpointId,
};
pub use money::{BadCurrency, Currency, MinorUnits};
pub use quantity::{BadQuantity, Quantity};
pub use revision::{Expected, NoRevision, Revision};
pub use ttl::Ttl;
