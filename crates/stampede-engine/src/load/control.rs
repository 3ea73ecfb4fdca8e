//! What a run and its watcher say to each other while it goes on.
//!
//! Invariants: the generators write their counters about every ten milliseconds and never wait for a reader; asking
//! twice to stop is harmless; a watcher that never looks costs nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Handle of one run, shared between the run and whoever watches it.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    pub(super) sent: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) not_sent: AtomicU64,
}

/// How far a run is. The counters are a few milliseconds old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Requests issued.
    pub sent: u64,
    /// Complete answers.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Arrivals turned away because the queue was full.
    pub not_sent: u64,
}

impl Control {
    /// A handle for one run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to issue nothing more, let what is under way finish, and report.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether [`Control::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How far the run is.
    pub fn progress(&self) -> Progress {
        Progress {
            sent: self.sent.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            not_sent: self.not_sent.load(Ordering::Relaxed),
        }
    }
}
