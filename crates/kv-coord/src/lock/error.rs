//! Why a lock was not had, or not kept.

use std::time::Duration;

use thiserror::Error;

use crate::error::CoordError;

/// Why a lock was not granted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// Somebody else held it all the time one was willing to wait.
    #[error("the lock is held by another; {position} wait before you")]
    Busy {
        /// How long until the holder's grant ends unless it is renewed.
        holder_ttl: Duration,
        /// How many were before the caller when it gave up.
        position: u32,
    },
    /// As many wait for it as may.
    #[error("{waiters} already wait for the lock")]
    QueueFull {
        /// How many wait.
        waiters: u32,
    },
    /// The store failed. Whether the lock was taken is not known; if it was, a release is under way and the lifetime
    /// bounds the rest.
    #[error("the lock could not be asked for")]
    Backend(#[from] CoordError),
}

/// Why a lock was not renewed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenewError {
    /// It is no longer the caller's.
    #[error(transparent)]
    Lost(#[from] LockLost),
    /// The store failed; the lock may still be the caller's.
    #[error("the lock could not be renewed")]
    Backend(#[from] CoordError),
}

/// The lock ended while its holder worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LockLost {
    /// Nobody holds it: it expired or was deleted.
    #[error("the lock ended before the work did")]
    Expired,
    /// Somebody else holds it.
    #[error("the lock went to another holder before the work ended")]
    NotOwner,
    /// It could not be renewed in time, so it must be taken as ended.
    #[error("the lock could not be renewed in time")]
    Unrenewed,
}

/// Why work under a lock has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The work never began.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// The work was cancelled part-way.
    #[error(transparent)]
    LockLost(#[from] LockLost),
}
