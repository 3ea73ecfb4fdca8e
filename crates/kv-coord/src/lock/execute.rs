//! Work that runs only as long as its lock is held.
//!
//! Invariant: the work is cancelled no later than the local deadline, which lies before the moment the store may give the
//! lock to another. What cancelling cannot stop (a statement already sent) the fence must: hand it to the database.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kv_types::TenantId;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::warn;

use super::bounds::{LockOptions, Ttl};
use super::error::{ExecuteError, LockLost};
use super::fence::Fence;
use super::grant::{ReleaseOutcome, RenewOutcome, whole_millis};
use super::guard::LockGuard;
use super::resource::{Resource, StockItem};
use super::service::LockService;

/// Pause after a renewal the store did not answer; the deadline bounds how many follow.
const RENEW_RETRY: Duration = Duration::from_millis(20);

/// The lock as the work under it sees it.
#[derive(Clone, Debug)]
pub struct HeldLock {
    fence: Fence,
    believed: Arc<Believed>,
}

impl HeldLock {
    /// The grant's number, to be checked by the database in the same transaction as the writes.
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// How long the lock may still be believed in if no further renewal succeeds.
    pub fn remaining(&self) -> Duration {
        self.believed.until().saturating_duration_since(Instant::now())
    }
}

/// Until when the lock is believed in: written by the renewal, read by the work.
#[derive(Debug)]
struct Believed {
    begin: Instant,
    until_ms: AtomicU64,
}

impl Believed {
    fn new(until: Instant) -> Arc<Self> {
        let believed = Self { begin: Instant::now(), until_ms: AtomicU64::new(0) };
        believed.set(until);
        Arc::new(believed)
    }

    fn set(&self, until: Instant) {
        // Rounded down to the millisecond, so never past the truth.
        self.until_ms.store(whole_millis(until.saturating_duration_since(self.begin)), Ordering::Release);
    }

    fn until(&self) -> Instant {
        self.begin + Duration::from_millis(self.until_ms.load(Ordering::Acquire))
    }
}

impl LockService {
    /// Runs `work` under the lock, renewing it meanwhile every third of its lifetime.
    ///
    /// # Errors
    /// [`ExecuteError::Acquire`] when the lock was not had and `work` never began; [`ExecuteError::LockLost`] when it ended
    /// before `work` did, which was then cancelled (its future dropped).
    /// # Cancel safety
    /// Dropping the future drops `work` and releases the lock in the background.
    pub async fn execute_with_lock<T, F, Fut>(
        &self,
        tenant: TenantId,
        resource: &Resource,
        options: LockOptions,
        work: F,
    ) -> Result<T, ExecuteError>
    where
        F: FnOnce(HeldLock) -> Fut,
        Fut: Future<Output = T>,
    {
        let guard = self.acquire(tenant, resource, options.wait, options.ttl).await?;
        let believed = Believed::new(guard.believed_until());
        let held = HeldLock { fence: guard.fence(), believed: Arc::clone(&believed) };
        let outcome = {
            let work = pin!(work(held));
            let kept = pin!(keep(self, &guard, options.ttl, &believed));
            tokio::select! {
                biased;
                value = work => Ok(value),
                lost = kept => Err(lost),
            }
        };
        match outcome {
            Ok(value) => {
                report_release(guard, resource).await;
                Ok(value)
            }
            Err(lost) => Err(lost.into()),
        }
    }

    /// Runs `work` under the lock of a product's stock. The lock covers the product in all warehouses, because an order may
    /// take from several; the row itself is defended by the database, which checks the fence.
    ///
    /// # Errors
    /// As [`LockService::execute_with_lock`].
    pub async fn execute_stock_operation<T, F, Fut>(
        &self,
        tenant: TenantId,
        item: StockItem,
        options: LockOptions,
        work: F,
    ) -> Result<T, ExecuteError>
    where
        F: FnOnce(HeldLock) -> Fut,
        Fut: Future<Output = T>,
    {
        self.execute_with_lock(tenant, &Resource::stock(item.product), options, work).await
    }
}

/// Renews until that fails for good, and says why.
async fn keep(service: &LockService, guard: &LockGuard, ttl: Ttl, believed: &Believed) -> LockLost {
    let mut renew_at = Instant::now() + ttl.get() / 3;
    loop {
        let deadline = believed.until();
        sleep_until(renew_at.min(deadline)).await;
        let asked_at = Instant::now();
        if deadline <= asked_at {
            return LockLost::Unrenewed;
        }
        match timeout_at(deadline, service.backend().renew(guard.key(), guard.token(), ttl)).await {
            Ok(Ok(RenewOutcome::Renewed)) => {
                believed.set(asked_at + ttl.believed());
                renew_at = asked_at + ttl.get() / 3;
            }
            Ok(Ok(RenewOutcome::Expired)) => return LockLost::Expired,
            Ok(Ok(RenewOutcome::NotOwner)) => return LockLost::NotOwner,
            Ok(Err(_)) => renew_at = Instant::now() + RENEW_RETRY,
            Err(_) => return LockLost::Unrenewed,
        }
    }
}

/// The work is done and its value stands, so a release that fails is told to the log alone.
async fn report_release(guard: LockGuard, resource: &Resource) {
    let fence = guard.fence();
    match guard.release().await {
        Ok(ReleaseOutcome::Released { .. }) => {}
        Ok(outcome @ (ReleaseOutcome::Expired | ReleaseOutcome::NotOwner)) => {
            warn!(%resource, %fence, ?outcome, "the lock ended before the work under it did");
        }
        Err(error) => warn!(%resource, %fence, error = &error as &dyn std::error::Error, "lock not released"),
    }
}

#[cfg(test)]
#[path = "execute_tests.rs"]
mod tests;
