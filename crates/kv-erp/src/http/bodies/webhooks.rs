//! Bodies of webhooks.

use kv_types::webhooks::EndpointState;
use serde::Serialize;
use utoipa::ToSchema;

/// An endpoint to be made.
#[derive(ToSchema)]
pub struct NewEndpoint {
    /// Where events are sent: http or https, without a login.
    #[schema(
        min_length = 1,
        max_length = 2048,
        pattern = "^https?://[A-Za-z0-9.-]+(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~/-]*)?$",
        example = "https://example.com/hooks/kv-erp"
    )]
    url: String,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200, example = "Shop")]
    description: Option<String>,
    /// Which types are sent; all when it is empty or left out.
    #[schema(max_items = 64, nullable = false, example = json!(["order.created", "stock.low"]))]
    event_types: Option<Vec<EventType>>,
}

/// Changes of an endpoint: what is left out stays; null empties `description`.
#[derive(ToSchema)]
pub struct EndpointPatch {
    /// Where events are sent.
    #[schema(
        min_length = 1,
        max_length = 2048,
        nullable = false,
        pattern = "^https?://[A-Za-z0-9.-]+(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~/-]*)?$",
        example = "https://example.com/hooks/kv-erp"
    )]
    url: Option<String>,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200, example = "Shop")]
    description: Option<String>,
    /// Which types are sent; all when it is empty.
    #[schema(max_items = 64, nullable = false, example = json!(["order.created"]))]
    event_types: Option<Vec<EventType>>,
    /// Whether they are sent.
    #[schema(nullable = false)]
    state: Option<EndpointState>,
}

/// A type of events.
#[derive(Serialize, ToSchema)]
pub(crate) enum EventType {
    #[serde(rename = "order.created")]
    OrderCreated,
    #[serde(rename = "order.confirmed")]
    OrderConfirmed,
    #[serde(rename = "order.partially_fulfilled")]
    OrderPartiallyFulfilled,
    #[serde(rename = "order.fulfilled")]
    OrderFulfilled,
    #[serde(rename = "order.returned")]
    OrderReturned,
    #[serde(rename = "order.cancelled")]
    OrderCancelled,
    #[serde(rename = "order.expired")]
    OrderExpired,
    #[serde(rename = "reservation.expired")]
    ReservationExpired,
    #[serde(rename = "stock.low")]
    StockLow,
    #[serde(rename = "import.finished")]
    ImportFinished,
    #[serde(rename = "export.finished")]
    ExportFinished,
}
