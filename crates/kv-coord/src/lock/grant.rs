//! What the back ends answer.

use std::time::Duration;

use tokio::time::Instant;

use super::bounds::Ttl;
use super::fence::Fence;
use super::token::Token;

/// One grant as its holder knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    pub(crate) token: Token,
    pub(crate) fence: Fence,
    pub(crate) ttl: Ttl,
    /// Until when the holder may believe in it: earlier than the store forgets it.
    pub(crate) believed_until: Instant,
}

impl Grant {
    /// A grant asked for at `asked_at`; that moment and not the answer's, since the lifetime may have begun right then.
    pub(crate) fn new(token: Token, fence: Fence, ttl: Ttl, asked_at: Instant) -> Self {
        Self { token, fence, ttl, believed_until: asked_at + ttl.believed() }
    }
}

/// A lock whose holder is somebody outside this process, for example the client of an HTTP call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockGrant {
    /// Needed to renew and release.
    pub token: Token,
    /// The grant's number.
    pub fence: Fence,
    /// The lifetime it was granted with.
    pub ttl: Ttl,
}

/// What became of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// The lock was given back.
    Released {
        /// The fence of the waiter that has it now, if one waited.
        handed_to: Option<Fence>,
    },
    /// Nobody holds the lock: the lifetime had passed, or the lock was deleted.
    Expired,
    /// Somebody else holds the lock.
    NotOwner,
}

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RenewOutcome {
    Renewed,
    Expired,
    NotOwner,
}

/// A held lock seen from outside: a hint, never the condition for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockInfo {
    /// The holder's number.
    pub fence: Fence,
    /// How long it has been held.
    pub age_ms: u64,
    /// How long until it ends unless renewed.
    pub ttl_ms: u64,
    /// How many wait for it.
    pub waiters: u32,
}

/// Whole milliseconds of a duration, at most `u64::MAX`.
pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
