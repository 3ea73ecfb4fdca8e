//! Locks held in this process: the twin of the Redis back end for one node and for tests.
//!
//! Invariants: every change of a lock happens under its shard's mutex, which is never held across an await; a waiter that is
//! dropped leaves the line at once; the table forgets ended locks and refuses to grow past [`MAX_LOCKS`].
//! Absent on purpose: a timer task. Whoever waits looks when the holder's lifetime ends, and about every second in case another
//! with less time has followed; if nobody waits, nobody cares.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{self, BoxFuture, FutureExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::backend::LockBackend;
use super::bounds::{LockOptions, Ttl};
use super::error::AcquireError;
use super::fence::{Epoch, Mint};
use super::grant::{Grant, LockInfo, ReleaseOutcome, RenewOutcome};
use super::resource::LockKey;
use super::state::{Claimant, LockState, Try, Wake};
use super::token::Token;
use crate::error::CoordError;
use crate::sweep::Sweep;

const SHARDS: usize = 32;
/// How many locks one process holds at most; a bound on memory, far above any honest use.
const MAX_LOCKS: usize = 1 << 20;
/// How long a waiter relies on what it saw. A hand-over or a renewal may bring the end nearer and tells those behind nothing.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

type State = LockState<oneshot::Sender<Grant>>;

impl Wake for oneshot::Sender<Grant> {
    fn deliver(self, grant: Grant) -> bool {
        self.send(grant).is_ok()
    }
}

/// The table of locks.
#[derive(Debug)]
pub(crate) struct InProcess {
    shards: Vec<Mutex<Shard>>,
    mint: Mint,
}

#[derive(Debug, Default)]
struct Shard {
    locks: HashMap<LockKey, State>,
    sweep: Sweep,
}

impl Shard {
    /// The lock under `key`, made if need be; `None` when the table is full.
    fn lock_of(&mut self, key: &LockKey, now: Instant) -> Option<&mut State> {
        if !self.locks.contains_key(key) {
            if self.sweep.due_after_insert(self.locks.len()) || self.locks.len() >= MAX_LOCKS / SHARDS {
                self.locks.retain(|_, state| !state.is_idle(now));
            }
            if self.locks.len() >= MAX_LOCKS / SHARDS {
                return None;
            }
        }
        Some(self.locks.entry(key.clone()).or_default())
    }

    /// Applies `change` to an existing lock and forgets it when it has ended.
    fn change<T>(&mut self, key: &LockKey, now: Instant, change: impl FnOnce(&mut State) -> T) -> Option<T> {
        let Entry::Occupied(mut entry) = self.locks.entry(key.clone()) else {
            return None;
        };
        let outcome = change(entry.get_mut());
        if entry.get().is_idle(now) {
            entry.remove();
        }
        Some(outcome)
    }
}

enum First {
    Granted(Grant),
    InLine { look_at: Instant },
}

