//! Locks against what only Redis can suffer: other people's hands, crashes, flushes, lost messages and dead processes.

mod keys;
mod trouble;

use std::time::Duration;

use kv_coord::lock::{AcquireError, LockGuard, LockInfo, Resource, Ttl, Wait};
use kv_coord::{CoordError, LockService};
use kv_types::TenantId;
use sandbox::{Redis, RedisOptions};

use crate::server::{self, Operator};

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const LOCK_DB: u8 = 2;

/// A Redis of one's own and a lock in it.
struct Scene {
    redis: Redis,
    locks: LockService,
    tenant: TenantId,
    resource: Resource,
}

impl Scene {
    async fn new() -> Self {
        Self::with(RedisOptions::default()).await
    }

    async fn with(options: RedisOptions) -> Self {
        let redis = Redis::start(options).await.expect("a Redis");
        let locks = server::locks(&redis.url());
        let tenant = TenantId::new(1).expect("positive");
        let resource = Resource::parse("stock:product-123").expect("an allowed name");
        Self { redis, locks, tenant, resource }
    }

    fn operator(&self) -> Operator {
        Operator::of(&self.redis.url(), LOCK_DB)
    }

    async fn acquire(&self, wait_ms: u64, ttl_ms: u64) -> Result<LockGuard, AcquireError> {
        self.acquire_through(&self.locks, wait_ms, ttl_ms).await
    }

    async fn acquire_through(&self, locks: &LockService, wait_ms: u64, ttl_ms: u64) -> Result<LockGuard, AcquireError> {
        let wait = Wait::from_millis(wait_ms).expect("in range");
        let ttl = Ttl::from_millis(ttl_ms).expect("in range");
        locks.acquire(self.tenant, &self.resource, wait, ttl).await
    }

    async fn hold(&self, wait_ms: u64, ttl_ms: u64) -> LockGuard {
        self.acquire(wait_ms, ttl_ms).await.expect("the lock should be had")
    }

    /// Waits for the lock in a task of its own.
    fn wait_for_it(&self, locks: &LockService) -> tokio::task::JoinHandle<LockGuard> {
        let (locks, tenant, resource) = (locks.clone(), self.tenant, self.resource.clone());
        let wait = Wait::from_millis(30_000).expect("in range");
        let ttl = Ttl::from_millis(60_000).expect("in range");
        tokio::spawn(async move { locks.acquire(tenant, &resource, wait, ttl).await.expect("the lock should be had") })
    }

    /// Waits for the lock and gives it back, in a task of its own.
    fn take_a_turn(&self, locks: &LockService) -> tokio::task::JoinHandle<()> {
        let waiting = self.wait_for_it(locks);
        tokio::spawn(async move {
            let guard = waiting.await.expect("the waiter should not panic");
            guard.release().await.expect("Redis should answer");
        })
    }

    async fn info(&self) -> Result<Option<LockInfo>, CoordError> {
        self.locks.exists(self.tenant, &self.resource).await
    }

    async fn until_waiting(&self, count: u32) {
        let waiting = async || matches!(self.info().await, Ok(Some(info)) if info.waiters == count);
        sandbox::testing::eventually(PATIENCE, waiting).await;
    }
}
