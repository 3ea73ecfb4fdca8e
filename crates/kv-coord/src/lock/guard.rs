//! A lock in the hands of this process.

use std::time::Duration;

use tokio::time::Instant;

use super::bounds::Ttl;
use super::error::{LockLost, RenewError};
use super::fence::Fence;
use super::grant::{Grant, LockGrant, ReleaseOutcome, RenewOutcome};
use super::resource::LockKey;
use super::service::LockService;
use super::token::Token;
use crate::error::CoordError;

/// A held lock. Dropping it sends a release without waiting for the answer; [`LockGuard::release`] waits and tells.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct LockGuard {
    service: LockService,
    key: LockKey,
    grant: Grant,
    on_drop: OnDrop,
}

#[derive(Debug, PartialEq)]
enum OnDrop {
    Release,
    Nothing,
}

impl LockGuard {
    pub(super) fn new(service: LockService, key: LockKey, grant: Grant) -> Self {
        Self { service, key, grant, on_drop: OnDrop::Release }
    }

    /// The grant's number, to be checked by whatever the lock protects.
    pub const fn fence(&self) -> Fence {
        self.grant.fence
    }

    /// Proof of ownership.
    pub const fn token(&self) -> Token {
        self.grant.token
    }

    /// How long this process may still believe in the lock; zero when it must not.
    pub fn remaining(&self) -> Duration {
        self.grant.believed_until.saturating_duration_since(Instant::now())
    }

    pub(super) const fn key(&self) -> &LockKey {
        &self.key
    }

    pub(super) const fn believed_until(&self) -> Instant {
        self.grant.believed_until
    }

    /// Starts the lifetime anew, now with `ttl`.
    ///
    /// # Errors
    /// [`RenewError::Lost`] when the lock is no longer held; [`RenewError::Backend`] when the store did not answer, in which
    /// case [`LockGuard::remaining`] still tells the truth.
    /// # Cancel safety
    /// Dropping the future may or may not have renewed; `remaining` stays on the safe side.
    pub async fn renew(&mut self, ttl: Ttl) -> Result<(), RenewError> {
        let asked_at = Instant::now();
        match self.service.backend().renew(&self.key, self.grant.token, ttl).await? {
            RenewOutcome::Renewed => {
                self.grant = Grant::new(self.grant.token, self.grant.fence, ttl, asked_at);
                Ok(())
            }
            RenewOutcome::Expired => Err(LockLost::Expired.into()),
            RenewOutcome::NotOwner => Err(LockLost::NotOwner.into()),
        }
    }

    /// Gives the lock back and tells what became of it.
    ///
    /// # Errors
    /// When the store did not answer: the lock then ends with its lifetime at the latest.
    /// # Cancel safety
    /// Dropping the future sends the release in the background.
    pub async fn release(mut self) -> Result<ReleaseOutcome, CoordError> {
        let outcome = self.service.backend().release(&self.key, self.grant.token).await.map(|(outcome, _held)| outcome);
        // After an error the background tries again; after an answer there is nothing left to give back.
        if outcome.is_ok() {
            self.on_drop = OnDrop::Nothing;
        }
        outcome
    }

    /// Leaves the lock to a holder outside this process, who renews and releases it by its token.
    pub fn detach(mut self) -> LockGrant {
        self.on_drop = OnDrop::Nothing;
        LockGrant { token: self.grant.token, fence: self.grant.fence, ttl: self.grant.ttl }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::Release {
            self.service.backend().release_detached(&self.key, self.grant.token);
        }
    }
}
