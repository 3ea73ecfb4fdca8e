//! Fencing numbers: which of two believers in the same lock came later.
//!
//! A fence is `epoch << 35 | counter`. The counter is minted with the grant; the epoch stands for one incarnation of the
//! store (a restart, a promoted replica or a flush gets a higher one), so numbers grow even when the counter starts anew.
//! 18 + 35 bits stay below 2^53, so a fence fits PostgreSQL's `bigint` and passes unharmed through JSON readers that keep
//! numbers as floats. 2^35 counts are 20 days of 20,000 grants a second; Redis draws a new epoch when they are used up.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{BoxFuture, FutureExt};
use thiserror::Error;

use crate::error::BoxError;

/// Width of the counter.
pub(crate) const COUNTER_BITS: u32 = 35;
/// The largest counter of an epoch.
pub(crate) const COUNTER_MAX: u64 = (1 << COUNTER_BITS) - 1;

const _: () = assert!((Epoch::MAX << COUNTER_BITS) + COUNTER_MAX < 1 << 53);

/// One incarnation of the store that mints fences: 1 to [`Epoch::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

/// A number that is no epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{raw} is no lock epoch: use 1 to {}", Epoch::MAX)]
pub struct BadEpoch {
    /// What was given.
    pub raw: u64,
}

impl Epoch {
    /// The last epoch there is.
    pub const MAX: u64 = (1 << 18) - 1;

    /// Checks a number drawn outside.
    pub const fn new(raw: u64) -> Result<Self, BadEpoch> {
        if raw == 0 || raw > Self::MAX {
            return Err(BadEpoch { raw });
        }
        Ok(Self(raw))
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The number of one grant, larger than that of every earlier grant of the same resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(u64);

impl Fence {
    /// The number as PostgreSQL's `bigint` carries it; positive and below 2^53.
    pub const fn get(self) -> i64 {
        self.0 as i64
    }

    /// The epoch it was minted in.
    pub const fn epoch(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// A number minted by a script; `None` when it cannot be one.
    pub(crate) const fn from_minted(raw: u64) -> Option<Self> {
        let epoch = raw >> COUNTER_BITS;
        if epoch == 0 || epoch > Epoch::MAX {
            return None;
        }
        Some(Self(raw))
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Mints the fences of one epoch inside this process.
#[derive(Debug)]
pub(crate) struct Mint {
    epoch: Epoch,
    last_counter: AtomicU64,
}

impl Mint {
    pub(crate) const fn new(epoch: Epoch) -> Self {
        Self { epoch, last_counter: AtomicU64::new(0) }
    }

    /// How many it has minted.
    #[cfg(feature = "conformance")]
    pub(crate) fn minted(&self) -> u64 {
        self.last_counter.load(Ordering::Relaxed)
    }

    /// Another mint that goes on from here.
    #[cfg(feature = "conformance")]
    pub(crate) fn fork(&self) -> Self {
        Self { epoch: self.epoch, last_counter: AtomicU64::new(self.minted()) }
    }

    /// The next fence, or `None` when the epoch is used up.
    pub(crate) fn next(&self) -> Option<Fence> {
        // `update` and not a plain add: past the end the counter must stay where it is, or it would wrap one day.
        let step = |last: u64| (last < COUNTER_MAX).then_some(last + 1);
        let last = self.last_counter.try_update(Ordering::Relaxed, Ordering::Relaxed, step).ok()?;
        Some(Fence((self.epoch.get() << COUNTER_BITS) | (last + 1)))
    }
}

/// Where epochs come from. A PostgreSQL sequence is one: each draw must be larger than every draw before it, by anybody.
///
/// A closure `Fn(String) -> Future<Output = Result<u64, BoxError>>` is one too; it is given the `run_id` of the Redis the
/// epoch is for, which is worth a log line and nothing else.
pub trait EpochSource: Send + Sync + 'static {
    /// Draws the next epoch.
    fn next_epoch<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<u64, BoxError>>;
}

impl<F, Fut> EpochSource for F
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<u64, BoxError>> + Send + 'static,
{
    fn next_epoch<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<u64, BoxError>> {
        self(run_id.to_owned()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_epoch_beats_every_counter_of_the_one_before() {
        let old = Mint { epoch: Epoch::new(7).expect("in range"), last_counter: AtomicU64::new(COUNTER_MAX - 1) };
        let last_of_old = old.next().expect("one is left");
        assert_eq!(old.next(), None);
        assert_eq!(old.next(), None, "it must not wrap around");
        let first_of_new = Mint::new(Epoch::new(8).expect("in range")).next().expect("fresh");
        assert!(last_of_old < first_of_new);
        assert_eq!(first_of_new.epoch(), 8);
    }

    #[test]
    fn only_real_epochs() {
        assert_eq!(Epoch::new(0), Err(BadEpoch { raw: 0 }));
        assert!(Epoch::new(Epoch::MAX).is_ok());
        assert!(Epoch::new(Epoch::MAX + 1).is_err());
        assert_eq!(Fence::from_minted(17), None);
    }
}
