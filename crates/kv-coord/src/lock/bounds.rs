//! How long one may wait for a lock and how long it may be held.

use std::time::Duration;

use thiserror::Error;

/// How long a lock lives without renewal: 100 ms to 5 minutes. There is no endless lock.
///
/// It bounds how long a dead holder blocks others; the work under the lock may last longer, since it is renewed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(Duration);

/// A lifetime outside [`Ttl::MIN_MS`] to [`Ttl::MAX_MS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{raw_ms} ms is no lifetime for a lock: use {} to {} ms", Ttl::MIN_MS, Ttl::MAX_MS)]
pub struct BadTtl {
    /// What was given, in milliseconds.
    pub raw_ms: u64,
}

impl Ttl {
    /// The shortest lifetime.
    pub const MIN_MS: u64 = 100;
    /// The longest lifetime.
    pub const MAX_MS: u64 = 300_000;
    /// Long enough for a slow transaction, short enough that a dead holder is forgotten soon.
    pub const DEFAULT: Self = Self(Duration::from_secs(10));

    /// Checks a lifetime from outside.
    pub const fn from_millis(raw_ms: u64) -> Result<Self, BadTtl> {
        if raw_ms < Self::MIN_MS || raw_ms > Self::MAX_MS {
            return Err(BadTtl { raw_ms });
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

    /// How long the holder itself may believe in a grant of this lifetime, counted from before it asked: 1 % and 2 ms less,
    /// for two clocks that do not run alike and a timer that fires late.
    pub(crate) fn believed(self) -> Duration {
        self.0.saturating_sub(self.0 / 100 + Duration::from_millis(2))
    }
}

/// How long to queue for a lock: zero (one try) to 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(Duration);

/// A waiting time above [`Wait::MAX_MS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{raw_ms} ms is too long to wait for a lock: use 0 to {} ms", Wait::MAX_MS)]
pub struct BadWait {
    /// What was given, in milliseconds.
    pub raw_ms: u64,
}

impl Wait {
    /// The longest wait.
    pub const MAX_MS: u64 = 60_000;
    /// One try.
    pub const NONE: Self = Self(Duration::ZERO);
    /// Longer than a healthy queue ever takes.
    pub const DEFAULT: Self = Self(Duration::from_secs(5));

    /// Checks a waiting time from outside.
    pub const fn from_millis(raw_ms: u64) -> Result<Self, BadWait> {
        if raw_ms > Self::MAX_MS {
            return Err(BadWait { raw_ms });
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

/// The two times of one use of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockOptions {
    /// How long to queue.
    pub wait: Wait,
    /// How long each grant or renewal lasts.
    pub ttl: Ttl,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self { wait: Wait::DEFAULT, ttl: Ttl::DEFAULT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_both_ranges() {
        assert!(Ttl::from_millis(99).is_err());
        assert!(Ttl::from_millis(100).is_ok());
        assert!(Ttl::from_millis(300_000).is_ok());
        assert_eq!(Ttl::from_millis(300_001), Err(BadTtl { raw_ms: 300_001 }));
        assert_eq!(Wait::from_millis(0), Ok(Wait::NONE));
        assert!(Wait::from_millis(60_000).is_ok());
        assert!(Wait::from_millis(60_001).is_err());
    }

    #[test]
    fn a_holder_believes_less_than_it_was_given() {
        let ttl = Ttl::from_millis(1_000).expect("in range");
        assert_eq!(ttl.believed(), Duration::from_millis(988));
    }
}