impl InProcess {
    pub(crate) fn new(epoch: Epoch) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, mint: Mint::new(epoch) }
    }

    fn shard(&self, key: &LockKey) -> MutexGuard<'_, Shard> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let shard = &self.shards[hasher.finish() as usize % SHARDS];
        // No code under this mutex can leave a lock half-changed, so a panic elsewhere does not spoil it.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(
        &self,
        key: &LockKey,
        claimant: Claimant,
        options: LockOptions,
        wake: oneshot::Sender<Grant>,
    ) -> Result<First, AcquireError> {
        let now = Instant::now();
        let mut shard = self.shard(key);
        let state = shard.lock_of(key, now).ok_or(CoordError::TooManyLocks { limit: MAX_LOCKS })?;
        let until = match state.try_acquire(now, claimant, &self.mint) {
            Try::Granted(grant) => return Ok(First::Granted(grant)),
            Try::FencesUsedUp => return Err(CoordError::FencesUsedUp.into()),
            Try::Held { until } => until,
        };
        if options.wait.get().is_zero() {
            return Err(AcquireError::Busy { holder_ttl: until.duration_since(now), position: state.waiters() });
        }
        match state.join(claimant, now + options.wait.get(), wake) {
            Ok(()) => Ok(First::InLine { look_at: until }),
            Err(waiters) => Err(AcquireError::QueueFull { waiters }),
        }
    }

    /// Ends an expired grant; returns when to look again.
    fn look(&self, key: &LockKey) -> Option<Instant> {
        let now = Instant::now();
        self.shard(key).change(key, now, |state| state.settle(now, &self.mint)).flatten()
    }

    fn stand_of(&self, key: &LockKey, token: Token) -> AcquireError {
        let now = Instant::now();
        let standing = self.shard(key).change(key, now, |state| state.standing(token));
        let (position, until) = standing.unwrap_or((0, None));
        let holder_ttl = until.map(|until| until.saturating_duration_since(now)).unwrap_or_default();
        AcquireError::Busy { holder_ttl, position }
    }

    fn cancel(&self, key: &LockKey, token: Token) {
        let now = Instant::now();
        self.shard(key).change(key, now, |state| state.cancel(now, token, &self.mint));
    }

    async fn wait_in_line(
        &self,
        place: Place<'_>,
        mut delivery: oneshot::Receiver<Grant>,
        deadline: Instant,
        mut look_at: Instant,
    ) -> Result<Grant, AcquireError> {
        loop {
            let wake_at = deadline.min(look_at).min(Instant::now() + LOOK_INTERVAL);
            tokio::select! {
                biased;
                granted = &mut delivery => {
                    // The sender goes away undelivered only when the line dropped this waiter as overdue.
                    return match granted {
                        Ok(grant) => { place.taken(); Ok(grant) }
                        Err(_) => Err(self.stand_of(place.key, place.token)),
                    };
                }
                () = sleep_until(wake_at) => {}
            }
            if deadline <= Instant::now() {
                let busy = self.stand_of(place.key, place.token);
                // A grant may have come between the timer and here: it was in time, so it counts.
                return match delivery.try_recv() {
                    Ok(grant) => {
                        place.taken();
                        Ok(grant)
                    }
                    Err(_) => Err(busy),
                };
            }
            look_at = self.look(place.key).unwrap_or(deadline);
        }
    }
}

/// A place in the line; dropping it leaves the line, or gives back a grant that was not taken.
struct Place<'a> {
    table: &'a InProcess,
    key: &'a LockKey,
    token: Token,
    state: PlaceState,
}

#[derive(PartialEq)]
enum PlaceState {
    Open,
    Taken,
}

impl Place<'_> {
    fn taken(mut self) {
        self.state = PlaceState::Taken;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.state == PlaceState::Open {
            self.table.cancel(self.key, self.token);
        }
    }
}

impl LockBackend for InProcess {
    fn acquire<'a>(&'a self, key: &'a LockKey, options: LockOptions) -> BoxFuture<'a, Result<Grant, AcquireError>> {
        async move {
            let deadline = Instant::now() + options.wait.get();
            let claimant = Claimant { token: Token::random(), ttl: options.ttl };
            let (wake, delivery) = oneshot::channel();
            match self.ask(key, claimant, options, wake)? {
                First::Granted(grant) => Ok(grant),
                First::InLine { look_at } => {
                    let place = Place { table: self, key, token: claimant.token, state: PlaceState::Open };
                    self.wait_in_line(place, delivery, deadline, look_at).await
                }
            }
        }
        .boxed()
    }

    fn release<'a>(
        &'a self,
        key: &'a LockKey,
        token: Token,
    ) -> BoxFuture<'a, Result<(ReleaseOutcome, Option<Duration>), CoordError>> {
        let now = Instant::now();
        let outcome = self.shard(key).change(key, now, |state| {
            let held = state.inspect(now, &self.mint).map(|info| Duration::from_millis(info.age_ms));
            (state.release(now, token, &self.mint), held)
        });
        future::ready(Ok(outcome.unwrap_or((ReleaseOutcome::Expired, None)))).boxed()
    }

    fn release_detached(&self, key: &LockKey, token: Token) {
        self.cancel(key, token);
    }

    fn renew<'a>(
        &'a self,
        key: &'a LockKey,
        token: Token,
        ttl: Ttl,
    ) -> BoxFuture<'a, Result<RenewOutcome, CoordError>> {
        let now = Instant::now();
        let outcome = self.shard(key).change(key, now, |state| state.renew(now, token, ttl, &self.mint));
        future::ready(Ok(outcome.unwrap_or(RenewOutcome::Expired))).boxed()
    }

    fn inspect<'a>(&'a self, key: &'a LockKey) -> BoxFuture<'a, Result<Option<LockInfo>, CoordError>> {
        let now = Instant::now();
        let info = self.shard(key).change(key, now, |state| state.inspect(now, &self.mint)).flatten();
        future::ready(Ok(info)).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), CoordError>> {
        future::ready(Ok(())).boxed()
    }
}
