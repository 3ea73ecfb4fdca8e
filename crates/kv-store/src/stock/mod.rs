//! The stock ledger: every change of stock, from one function, in one order.
//!
//! A command goes to the writer of its stock ([`coalescer`]), which locks and loads what a whole batch needs ([`load`]), decides
//! each command in memory ([`decide`], [`allocate`], pure), writes the effects and commits ([`batch`]). A row's own checks stand
//! behind all this: conservation is a CHECK and the ledger's key is a version without gaps.

pub(crate) mod allocate;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod board;
mod coalescer;
mod command;
pub(crate) mod decide;
#[cfg(test)]
mod decide_tests;
mod fate;
pub(crate) mod load;
pub(crate) mod read;
pub(crate) mod rows;
#[cfg(feature = "conformance")]
pub mod rule;
mod wanted;
mod writer;

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use kv_types::order::{Order, PlaceOrder};
use kv_types::stock::{Receipt, Receive, Reservation, Reserve};
use kv_types::{OrderId, ProductId, ReceiptId, ReservationId, TenantId, UserId};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use audit::LedgerFault;
pub use coalescer::StockStats;
pub use command::{Action, Command, FenceClaim, Outcome, Reference, Refusal, Shortage, StockError, UnknownReference};
pub use read::LevelFilter;

use coalescer::Job;

use crate::{StoreConfig, StoreError};

/// The way to the stock writers. Cheap to clone; the writers end when the last clone is gone.
#[derive(Clone)]
pub struct Ledger {
    writers: Arc<[mpsc::Sender<Job>]>,
    stats: Arc<StockStats>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("writers", &self.writers.len()).field("stats", &self.stats).finish()
    }
}

impl Ledger {
    /// Starts the writers' tasks; each connects when its first command comes.
    pub(crate) fn start(config: &StoreConfig) -> Self {
        let stats = Arc::new(StockStats::default());
        let writers = (0..config.stock_writers.max(1))
            .map(|_| {
                let (sender, jobs) = mpsc::channel(coalescer::MAX_WAITING);
                tokio::spawn(coalescer::run(jobs, config.session(), Arc::clone(&stats)));
                sender
            })
            .collect();
        Self { writers, stats }
    }

    /// What the writers have done.
    pub fn stats(&self) -> &StockStats {
        &self.stats
    }

    /// Holds stock: all lines or none.
    ///
    /// # Errors
    /// [`Refusal::Short`], [`Refusal::Unknown`], [`Refusal::Inactive`], [`Refusal::FenceStale`], or the store's.
    /// # Cancel safety
    /// A dropped future's command either never begins or takes effect as a whole.
    pub async fn reserve(
        &self,
        tenant: TenantId,
        actor: UserId,
        reserve: Reserve,
        fence: Option<FenceClaim>,
    ) -> Result<Reservation, StockError> {
        let shard = reserve.lines.first().map_or(0, |line| shard_of(tenant, line.product));
        let id = ReservationId::from_uuid(id_in_shard(shard));
        let command = Command { actor, fence, action: Action::Reserve(id, reserve) };
        self.submit(tenant, shard, command).await.map(expect_reservation)
    }

    /// Takes goods in: all lines or none. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::Unknown`], [`Refusal::Overflow`], [`Refusal::FenceStale`], or the store's.
    pub async fn receive(
        &self,
        tenant: TenantId,
        actor: UserId,
        receive: Receive,
        fence: Option<FenceClaim>,
    ) -> Result<Receipt, StockError> {
        let shard = receive.lines.first().map_or(0, |line| shard_of(tenant, line.product));
        let id = ReceiptId::from_uuid(id_in_shard(shard));
        let command = Command { actor, fence, action: Action::Receive(id, receive) };
        match self.submit(tenant, shard, command).await? {
            Outcome::Receipt(receipt) => Ok(receipt),
            other => unreachable!("a receipt was asked for, not {other:?}"),
        }
    }

