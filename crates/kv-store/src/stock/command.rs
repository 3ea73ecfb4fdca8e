//! What may be done to stock, and what comes of it.

use kv_types::order::{Order, OrderLine, PlaceOrder, ReturnGoods};
use kv_types::stock::{
    Adjust, Adjustment, PartLine, Receipt, Receive, Reservation, Reserve, StockLevel, Transfer, TransferStock,
};
use kv_types::{
    AdjustmentId, Expected, OrderId, ProductId, ReceiptId, ReservationId, TenantId, TransferId, Ttl, UserId,
    WarehouseId,
};

use super::shard::{id_in_shard, shard_in, shard_of};
use crate::idempotency::Once;

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
    /// Calls an order off and gives its stock back.
    CancelOrder(OrderId),
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

    /// Its writer's shard, which its id remembers, if it has one.
    pub(super) fn shard(&self, tenant: TenantId) -> u8 {
        shard_in(match self {
            Self::LimitBackorders(product, ..) => return shard_of(tenant, Some(*product)),
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
            Self::LimitBackorders(..)
            | Self::Release(_)
            | Self::Ship(_)
            | Self::Extend(..)
            | Self::Expire(_)
            | Self::ConfirmOrder(_)
            | Self::FulfillOrder(..)
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
}
