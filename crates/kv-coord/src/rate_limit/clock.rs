//! Time for limits kept in this process.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Microseconds since some fixed moment, never going back: what windows are measured with.
    pub monotonic_us: u64,
    /// Microseconds since 1970: what clients are told.
    pub unix_us: u64,
}

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    begin: Instant,
}

impl SystemClock {
    /// Begins counting now.
    pub fn new() -> Self {
        Self { begin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        // A clock set before 1970 shows clients a reset in the past; limits are not touched by it.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic_us: self.begin.elapsed().as_micros() as u64, unix_us: unix.as_micros() as u64 }
    }
}
