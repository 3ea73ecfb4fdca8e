//! Locks held in Redis, shared by all processes.
//!
//! Keys, all in one database: `lock:tenant:{t}:{resource}` is the lock and nothing else (STRING
//! `token|fence|since_ms|ttl_ms`, with its lifetime as TTL), so `KEYS "lock:*"` lists what is held; `lockq:..` (LIST) is the
//! line and `lockd:..` (ZSET) its deadlines; `fence:seq` and `fence:epoch` mint the fences of all locks.
//!
//! Invariants: each change is one script; a script looks at a bounded number of waiters; the token is compared inside the
//! script; a fence is minted only under an epoch of this very incarnation of Redis.
//! The server must not evict (`maxmemory-policy noeviction`). With a tag, which stands in braces before each key, all keys are in one
//! slot and in database 0, as a cluster wants it: a script names the counter of the fences too, so no lock can be in another slot.

mod background;
mod core;
mod scripts;
mod subscriber;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::background::Chore;
use self::core::Core;
use super::backend::LockBackend;
use super::bounds::{LockOptions, Ttl};
use super::error::AcquireError;
use super::fence::EpochSource;
use super::grant::{Grant, LockInfo, ReleaseOutcome, RenewOutcome};
use super::resource::LockKey;
use super::token::Token;
use crate::error::CoordError;
use crate::settings::RedisSettings;

/// The face of this back end: the shared core, and the ends of the two tasks that serve it.
pub(crate) struct RedisLocks {
    core: Arc<Core>,
    chores: mpsc::Sender<Chore>,
    subscribed: watch::Receiver<bool>,
    _stop_on_drop: DropGuard,
}

impl RedisLocks {
    /// Must be called within a tokio runtime. Does not wait for Redis.
    pub(crate) fn open(settings: &RedisSettings, epochs: Arc<dyn EpochSource>) -> Result<Self, CoordError> {
        let core = Arc::new(Core::open(settings, epochs)?);
        let stop = CancellationToken::new();
        let subscribed = subscriber::spawn(settings, Arc::clone(&core), stop.clone());
        let chores = background::spawn(Arc::clone(&core));
        Ok(Self { core, chores, subscribed, _stop_on_drop: stop.drop_guard() })
    }

    /// Leaves a call to the background; a full queue drops it, and the lifetime does the rest.
    fn later(&self, chore: Chore) {
        if self.chores.try_send(chore).is_err() {
            tracing::warn!("too many lock releases are waiting; one is left to its lifetime");
        }
    }
}

impl LockBackend for RedisLocks {
    fn acquire<'a>(&'a self, key: &'a LockKey, options: LockOptions) -> BoxFuture<'a, Result<Grant, AcquireError>> {
        waiting::acquire(self, key, options).boxed()
    }

    fn release<'a>(
        &'a self,
        key: &'a LockKey,
        token: Token,
    ) -> BoxFuture<'a, Result<(ReleaseOutcome, Option<Duration>), CoordError>> {
        self.core.release(key, token).boxed()
    }

    fn release_detached(&self, key: &LockKey, token: Token) {
        self.later(Chore::Release { key: key.clone(), token });
    }

    fn renew<'a>(
        &'a self,
        key: &'a LockKey,
        token: Token,
        ttl: Ttl,
    ) -> BoxFuture<'a, Result<RenewOutcome, CoordError>> {
        self.core.renew(key, token, ttl).boxed()
    }

    fn inspect<'a>(&'a self, key: &'a LockKey) -> BoxFuture<'a, Result<Option<LockInfo>, CoordError>> {
        self.core.inspect(key).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), CoordError>> {
        self.core.ping().boxed()
    }
}
