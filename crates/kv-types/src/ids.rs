//! Ids. The tenant's is a small number because it stands in lock and queue keys that people read; all others are UUIDv7,
//! so that rows created together lie together.

use std::fmt;
use std::num::NonZeroI64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One customer company; every row, lock and job belongs to exactly one.
///
/// ```
/// assert!(kv_types::TenantId::new(1).is_some());
/// assert!(kv_types::TenantId::new(0).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TenantId(NonZeroI64);

impl TenantId {
    /// A tenant's number, counted from 1; `None` for zero and below.
    pub const fn new(raw: i64) -> Option<Self> {
        if raw < 1 {
            return None;
        }
        match NonZeroI64::new(raw) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number as PostgreSQL's `bigint` and the Redis keys carry it.
    pub const fn get(self) -> i64 {
        self.0.get()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[schema(example = $example)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an id read from the database or parsed at the edge.
            pub const fn from_uuid(raw: Uuid) -> Self {
                Self(raw)
            }

            /// The raw value, for a statement's parameters.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(raw: &str) -> Result<Self, Self::Err> {
                raw.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// A person or program that logs in.
    UserId,
    "01960000-0000-7000-8000-000000000001"
);
uuid_id!(
    /// Somebody who orders.
    CustomerId,
    "01960000-0000-7000-8000-000000000002"
);
uuid_id!(
    /// Something that is stocked. It is not a warehouse, and mixing the two does not compile:
    ///
    /// ```compile_fail
    /// fn ship(product: kv_types::ProductId) {}
    /// let warehouse: kv_types::WarehouseId = "018f0000-0000-7000-8000-000000000000".parse().unwrap();
    /// ship(warehouse);
    /// ```
    ProductId,
    "01960000-0000-7000-8000-000000000003"
);
uuid_id!(
    /// A place where stock lies.
    WarehouseId,
    "01960000-0000-7000-8000-000000000004"
);
uuid_id!(
    /// An order.
    OrderId,
    "01960000-0000-7000-8000-000000000005"
);
uuid_id!(
    /// Stock held for somebody; one reservation has one or more lines.
    ReservationId,
    "01960000-0000-7000-8000-000000000006"
);
uuid_id!(
    /// One receipt of goods.
    ReceiptId,
    "01960000-0000-7000-8000-000000000007"
);
uuid_id!(
    /// One correction of stock.
    AdjustmentId,
    "01960000-0000-7000-8000-000000000008"
);
uuid_id!(
    /// One move of stock between two warehouses.
    TransferId,
    "01960000-0000-7000-8000-000000000009"
);
uuid_id!(
    /// One import of a file.
    ImportId,
    "01960000-0000-7000-8000-00000000000a"
);
uuid_id!(
    /// One export into a file.
    ExportFileId,
    "01960000-0000-7000-8000-000000000010"
);
uuid_id!(
    /// A token, as it is managed: it is not the secret.
    ApiTokenId,
    "01960000-0000-7000-8000-00000000000b"
);
uuid_id!(
    /// One piece of work that follows a commit.
    JobId,
    "01960000-0000-7000-8000-00000000000f"
);
uuid_id!(
    /// One thing that happened.
    EventId,
    "01960000-0000-7000-8000-00000000000c"
);
uuid_id!(
    /// A place that a tenant's events are sent to.
    WebhookEndpointId,
    "01960000-0000-7000-8000-00000000000d"
);
uuid_id!(
    /// One event on its way to one endpoint.
    WebhookDeliveryId,
    "01960000-0000-7000-8000-00000000000e"
);
