//! What may be done to stock, and what comes of it.

use kv_types::order::{Order, OrderLine, PlaceOrder, ReturnGoods};
use kv_types::stock::{
    Adjust, Adjustment, PartLine, Receipt, Receive, Reservation, Reserve, StockLevel, Transfer, TransferStock,
};
use kv_types::{
    AdjustmentId, Expected, OrderId, ProductId, ReceiptId, ReservationId, TenantId, TransferId, Ttl, UserId,
    WarehouseId,
};

use super::coalescer::MAX_BATCH_LINES;
use super::shard::{id_in_shard, shard_in, shard_of};
use crate::idempotency::Once;
use thiserror::Error;

/// The fencing token with which a caller proves that it still holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceClaim {
    /// The lock's resource, as in its key.
    pub resource: String,
    /// The token that came with the grant.
    pub fence: i64,
}

impl FenceClaim {
    /// A claim on `resource` with the token `fence`.
    pub fn new(resource: impl Into<String>, fence: i64) -> Self {
        Self { resource: resource.into(), fence }
    }
}

/// One change of stock by one user.
#[derive(Debug)]
pub struct Command {
    /// Who does it.
    pub actor: UserId,
    /// The lock under which it is done, if any.
    pub fence: Option<FenceClaim>,
    /// The key under which it is done, if any.
    pub once: Option<Once<Outcome>>,
    /// The states in which it may find its order or its level; of other things nothing is expected.
    pub expected: Expected,
    /// What is done.
    pub action: Action,
}

/// What is done. New ids are made before the command leaves for its writer.
#[derive(Clone, Debug)]
pub enum Action {
    /// Holds stock.
    Reserve(ReservationId, Reserve),
    /// Takes goods in.
    Receive(ReceiptId, Receive),
    /// Sets levels right.
    Adjust(AdjustmentId, Adjust),
    /// Moves goods to another warehouse.
    Transfer(TransferId, TransferStock),
    /// Says how many units a level may promise beyond those that are there.
    LimitBackorders(ProductId, WarehouseId, i64),
    /// Gives held stock back.
    Release(ReservationId),
    /// Lets held stock leave.
    Ship(ReservationId),
    /// Lets some of the held stock leave and gives the rest back.
    ShipPart(ReservationId, Vec<PartLine>),
    /// Holds stock for longer.
    Extend(ReservationId, Ttl),
    /// Gives held stock back if its time is over.
    Expire(ReservationId),
    /// Places an order and holds its stock.
    PlaceOrder(OrderId, ReservationId, PlaceOrder),
    /// Accepts an order.
    ConfirmOrder(OrderId),
    /// Lets stock of an order leave: all that is left, or so many units of its products.
    FulfillOrder(OrderId, Option<Vec<OrderLine>>),
    /// Takes goods of an order back.
    ReturnOrder(OrderId, ReturnGoods),
    /// Ends an order of which a part has left: what is left of its stock is given back.
    CloseOrder(OrderId),
    /// Calls an order off and gives its stock back.
    CancelOrder(OrderId),
    /// Does several things one after the other, all or none.
    Group(Vec<Self>),
}

/// Lines of a group at most, all its actions together: those of one batch.
pub const MAX_GROUP_LINES: usize = MAX_BATCH_LINES;

/// A group with more than [`MAX_GROUP_LINES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the group has {lines} lines, more than the {MAX_GROUP_LINES} of one transaction")]
pub struct GroupTooLarge {
    /// How many it has.
    pub lines: usize,
}

impl Action {
    /// Holds stock under a fresh id.
    pub fn reserve(tenant: TenantId, reserve: Reserve) -> Self {
        let shard = shard_of(tenant, reserve.lines.first().map(|line| line.product));
        Self::Reserve(ReservationId::from_uuid(id_in_shard(shard)), reserve)
    }

    /// Takes goods in under a fresh id.
    pub fn receive(tenant: TenantId, receive: Receive) -> Self {
        let shard = shard_of(tenant, receive.lines.first().map(|line| line.product));
        Self::Receive(ReceiptId::from_uuid(id_in_shard(shard)), receive)
    }

