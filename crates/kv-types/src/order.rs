//! Orders: what may be asked, and what is shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stock::PartLine;
use crate::{CustomerId, OrderId, ProductId, Quantity, ReservationId, Revision, Ttl, WarehouseId};

/// Units of one product to order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OrderLine {
    /// What.
    #[serde(rename = "product_id")]
    pub product: ProductId,
    /// How many.
    pub quantity: Quantity,
}

/// Places an order: all lines or none, unless it is content with less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlaceOrder {
    /// For whom.
    #[serde(rename = "customer_id")]
    pub customer: CustomerId,
    /// 1 to [`crate::stock::MAX_LINES`]; lines of the same product are summed before the check.
    #[serde(rename = "items")]
    pub lines: Vec<OrderLine>,
    /// The caller's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// How long the stock is held while nobody confirms the order; `None` holds it without end.
    #[serde(rename = "ttl_seconds", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Whether to be content with what there is. Products of which there is nothing are left out.
    pub allow_partial: bool,
}

/// Units of an order that came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReturnGoods {
    /// 1 to [`crate::stock::MAX_LINES`]; lines of the same stock are summed before the check.
    #[serde(rename = "items")]
    pub lines: Vec<PartLine>,
    /// Why.
    pub reason: String,
}

/// The states of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// The stock is held, perhaps for a time only.
    Pending,
    /// Accepted by the seller; the stock is held without end.
    Confirmed,
    /// Some of the stock has left; the rest is still held.
    PartiallyFulfilled,
    /// All of the stock has left, or a part of it and the rest was given back.
    Fulfilled,
    /// Called off; the stock is available again. Final.
    Cancelled,
    /// Nobody confirmed it in time; the stock is available again. Final.
    Expired,
}

impl OrderStatus {
    const ALL: [Self; 6] =
        [Self::Pending, Self::Confirmed, Self::PartiallyFulfilled, Self::Fulfilled, Self::Cancelled, Self::Expired];

    /// The word in the table and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::PartiallyFulfilled => "partially_fulfilled",
            Self::Fulfilled => "fulfilled",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Reads the table's word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == raw)
    }
}

/// What an order's customer is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderConfirmation {
    /// Of which order.
    pub order_id: OrderId,
    /// Where it goes; null when the customer has no address.
    #[schema(example = "ada@example.com")]
    pub recipient: Option<String>,
    /// The subject.
    #[schema(example = "Your order 100001")]
    pub subject: String,
    /// The text.
    #[schema(example = "Dear Ada Lovelace, we have received your order 100001 for 25.98 EUR.")]
    pub body: String,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Units of an order's line that one warehouse gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Allocation {
    /// Which warehouse.
    pub warehouse_id: WarehouseId,
    /// How many.
    #[schema(example = 2)]
    pub quantity: i64,
    /// The version of the product's level there at which these units last moved: held, shipped, returned or given back.
    pub last_version: i64,
}

/// One product of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderItem {
    /// What.
    pub product_id: ProductId,
    /// How many.
    #[schema(example = 2)]
    pub quantity: i64,
    /// The price of one unit when the order was placed, in minor units.
    #[schema(example = 1299)]
    pub unit_price_minor: i64,
    /// How many of them have left.
    #[schema(example = 0)]
    pub fulfilled_quantity: i64,
    /// How many of those came back.
    #[schema(example = 0)]
    pub returned_quantity: i64,
    /// Which warehouses give them.
    pub allocations: Vec<Allocation>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// A number for people, unique within the tenant. Numbers may have gaps.
    #[schema(example = 1042)]
    pub order_number: i64,
    /// For whom.
    pub customer_id: CustomerId,
    /// Its state.
    pub status: OrderStatus,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// The sum of quantity times unit price, in minor units.
    #[schema(example = 2598)]
    pub total_minor: i64,
    /// The caller's own word for it.
    #[schema(example = "PO-2026-0017")]
    pub reference: Option<String>,
    /// The reservation that holds its stock.
    pub reservation_id: Option<ReservationId>,
    /// One per product.
    pub items: Vec<OrderItem>,
    /// Counts the changes, from 1.
    pub version: i64,
    /// From when on the stock of an order that nobody confirmed is no longer held; null without an end.
    #[serde(serialize_with = "crate::time::rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Order {
    /// The state that it is in.
    pub fn revision(&self) -> Revision {
        Revision { version: self.version, limit: self.expires_at.map_or(0, Timestamp::as_microsecond) }
    }
}
