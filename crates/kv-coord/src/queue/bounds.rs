//! How much, how many and for how long.

use std::time::Duration;

use thiserror::Error;

/// How many jobs one claim takes at most: a script of this many is done in about a millisecond.
pub const CLAIM_MAX: u32 = 32;
/// How many jobs one script enqueues; longer lists are sent in parts.
pub const ENQUEUE_MAX: usize = 100;
/// How many jobs a queue knows in all, at about 560 bytes each in Redis. What is over stays where the truth is and is pushed
/// later.
pub const JOBS_MAX: usize = 1_000_000;
/// How many dead letters are kept; one more pushes the oldest out.
pub const DEAD_MAX: usize = 10_000;
/// How many jobs whose time has come, or whose lease is over, one call moves: each takes about 20 µs.
pub(crate) const SETTLE_MAX: usize = 100;
/// How many dead letters of a kind one call replays.
pub(crate) const REPLAY_MAX: usize = 100;
/// How many dead letters one call shows.
pub(crate) const SHOW_MAX: usize = 100;
/// How long a dead letter is kept.
pub(crate) const DEAD_KEEP_MS: u64 = 30 * 24 * 3_600_000;

/// How long a worker has a job without a heartbeat: 100 ms to an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseTtl(Duration);

/// A lifetime outside [`LeaseTtl::MIN_MS`] to [`LeaseTtl::MAX_MS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{raw_ms} ms is no lifetime for a lease: use {} to {} ms", LeaseTtl::MIN_MS, LeaseTtl::MAX_MS)]
pub struct BadLeaseTtl {
    /// What was given, in milliseconds.
    pub raw_ms: u64,
}

impl LeaseTtl {
    /// The shortest lifetime.
    pub const MIN_MS: u64 = 100;
    /// The longest lifetime.
    pub const MAX_MS: u64 = 3_600_000;
    /// Long enough to miss two heartbeats of ten seconds, short enough that a crash delays a job by half a minute.
    pub const DEFAULT: Self = Self(Duration::from_secs(30));

    /// Checks a lifetime from outside.
    ///
    /// # Errors
    /// [`BadLeaseTtl`] when it is out of range.
    pub const fn from_millis(raw_ms: u64) -> Result<Self, BadLeaseTtl> {
        if raw_ms < Self::MIN_MS || raw_ms > Self::MAX_MS {
            return Err(BadLeaseTtl { raw_ms });
        }
        Ok(Self(Duration::from_millis(raw_ms)))
    }

    /// As a duration.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0.as_millis() as u64
    }
}

/// How many jobs to claim at once: 1 to [`CLAIM_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimCount(u32);

/// A number outside 1 to [`CLAIM_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{raw} jobs cannot be claimed at once: use 1 to {CLAIM_MAX}")]
pub struct BadClaimCount {
    /// What was given.
    pub raw: u32,
}

impl ClaimCount {
    /// One.
    pub const ONE: Self = Self(1);

    /// Checks a number from outside.
    ///
    /// # Errors
    /// [`BadClaimCount`] when it is out of range.
    pub const fn new(raw: u32) -> Result<Self, BadClaimCount> {
        if raw == 0 || raw > CLAIM_MAX {
            return Err(BadClaimCount { raw });
        }
        Ok(Self(raw))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_both_ranges() {
        assert_eq!(LeaseTtl::from_millis(99), Err(BadLeaseTtl { raw_ms: 99 }));
        assert!(LeaseTtl::from_millis(100).is_ok());
        assert!(LeaseTtl::from_millis(3_600_000).is_ok());
        assert!(LeaseTtl::from_millis(3_600_001).is_err());
        assert_eq!(ClaimCount::new(0), Err(BadClaimCount { raw: 0 }));
        assert_eq!(ClaimCount::new(1), Ok(ClaimCount::ONE));
        assert!(ClaimCount::new(CLAIM_MAX).is_ok());
        assert!(ClaimCount::new(CLAIM_MAX + 1).is_err());
    }
}
