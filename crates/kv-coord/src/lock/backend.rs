//! What a store of locks can do.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::bounds::{LockOptions, Ttl};
use super::error::AcquireError;
use super::grant::{Grant, LockInfo, ReleaseOutcome, RenewOutcome};
use super::resource::LockKey;
use super::token::Token;
use crate::error::CoordError;

/// How many may wait for one lock.
pub const QUEUE_CAP: u32 = 256;

/// A store of locks.
pub(crate) trait LockBackend: Send + Sync + 'static {
    /// Waits in line for the lock.
    ///
    /// # Cancel safety
    /// Dropping the future takes the waiter out of the line, or gives back a grant that was already on its way.
    fn acquire<'a>(&'a self, key: &'a LockKey, options: LockOptions) -> BoxFuture<'a, Result<Grant, AcquireError>>;

    /// Gives the lock back and hands it to the next in line, in one step. With it comes how long it was held, when that is known.
    fn release<'a>(
        &'a self,
        key: &'a LockKey,
        token: Token,
    ) -> BoxFuture<'a, Result<(ReleaseOutcome, Option<Duration>), CoordError>>;

    /// The same, without an answer and without blocking: for `Drop`.
    fn release_detached(&self, key: &LockKey, token: Token);

    /// Starts the lifetime anew.
    fn renew<'a>(&'a self, key: &'a LockKey, token: Token, ttl: Ttl)
    -> BoxFuture<'a, Result<RenewOutcome, CoordError>>;

    /// Who holds the lock, if anybody does.
    fn inspect<'a>(&'a self, key: &'a LockKey) -> BoxFuture<'a, Result<Option<LockInfo>, CoordError>>;

    /// Whether the store answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), CoordError>>;
}