    /// Gives a reservation's stock back; once more is no change. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::AlreadyFulfilled`], [`Refusal::BelongsToOrder`], [`Refusal::FenceStale`], or the store's.
    pub async fn release(
        &self,
        tenant: TenantId,
        actor: UserId,
        id: ReservationId,
        fence: Option<FenceClaim>,
    ) -> Result<Reservation, StockError> {
        let command = Command { actor, fence, action: Action::Release(id) };
        self.submit(tenant, shard_in(id.uuid()), command).await.map(expect_reservation)
    }

    /// Lets a reservation's stock leave; once more is no change. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::AlreadyReleased`], [`Refusal::BelongsToOrder`], [`Refusal::FenceStale`], or the store's.
    pub async fn ship(
        &self,
        tenant: TenantId,
        actor: UserId,
        id: ReservationId,
        fence: Option<FenceClaim>,
    ) -> Result<Reservation, StockError> {
        let command = Command { actor, fence, action: Action::Ship(id) };
        self.submit(tenant, shard_in(id.uuid()), command).await.map(expect_reservation)
    }

    /// Places an order and holds its stock: all lines or none. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// As [`Ledger::reserve`], and [`Refusal::MixedCurrency`].
    pub async fn place_order(
        &self,
        tenant: TenantId,
        actor: UserId,
        order: PlaceOrder,
        fence: Option<FenceClaim>,
    ) -> Result<Order, StockError> {
        let shard = order.lines.first().map_or(0, |line| shard_of(tenant, line.product));
        let ids = (OrderId::from_uuid(id_in_shard(shard)), ReservationId::from_uuid(id_in_shard(shard)));
        let command = Command { actor, fence, action: Action::PlaceOrder(ids.0, ids.1, order) };
        self.submit(tenant, shard, command).await.map(expect_order)
    }

    /// Accepts an order; once more is no change. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::OrderState`], [`Refusal::FenceStale`], or the store's.
    pub async fn confirm_order(
        &self,
        tenant: TenantId,
        actor: UserId,
        id: OrderId,
        fence: Option<FenceClaim>,
    ) -> Result<Order, StockError> {
        let command = Command { actor, fence, action: Action::ConfirmOrder(id) };
        self.submit(tenant, shard_in(id.uuid()), command).await.map(expect_order)
    }

    /// Calls an order off and gives its stock back; once more is no change. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::FenceStale`], or the store's.
    pub async fn cancel_order(
        &self,
        tenant: TenantId,
        actor: UserId,
        id: OrderId,
        fence: Option<FenceClaim>,
    ) -> Result<Order, StockError> {
        let command = Command { actor, fence, action: Action::CancelOrder(id) };
        self.submit(tenant, shard_in(id.uuid()), command).await.map(expect_order)
    }

    async fn submit(&self, tenant: TenantId, shard: u8, command: Command) -> Result<Outcome, StockError> {
        let writer = &self.writers[usize::from(shard) % self.writers.len()];
        let (reply, answer) = oneshot::channel();
        writer.try_send(Job { tenant, command, reply }).map_err(|_| StockError::Store(StoreError::Overloaded))?;
        // A writer that panics drops its batch unanswered; it may have been committing.
        answer.await.unwrap_or(Err(StockError::Store(StoreError::OutcomeUnknown)))
    }
}

/// Commands on one product go to one writer: they share its batches instead of waiting for each other's row lock.
fn shard_of(tenant: TenantId, product: ProductId) -> u8 {
    let mut hasher = std::hash::DefaultHasher::new();
    (tenant, product).hash(&mut hasher);
    hasher.finish() as u8
}

/// A fresh id whose last byte remembers the shard, so that what is later done to the reservation or order meets the same writer.
fn id_in_shard(shard: u8) -> Uuid {
    let mut bytes = Uuid::now_v7().into_bytes();
    bytes[15] = shard;
    Uuid::from_bytes(bytes)
}

fn shard_in(id: Uuid) -> u8 {
    id.as_bytes()[15]
}

fn expect_reservation(outcome: Outcome) -> Reservation {
    match outcome {
        Outcome::Reservation(reservation) => reservation,
        other => unreachable!("a reservation was asked for, not {other:?}"),
    }
}

fn expect_order(outcome: Outcome) -> Order {
    match outcome {
        Outcome::Order(order) => order,
        other => unreachable!("an order was asked for, not {other:?}"),
    }
}
