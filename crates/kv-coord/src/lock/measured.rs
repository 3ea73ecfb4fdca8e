//! A store of locks that counts what it is asked and what it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use kv_types::histogram::DurationHistogram;
use tokio::time::Instant;

use super::backend::LockBackend;
use super::bounds::{LockOptions, Ttl};
use super::error::AcquireError;
use super::grant::{Grant, LockInfo, ReleaseOutcome, RenewOutcome};
use super::resource::LockKey;
use super::token::Token;
use crate::error::CoordError;

/// What has become of this process's locks. All counters only grow, but for [`LockStats::waiting`].
#[derive(Debug, Default)]
pub struct LockStats {
    /// Grants.
    pub granted: AtomicU64,
    /// Who waited in vain.
    pub busy: AtomicU64,
    /// Who found the line full.
    pub queue_full: AtomicU64,
    /// Who could not be served because the store did not answer.
    pub failed: AtomicU64,
    /// Who is asking or waiting in line at this moment.
    pub waiting: AtomicI64,
    /// How long those waited that got the lock.
    pub wait: DurationHistogram,
    /// How long those had the lock that gave it back.
    pub hold: DurationHistogram,
    /// Holders that were told, at a renewal or a release, that they had lost the lock.
    pub lost: AtomicU64,
}

/// The store and its counts.
pub(super) struct Measured {
    store: Arc<dyn LockBackend>,
    stats: Arc<LockStats>,
}

/// One who waits; leaves the count however the wait ends.
struct Waiting<'a>(&'a LockStats);

impl<'a> Waiting<'a> {
    fn on(stats: &'a LockStats) -> Self {
        stats.waiting.fetch_add(1, Ordering::Relaxed);
        Self(stats)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Measured {
    pub(super) fn new(store: Arc<dyn LockBackend>) -> (Self, Arc<LockStats>) {
        let stats = Arc::new(LockStats::default());
        (Self { store, stats: Arc::clone(&stats) }, stats)
    }
}

impl LockBackend for Measured {
    fn acquire<'a>(&'a self, key: &'a LockKey, options: LockOptions) -> BoxFuture<'a, Result<Grant, AcquireError>> {
        async move {
            let stats = &*self.stats;
            let (_waiting, begun) = (Waiting::on(stats), Instant::now());
            let answer = self.store.acquire(key, options).await;
            let counter = match &answer {
                Ok(_) => {
                    stats.wait.record(begun.elapsed());
                    &stats.granted
                }
                Err(AcquireError::Busy { .. }) => &stats.busy,
                Err(AcquireError::QueueFull { .. }) => &stats.queue_full,
                Err(_) => &stats.failed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            answer
        }
        .boxed()
    }

    fn release<'a>(
        &'a self,
        key: &'a LockKey,
        token: Token,
    ) -> BoxFuture<'a, Result<(ReleaseOutcome, Option<Duration>), CoordError>> {
        async move {
            let answer = self.store.release(key, token).await;
            match &answer {
                Ok((ReleaseOutcome::Released { .. }, held)) => {
                    if let Some(held) = held {
                        self.stats.hold.record(*held);
                    }
                }
                Ok(_) => drop(self.stats.lost.fetch_add(1, Ordering::Relaxed)),
                Err(_) => {}
            }
            answer
        }
        .boxed()
    }

    fn release_detached(&self, key: &LockKey, token: Token) {
        self.store.release_detached(key, token);
    }

    fn renew<'a>(
        &'a self,
        key: &'a LockKey,
        token: Token,
        ttl: Ttl,
    ) -> BoxFuture<'a, Result<RenewOutcome, CoordError>> {
        async move {
            let answer = self.store.renew(key, token, ttl).await;
            if matches!(answer, Ok(RenewOutcome::Expired | RenewOutcome::NotOwner)) {
                self.stats.lost.fetch_add(1, Ordering::Relaxed);
            }
            answer
        }
        .boxed()
    }

    fn inspect<'a>(&'a self, key: &'a LockKey) -> BoxFuture<'a, Result<Option<LockInfo>, CoordError>> {
        self.store.inspect(key)
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), CoordError>> {
        self.store.ping()
    }
}
