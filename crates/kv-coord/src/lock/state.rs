//! One lock and its line of waiters, as a function of state, event and time.
//!
//! Invariants: after [`LockState::settle`] there is no expired holder, and nobody waits for a free lock; a fence is minted
//! for every change of holder; waiters leave from the front only, or by their own wish.
//! Absent on purpose: clocks, threads and channels. Time comes in by argument, a waiter is woken through [`Wake`].

use std::collections::VecDeque;

use tokio::time::Instant;

use super::backend::QUEUE_CAP;
use super::bounds::Ttl;
use super::fence::{Fence, Mint};
use super::grant::{Grant, LockInfo, ReleaseOutcome, RenewOutcome, whole_millis};
use super::token::Token;

/// How a waiter learns of its grant.
pub(crate) trait Wake {
    /// Delivers the grant; false when the waiter is gone and the next one should be served.
    fn deliver(self, grant: Grant) -> bool;
}

/// Who asks for the lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimant {
    pub(crate) token: Token,
    pub(crate) ttl: Ttl,
}

#[derive(Clone, Debug)]
struct Holder {
    token: Token,
    fence: Fence,
    since: Instant,
    until: Instant,
}

#[derive(Clone, Debug)]
struct Waiter<W> {
    claimant: Claimant,
    deadline: Instant,
    wake: W,
}

/// One lock.
#[derive(Clone, Debug)]
pub(crate) struct LockState<W> {
    holder: Option<Holder>,
    line: VecDeque<Waiter<W>>,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub(crate) enum Try {
    Granted(Grant),
    /// Held by another until then.
    Held {
        until: Instant,
    },
    FencesUsedUp,
}

impl<W> Default for LockState<W> {
    fn default() -> Self {
        Self { holder: None, line: VecDeque::new() }
    }
}

impl<W: Wake> LockState<W> {
    /// Whether nothing would be lost by forgetting this lock at `now`.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.line.is_empty() && self.holder.as_ref().is_none_or(|holder| holder.until <= now)
    }

    /// Takes the lock if it is free and nobody waits.
    pub(crate) fn try_acquire(&mut self, now: Instant, claimant: Claimant, mint: &Mint) -> Try {
        if let Some(until) = self.settle(now, mint) {
            return Try::Held { until };
        }
        match self.grant(now, claimant, mint) {
            Some(grant) => Try::Granted(grant),
            None => Try::FencesUsedUp,
        }
    }

    /// Joins the end of the line; `Err` with the line's length when it is full.
    pub(crate) fn join(&mut self, claimant: Claimant, deadline: Instant, wake: W) -> Result<(), u32> {
        let waiters = self.waiters();
        if waiters >= QUEUE_CAP {
            return Err(waiters);
        }
        self.line.push_back(Waiter { claimant, deadline, wake });
        Ok(())
    }

    /// Ends an expired grant and serves the line; returns until when the lock is held now.
    pub(crate) fn settle(&mut self, now: Instant, mint: &Mint) -> Option<Instant> {
        if self.holder.as_ref().is_none_or(|holder| holder.until <= now) {
            self.holder = None;
            self.hand_over(now, mint);
        }
        self.holder.as_ref().map(|holder| holder.until)
    }

    /// Gives the lock back.
    pub(crate) fn release(&mut self, now: Instant, token: Token, mint: &Mint) -> ReleaseOutcome {
        match self.owner_is(now, token, mint) {
            Ok(()) => {
                self.holder = None;
                ReleaseOutcome::Released { handed_to: self.hand_over(now, mint) }
            }
            Err(RenewOutcome::NotOwner) => ReleaseOutcome::NotOwner,
            Err(_) => ReleaseOutcome::Expired,
        }
    }

    /// Starts the holder's lifetime anew.
    pub(crate) fn renew(&mut self, now: Instant, token: Token, ttl: Ttl, mint: &Mint) -> RenewOutcome {
        if let Err(outcome) = self.owner_is(now, token, mint) {
            return outcome;
        }
        if let Some(holder) = &mut self.holder {
            holder.until = now + ttl.get();
        }
        RenewOutcome::Renewed
    }

    /// Leaves the line, or gives back a grant nobody took delivery of.
    pub(crate) fn cancel(&mut self, now: Instant, token: Token, mint: &Mint) {
        self.line.retain(|waiter| waiter.claimant.token != token);
        self.release(now, token, mint);
    }

    /// How many wait before `token`, and until when the lock is held.
    pub(crate) fn standing(&self, token: Token) -> (u32, Option<Instant>) {
        let position = self.line.iter().position(|waiter| waiter.claimant.token == token).unwrap_or(self.line.len());
        (position as u32, self.holder.as_ref().map(|holder| holder.until))
    }

    /// How many wait.
    pub(crate) fn waiters(&self) -> u32 {
        self.line.len() as u32
    }

    /// The lock as others see it.
    pub(crate) fn inspect(&mut self, now: Instant, mint: &Mint) -> Option<LockInfo> {
        self.settle(now, mint)?;
        let waiters = self.waiters();
        self.holder.as_ref().map(|holder| LockInfo {
            fence: holder.fence,
            age_ms: whole_millis(now.duration_since(holder.since)),
            ttl_ms: whole_millis(holder.until.duration_since(now)),
            waiters,
        })
    }

    fn owner_is(&mut self, now: Instant, token: Token, mint: &Mint) -> Result<(), RenewOutcome> {
        self.settle(now, mint);
        match &self.holder {
            None => Err(RenewOutcome::Expired),
            Some(holder) if holder.token != token => Err(RenewOutcome::NotOwner),
            Some(_) => Ok(()),
        }
    }

    fn grant(&mut self, now: Instant, claimant: Claimant, mint: &Mint) -> Option<Grant> {
        let fence = mint.next()?;
        let Claimant { token, ttl } = claimant;
        self.holder = Some(Holder { token, fence, since: now, until: now + ttl.get() });
        Some(Grant::new(token, fence, ttl, now))
    }

    /// Serves the first waiter that is still there. The lock must be free.
    fn hand_over(&mut self, now: Instant, mint: &Mint) -> Option<Fence> {
        assert!(self.holder.is_none(), "handing over a lock that is held");
        while let Some(waiter) = self.line.pop_front() {
            if waiter.deadline < now {
                continue;
            }
            let grant = self.grant(now, waiter.claimant, mint)?;
            if waiter.wake.deliver(grant) {
                return Some(grant.fence);
            }
            self.holder = None;
        }
        None
    }
}

#[cfg(feature = "conformance")]
#[path = "rule.rs"]
pub mod rule;

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