    /// Sets levels right under a fresh id.
    pub fn adjust(tenant: TenantId, adjust: Adjust) -> Self {
        let shard = shard_of(tenant, adjust.lines.first().map(|line| line.product));
        Self::Adjust(AdjustmentId::from_uuid(id_in_shard(shard)), adjust)
    }

    /// Moves goods under a fresh id.
    pub fn transfer(tenant: TenantId, transfer: TransferStock) -> Self {
        let shard = shard_of(tenant, transfer.lines.first().map(|line| line.product));
        Self::Transfer(TransferId::from_uuid(id_in_shard(shard)), transfer)
    }

    /// Places an order under fresh ids.
    pub fn place_order(tenant: TenantId, order: PlaceOrder) -> Self {
        let shard = shard_of(tenant, order.lines.first().map(|line| line.product));
        let id = OrderId::from_uuid(id_in_shard(shard));
        Self::PlaceOrder(id, ReservationId::from_uuid(id_in_shard(shard)), order)
    }

    /// Does several things one after the other, each seeing what those before it did: all or none.
    ///
    /// # Errors
    /// [`GroupTooLarge`]: one transaction would keep everybody else waiting.
    pub fn group(actions: Vec<Self>) -> Result<Self, GroupTooLarge> {
        let lines = actions.iter().map(Self::lines).sum();
        if lines > MAX_GROUP_LINES { Err(GroupTooLarge { lines }) } else { Ok(Self::Group(actions)) }
    }

    /// Its writer's shard, which its id remembers, if it has one. A group goes with its first.
    pub(super) fn shard(&self, tenant: TenantId) -> u8 {
        shard_in(match self {
            Self::LimitBackorders(product, ..) => return shard_of(tenant, Some(*product)),
            Self::Group(actions) => return actions.first().map_or(0, |first| first.shard(tenant)),
            Self::Reserve(id, _)
            | Self::Release(id)
            | Self::Ship(id)
            | Self::ShipPart(id, _)
            | Self::Extend(id, _)
            | Self::Expire(id) => id.uuid(),
            Self::Receive(id, _) => id.uuid(),
            Self::Adjust(id, _) => id.uuid(),
            Self::Transfer(id, _) => id.uuid(),
            Self::PlaceOrder(id, ..)
            | Self::ConfirmOrder(id)
            | Self::FulfillOrder(id, _)
            | Self::ReturnOrder(id, _)
            | Self::CloseOrder(id)
            | Self::CancelOrder(id) => id.uuid(),
        })
    }

    /// How many rows of a batch's work it stands for, roughly.
    pub(crate) fn lines(&self) -> usize {
        match self {
            Self::Reserve(_, reserve) => reserve.lines.len(),
            Self::Receive(_, receive) => receive.lines.len(),
            Self::Adjust(_, adjust) => adjust.lines.len(),
            Self::Transfer(_, transfer) => 2 * transfer.lines.len(),
            Self::PlaceOrder(_, _, order) => order.lines.len(),
            Self::ShipPart(_, lines) => lines.len(),
            Self::ReturnOrder(_, goods) => goods.lines.len(),
            Self::Group(actions) => actions.iter().map(Self::lines).sum(),
            Self::LimitBackorders(..)
            | Self::Release(_)
            | Self::Ship(_)
            | Self::Extend(..)
            | Self::Expire(_)
            | Self::ConfirmOrder(_)
            | Self::FulfillOrder(..)
            | Self::CloseOrder(_)
            | Self::CancelOrder(_) => 1,
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The reservation as it is now.
    Reservation(Reservation),
    /// The receipt as booked.
    Receipt(Receipt),
    /// The adjustment as booked.
    Adjustment(Adjustment),
    /// The transfer as booked.
    Transfer(Transfer),
    /// The order as it is now.
    Order(Order),
    /// The level as it is now.
    Level(StockLevel),
    /// What came of each of a group's actions, in their order.
    Group(Vec<Self>),
}
