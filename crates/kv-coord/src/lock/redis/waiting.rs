//! Standing in line.
//!
//! Invariants: whoever goes away early, for whatever reason, leaves the line or gives back its grant; a grant is believed in
//! from before the script that made it was sent; a lost wake-up is found within about a second by asking.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::RedisLocks;
use super::background::Chore;
use super::core::{Caller, OnGrant};
use super::scripts::Reply;
use crate::error::CoordError;
use crate::lock::backend::QUEUE_CAP;
use crate::lock::bounds::LockOptions;
use crate::lock::error::AcquireError;
use crate::lock::grant::Grant;
use crate::lock::resource::LockKey;
use crate::lock::token::Token;

/// How long to wait for the subscription before joining a line without it.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_millis(200);
/// How much longer Redis keeps a waiter than the waiter means to wait, so that it is still there to say where it stood.
const OVERDUE: Duration = Duration::from_millis(100);
/// After the holder's lifetime, so that the look finds the key gone.
const AFTER_EXPIRY: Duration = Duration::from_millis(5);
/// How often in a row a waiter may fail to reach Redis before it gives up.
const MAX_FAILED_LOOKS: u32 = 2;

/// One waiter, from before its first call until it has its answer.
struct Waiting<'a> {
    locks: &'a RedisLocks,
    key: &'a LockKey,
    caller: Caller,
    bell: Arc<Notify>,
    deadline: Instant,
    on_drop: OnDrop,
}

#[derive(Debug, PartialEq)]
enum OnDrop {
    Cancel,
    Nothing,
}

/// Where the waiter stands.
enum Standing {
    Granted(Grant),
    InLine { look_at: Instant },
    Unknown,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.locks.core.forget(self.caller.token);
        if self.on_drop == OnDrop::Cancel {
            self.locks.later(Chore::Cancel { key: self.key.clone(), caller: self.caller.clone() });
        }
    }
}

pub(super) async fn acquire(locks: &RedisLocks, key: &LockKey, options: LockOptions) -> Result<Grant, AcquireError> {
    let caller = locks.core.caller(Token::random(), options.ttl);
    let bell = locks.core.expect(caller.token);
    let deadline = Instant::now() + options.wait.get();
    let mut waiting = Waiting { locks, key, caller, bell, deadline, on_drop: OnDrop::Cancel };
    let outcome = waiting.acquire(options).await;
    // After an error of the store it is not known whether Redis counts this caller in; all else is settled.
    if !matches!(outcome, Err(AcquireError::Backend(_))) {
        waiting.on_drop = OnDrop::Nothing;
    }
    outcome
}

impl Waiting<'_> {
    async fn acquire(&self, options: LockOptions) -> Result<Grant, AcquireError> {
        if !options.wait.get().is_zero() {
            self.subscribed().await;
        }
        let mut standing = self.ask().await?;
        let mut failed_looks = 0;
        loop {
            let look_at = match standing {
                Standing::Granted(grant) => return Ok(grant),
                Standing::InLine { look_at } => look_at,
                // Redis lost the line, or skipped this process while it was not listening.
                Standing::Unknown => {
                    standing = self.ask().await?;
                    continue;
                }
            };
            tokio::select! {
                biased;
                () = self.bell.notified() => {}
                () = sleep_until(look_at.min(self.deadline)) => {}
            }
            if self.deadline <= Instant::now() {
                return self.give_up().await;
            }
            standing = match self.claim().await {
                Ok(standing) => {
                    failed_looks = 0;
                    standing
                }
                Err(error) if error.is_unreachable() && failed_looks < MAX_FAILED_LOOKS => {
                    failed_looks += 1;
                    Standing::InLine { look_at: Instant::now() + look_interval() }
                }
                Err(error) => return Err(error.into()),
            };
        }
    }

    async fn subscribed(&self) {
        let mut subscribed = self.locks.subscribed.clone();
        let patience = self.deadline.min(Instant::now() + SUBSCRIBE_PATIENCE);
        // Either way the waiter goes on: without wake-ups it finds its turn by asking.
        drop(timeout_at(patience, subscribed.wait_for(|up| *up)).await);
    }

    async fn ask(&self) -> Result<Standing, AcquireError> {
        let asked_at = Instant::now();
        let left = self.deadline.saturating_duration_since(asked_at);
        // Zero means "do not join"; a waiter whose time is up must not join either.
        let wait = if left < Duration::from_millis(1) { Duration::ZERO } else { left + OVERDUE };
        let reply = self.locks.core.ask(self.key, &self.caller, wait, QUEUE_CAP).await?;
        match reply.word.as_str() {
            "BUSY" => {
                let position = position_of(reply.number(0)?);
                Err(AcquireError::Busy { holder_ttl: Duration::from_millis(reply.number(1)?), position })
            }
            "FULL" => Err(AcquireError::QueueFull { waiters: position_of(reply.number(0)?) }),
            _ => Ok(self.standing(&reply, asked_at)?),
        }
    }

    async fn claim(&self) -> Result<Standing, CoordError> {
        let asked_at = Instant::now();
        let reply = self.locks.core.claim(self.key, &self.caller).await?;
        self.standing(&reply, asked_at)
    }

    /// Leaves the line, unless the lock came at the last moment.
    async fn give_up(&self) -> Result<Grant, AcquireError> {
        let asked_at = Instant::now();
        let reply = self.locks.core.cancel(self.key, &self.caller, OnGrant::Keep).await?;
        match reply.word.as_str() {
            "GRANTED" => Ok(self.granted(&reply, asked_at)?),
            "LEFT" => {
                let position = position_of(reply.number(0)?);
                Err(AcquireError::Busy { holder_ttl: Duration::from_millis(reply.number(1)?), position })
            }
            _ => Err(reply.unexpected().into()),
        }
    }

    fn granted(&self, reply: &Reply, asked_at: Instant) -> Result<Grant, CoordError> {
        let fence = reply.fence()?;
        self.locks.core.saw(fence);
        Ok(Grant::new(self.caller.token, fence, self.caller.ttl, asked_at))
    }

    fn standing(&self, reply: &Reply, asked_at: Instant) -> Result<Standing, CoordError> {
        match reply.word.as_str() {
            "GRANTED" => Ok(Standing::Granted(self.granted(reply, asked_at)?)),
            "QUEUED" => {
                let holder_ttl = Duration::from_millis(reply.number(1)?);
                let mut look_in = look_interval();
                // A free lock with a line: one call passed over as many as it may look at, and the next one goes on.
                if reply.number(0)? == 0 || holder_ttl.is_zero() {
                    look_in = look_in.min(holder_ttl + AFTER_EXPIRY);
                }
                Ok(Standing::InLine { look_at: Instant::now() + look_in })
            }
            "UNKNOWN" => Ok(Standing::Unknown),
            _ => Err(reply.unexpected()),
        }
    }
}

/// About a second, spread out so that the waiters of one line do not ask in step.
fn look_interval() -> Duration {
    Duration::from_millis(rand::rng().random_range(750..1_250))
}

fn position_of(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
