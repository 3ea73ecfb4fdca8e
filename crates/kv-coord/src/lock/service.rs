//! The face of the locks, the same for both back ends.

use std::fmt;
use std::sync::Arc;

use kv_types::TenantId;

use super::backend::LockBackend;
use super::bounds::{LockOptions, Ttl, Wait};
use super::error::{AcquireError, LockLost, RenewError};
use super::fence::{Epoch, EpochSource};
use super::grant::{LockInfo, ReleaseOutcome, RenewOutcome};
use super::guard::LockGuard;
use super::in_process::InProcess;
use super::measured::{LockStats, Measured};
use super::redis::RedisLocks;
use super::resource::{LockKey, Resource};
use super::token::Token;
use crate::error::CoordError;
use crate::settings::RedisSettings;

/// Locks by tenant and resource. Cloning is cheap and gives the same locks.
#[derive(Clone)]
pub struct LockService {
    backend: Arc<dyn LockBackend>,
    stats: Arc<LockStats>,
}

impl fmt::Debug for LockService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockService").finish_non_exhaustive()
    }
}

impl LockService {
    /// Locks held in this process alone. `epoch` must be higher than that of any process before, if fences are kept anywhere.
    pub fn in_process(epoch: Epoch) -> Self {
        Self::with_backend(Arc::new(InProcess::new(epoch)))
    }

    /// Locks held in Redis, shared by all processes that name the same server. `epochs` is asked for a number whenever this
    /// Redis has none of its own yet: at first use, and after a restart, failover or flush.
    ///
    /// Does not wait for Redis, so that a service can start while Redis is away; [`LockService::ping`] asks.
    ///
    /// # Errors
    /// [`CoordError::BadUrl`] when the settings cannot be used.
    /// # Panics
    /// Outside a tokio runtime.
    pub fn redis(settings: &RedisSettings, epochs: impl EpochSource) -> Result<Self, CoordError> {
        Ok(Self::with_backend(Arc::new(RedisLocks::open(settings, Arc::new(epochs))?)))
    }

    pub(super) fn with_backend(backend: Arc<dyn LockBackend>) -> Self {
        let (measured, stats) = Measured::new(backend);
        Self { backend: Arc::new(measured), stats }
    }

    /// What has become of the locks of this service and its clones.
    pub fn stats(&self) -> &LockStats {
        &self.stats
    }

    pub(super) fn backend(&self) -> &dyn LockBackend {
        self.backend.as_ref()
    }

    /// Takes the lock, waiting in line for at most `wait` (and about one round trip).
    ///
    /// # Errors
    /// [`AcquireError::Busy`] when `wait` passed, [`AcquireError::QueueFull`] when the line is at its bound,
    /// [`AcquireError::Backend`] when the store failed.
    /// # Cancel safety
    /// Dropping the future leaves the line, or gives back a grant that was already on its way.
    pub async fn acquire(
        &self,
        tenant: TenantId,
        resource: &Resource,
        wait: Wait,
        ttl: Ttl,
    ) -> Result<LockGuard, AcquireError> {
        let key = LockKey::new(tenant, resource);
        let grant = self.backend.acquire(&key, LockOptions { wait, ttl }).await?;
        Ok(LockGuard::new(self.clone(), key, grant))
    }

    /// Gives back a lock by its token, for a holder outside this process.
    ///
    /// # Errors
    /// When the store did not answer: the lock then ends with its lifetime at the latest.
    pub async fn release(
        &self,
        tenant: TenantId,
        resource: &Resource,
        token: Token,
    ) -> Result<ReleaseOutcome, CoordError> {
        Ok(self.backend.release(&LockKey::new(tenant, resource), token).await?.0)
    }

    /// Starts a lock's lifetime anew by its token, for a holder outside this process.
    ///
    /// # Errors
    /// [`RenewError::Lost`] when the token does not hold the lock, [`RenewError::Backend`] when the store did not answer.
    pub async fn renew(&self, tenant: TenantId, resource: &Resource, token: Token, ttl: Ttl) -> Result<(), RenewError> {
        match self.backend.renew(&LockKey::new(tenant, resource), token, ttl).await? {
            RenewOutcome::Renewed => Ok(()),
            RenewOutcome::Expired => Err(LockLost::Expired.into()),
            RenewOutcome::NotOwner => Err(LockLost::NotOwner.into()),
        }
    }

    /// The lock as it stands, if it is held. A hint: it may have changed when the answer arrives.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn exists(&self, tenant: TenantId, resource: &Resource) -> Result<Option<LockInfo>, CoordError> {
        self.backend.inspect(&LockKey::new(tenant, resource)).await
    }

    /// Asks the store for a sign of life.
    ///
    /// # Errors
    /// When it gave none.
    pub async fn ping(&self) -> Result<(), CoordError> {
        self.backend.ping().await
    }
}
