//! The way to the stock writers: one method for each change of stock.

use super::coalescer::{self, Job, StockStats};
use super::command::{Action, Command, FenceClaim, Outcome};
use super::refusal::{Refusal, StockError};
use crate::audit_log;
use crate::conflict::ConflictStats;
use crate::idempotency::{Done, wait_for};
use crate::jobs::Bell;
use crate::spent;
use crate::{StoreConfig, StoreError};
use kv_types::order::{Order, PlaceOrder};
use kv_types::stock::{
    Adjust, Adjustment, Receipt, Receive, Reservation, Reserve, StockLevel, Transfer, TransferStock,
};
use kv_types::{Expected, OrderId, ProductId, ReservationId, TenantId, UserId, WarehouseId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

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
    pub(crate) fn start(config: &StoreConfig, conflicts: &Arc<ConflictStats>, bell: &Bell) -> Self {
        let stats = Arc::new(StockStats::default());
        let writers = (0..config.stock_writers.max(1))
            .map(|_| {
                let (sender, jobs) = mpsc::channel(coalescer::MAX_WAITING);
                let shared = (Arc::clone(&stats), Arc::clone(conflicts), bell.clone());
                tokio::spawn(coalescer::run(jobs, config.writer(), shared));
                sender
            })
            .collect();
        Self { writers, stats }
    }

    /// What the writers have done.
    pub fn stats(&self) -> &StockStats {
        &self.stats
    }

    /// Does a change, under its key when it has one.
    ///
    /// # Errors
    /// What the action's own method says, and of one under a key [`Refusal::Key`] or [`StoreError::Key`].
    /// # Cancel safety
    /// A dropped future's command either never begins or takes effect as a whole.
    pub async fn run(&self, tenant: TenantId, command: Command) -> Result<Done<Outcome>, StockError> {
        let writer = &self.writers[usize::from(command.action.shard(tenant)) % self.writers.len()];
        let is_repeat = command.once.as_ref().is_some_and(|once| once.presence.is_repeat());
        let (reply, answer) = oneshot::channel();
        let job = Job { tenant, command, trail: audit_log::current(), sent: Instant::now(), reply };
        writer.try_send(job).map_err(|_| StockError::Store(StoreError::Overloaded))?;
        let answer = wait_for(is_repeat, answer).await.map_err(|fault| StockError::Store(fault.into()))?;
        // A writer that panics drops its batch unanswered; it may have been committing.
        let Ok((answer, took)) = answer else { return Err(StockError::Store(StoreError::OutcomeUnknown)) };
        spent::note(took);
        if let Err(StockError::Refused(Refusal::FenceStale { .. })) = &answer {
            self.stats.fenced_out.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn run_plain(
        &self,
        tenant: TenantId,
        actor: UserId,
        action: Action,
        fence: Option<FenceClaim>,
    ) -> Result<Outcome, StockError> {
        self.run(tenant, Command { actor, fence, once: None, expected: Expected::Any, action }).await.map(Done::now)
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
        self.run_plain(tenant, actor, Action::reserve(tenant, reserve), fence).await.map(expect_reservation)
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
        match self.run_plain(tenant, actor, Action::receive(tenant, receive), fence).await? {
            Outcome::Receipt(receipt) => Ok(receipt),
            other => unreachable!("a receipt was asked for, not {other:?}"),
        }
    }

    /// Sets levels right: all lines or none. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::Mismatched`], [`Refusal::BelowZero`], [`Refusal::Unknown`], [`Refusal::Overflow`], [`Refusal::FenceStale`], or
    /// the store's.
    pub async fn adjust(
        &self,
        tenant: TenantId,
        actor: UserId,
        adjust: Adjust,
        fence: Option<FenceClaim>,
    ) -> Result<Adjustment, StockError> {
        match self.run_plain(tenant, actor, Action::adjust(tenant, adjust), fence).await? {
            Outcome::Adjustment(adjustment) => Ok(adjustment),
            other => unreachable!("an adjustment was asked for, not {other:?}"),
        }
    }

    /// Moves goods to another warehouse: all lines or none. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::Short`], [`Refusal::Unknown`], [`Refusal::Overflow`], [`Refusal::FenceStale`], or the store's.
    pub async fn transfer(
        &self,
        tenant: TenantId,
        actor: UserId,
        transfer: TransferStock,
        fence: Option<FenceClaim>,
    ) -> Result<Transfer, StockError> {
        match self.run_plain(tenant, actor, Action::transfer(tenant, transfer), fence).await? {
            Outcome::Transfer(transfer) => Ok(transfer),
            other => unreachable!("a transfer was asked for, not {other:?}"),
        }
    }

    /// Says how many units a level may promise beyond those that are there. Cancel safety as [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Promised`], or the store's.
    pub async fn limit_backorders(
        &self,
        tenant: TenantId,
        actor: UserId,
        (product, warehouse): (ProductId, WarehouseId),
        limit: i64,
    ) -> Result<StockLevel, StockError> {
        match self.run_plain(tenant, actor, Action::LimitBackorders(product, warehouse, limit), None).await? {
            Outcome::Level(level) => Ok(level),
            other => unreachable!("a level was asked for, not {other:?}"),
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
        self.run_plain(tenant, actor, Action::Release(id), fence).await.map(expect_reservation)
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
        self.run_plain(tenant, actor, Action::Ship(id), fence).await.map(expect_reservation)
    }

    /// Does something to a reservation: [`Action::ShipPart`], [`Action::Extend`] or [`Action::Expire`]. Cancel safety as
    /// [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Expired`], [`Refusal::AlreadyFulfilled`], [`Refusal::AlreadyReleased`],
    /// [`Refusal::BelongsToOrder`], [`Refusal::Exceeds`], [`Refusal::Unknown`], or the store's.
    pub async fn change_reservation(
        &self,
        tenant: TenantId,
        actor: UserId,
        action: Action,
    ) -> Result<Reservation, StockError> {
        self.run_plain(tenant, actor, action, None).await.map(expect_reservation)
    }

    /// Does something to an order: [`Action::FulfillOrder`], [`Action::ReturnOrder`] or [`Action::CloseOrder`]. Cancel safety as
    /// [`Ledger::reserve`].
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::OrderState`], [`Refusal::Exceeds`], [`Refusal::Unknown`], or the store's.
    pub async fn change_order(&self, tenant: TenantId, actor: UserId, action: Action) -> Result<Order, StockError> {
        self.run_plain(tenant, actor, action, None).await.map(expect_order)
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
        self.run_plain(tenant, actor, Action::place_order(tenant, order), fence).await.map(expect_order)
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
        self.run_plain(tenant, actor, Action::ConfirmOrder(id), fence).await.map(expect_order)
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
        self.run_plain(tenant, actor, Action::CancelOrder(id), fence).await.map(expect_order)
    }
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
