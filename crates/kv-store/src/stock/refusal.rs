//! Why the ledger refuses.

use kv_types::order::OrderStatus;
use kv_types::{OrderId, ProductId, Revision, WarehouseId};
use thiserror::Error;

use crate::StoreError;
use crate::idempotency::KeyFault;

/// A line that asks for more than there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The first of the request's lines that mean this stock, from 0.
    pub line: usize,
    /// What.
    pub product: ProductId,
    /// Where, when the line named a warehouse.
    pub warehouse: Option<WarehouseId>,
    /// The sum asked for.
    pub requested: i64,
    /// What there was at the moment of the decision.
    pub available: i64,
}

/// A line that expects another quantity than there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The line, from 0.
    pub line: usize,
    /// What.
    pub product: ProductId,
    /// Where.
    pub warehouse: WarehouseId,
    /// What the caller believed.
    pub expected: i64,
    /// What there was at the moment of the decision.
    pub available: i64,
}

/// Which of a request's fields names something that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// The order's customer.
    Customer,
    /// A line's product.
    Product,
    /// A line's warehouse.
    Warehouse,
    /// Where a transfer's units are.
    FromWarehouse,
    /// Where a transfer's units go.
    ToWarehouse,
}

/// An id in a request that names nothing of this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownReference {
    /// The line, from 0; `None` for a field of the request itself.
    pub line: Option<usize>,
    /// The field.
    pub field: Reference,
}

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A reservation.
    Reservation,
    /// An order.
    Order,
    /// A product.
    Product,
    /// A warehouse.
    Warehouse,
    /// A product's level in a warehouse, both of which there are.
    Level,
}

impl Thing {
    /// Its name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reservation => "reservation",
            Self::Order => "order",
            Self::Product => "product",
            Self::Warehouse => "warehouse",
            Self::Level => "stock level",
        }
    }
}

/// What may be done to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStep {
    /// Accept it.
    Confirm,
    /// Let its stock leave.
    Fulfill,
    /// Take its goods back.
    Return,
    /// Give back what is left of it.
    Close,
    /// Call it off.
    Cancel,
}

/// Why a command was refused. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Some lines ask for more than there is: all of them are listed.
    #[error("not enough stock for {} line(s)", .0.len())]
    Short(Vec<Shortage>),
    /// Some lines would take away more than is on the shelf, or leave more promised than the level may promise: all of them are
    /// listed, each with what may be taken away.
    #[error("{} line(s) would take away more than may be", .0.len())]
    BelowZero(Vec<Shortage>),
    /// Some lines name more than is held or was shipped: all of them are listed.
    #[error("{} line(s) name more than there is of it", .0.len())]
    Exceeds(Vec<Shortage>),
    /// Some lines would ship what is promised but not on the shelf: all of them are listed.
    #[error("{} line(s) are not on hand", .0.len())]
    NotOnHand(Vec<Shortage>),
    /// More is promised than the new limit allows.
    #[error("{promised} units are promised already")]
    Promised {
        /// How many, beyond those that are there.
        promised: i64,
    },
    /// Some lines expect another quantity than there is: all of them are listed.
    #[error("{} line(s) expect another quantity", .0.len())]
    Mismatched(Vec<Mismatch>),
    /// Some ids name nothing of this tenant: all of them are listed.
    #[error("{} unknown reference(s)", .0.len())]
    Unknown(Vec<UnknownReference>),
    /// These lines name a product or warehouse that is switched off.
    #[error("{} inactive reference(s)", .0.len())]
    Inactive(Vec<UnknownReference>),
    /// The products of one order have prices in different currencies.
    #[error("the order's products have prices in different currencies")]
    MixedCurrency,
    /// No such thing in this tenant.
    #[error("there is no such {}", .0.as_str())]
    NotFound(Thing),
    /// The reservation's stock has left already.
    #[error("the reservation is already fulfilled")]
    AlreadyFulfilled,
    /// The reservation's stock was given back already.
    #[error("the reservation is already released")]
    AlreadyReleased,
    /// The reservation's time was over.
    #[error("the reservation has expired")]
    Expired,
    /// The reservation belongs to an order and changes only with it.
    #[error("the reservation belongs to an order")]
    BelongsToOrder(OrderId),
    /// The order's state does not allow it.
    #[error("the order is {}", .0.as_str())]
    OrderState(OrderStatus, OrderStep),
    /// The order or the level is in another state than the command is meant for.
    #[error("it was changed meanwhile")]
    Changed {
        /// The state it is in.
        current: Revision,
    },
    /// A later holder of the lock has written already.
    #[error("the lock on {resource} was lost")]
    FenceStale {
        /// The lock's resource.
        resource: String,
    },
    /// The command's idempotency key stands in its way.
    #[error(transparent)]
    Key(KeyFault),
    /// Some of a group's actions were refused: all of them are listed, each with its place. Those after a refused one were decided as
    /// if it had not been asked.
    #[error("{} of the group's actions were refused", .0.len())]
    Group(Vec<(usize, Self)>),
    /// The sum would leave the range of the ledger.
    #[error("the stock level would leave its range")]
    Overflow,
}

/// A command that did not take effect.
#[derive(Debug, Error)]
pub enum StockError {
    /// The ledger decided against it.
    #[error(transparent)]
    Refused(Refusal),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
