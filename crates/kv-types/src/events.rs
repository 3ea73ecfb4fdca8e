//! Events: what happened to a tenant's things.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::ids::EventId;

/// The types of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// An order was placed.
    OrderCreated,
    /// An order was accepted.
    OrderConfirmed,
    /// Some of an order's goods left.
    OrderPartiallyFulfilled,
    /// All of an order's goods left, or the rest was given back.
    OrderFulfilled,
    /// Goods of an order came back.
    OrderReturned,
    /// An order was called off.
    OrderCancelled,
    /// Nobody confirmed an order in time.
    OrderExpired,
    /// A reservation's time was over.
    ReservationExpired,
    /// A level fell to its reorder point or below.
    StockLow,
    /// An import's file was read to its end, or the import was given up.
    ImportFinished,
    /// An export's file is whole, or the export was given up.
    ExportFinished,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::OrderCreated,
        Self::OrderConfirmed,
        Self::OrderPartiallyFulfilled,
        Self::OrderFulfilled,
        Self::OrderReturned,
        Self::OrderCancelled,
        Self::OrderExpired,
        Self::ReservationExpired,
        Self::StockLow,
        Self::ImportFinished,
        Self::ExportFinished,
    ];

    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderCreated => "order.created",
            Self::OrderConfirmed => "order.confirmed",
            Self::OrderPartiallyFulfilled => "order.partially_fulfilled",
            Self::OrderFulfilled => "order.fulfilled",
            Self::OrderReturned => "order.returned",
            Self::OrderCancelled => "order.cancelled",
            Self::OrderExpired => "order.expired",
            Self::ReservationExpired => "reservation.expired",
            Self::StockLow => "stock.low",
            Self::ImportFinished => "import.finished",
            Self::ExportFinished => "export.finished",
        }
    }

    /// Reads the word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == raw)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Which one; the same in every delivery of it.
    pub id: EventId,
    /// Its place: events are listed in the order of their places, and none appears before one that was shown.
    #[schema(example = 42)]
    pub position: i64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "order.created")]
    pub kind: String,
    /// To what: ids, and what of the thing the event is about.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    /// When it happened.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_it_is_written() {
        assert_eq!(EventKind::ALL.map(|kind| EventKind::parse(kind.as_str())), EventKind::ALL.map(Some));
        assert_eq!(EventKind::parse("order"), None);
    }
}
