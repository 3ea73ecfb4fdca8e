//! The subscription over which Redis says that there is work.
//!
//! Invariant: after every gap somebody is woken to look. Absent on purpose: a promise that no call is lost. Whoever waits looks
//! about once a second anyway.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::subscription::Listener;

/// Waiters woken by one call; the first that finds more than it takes wakes the next.
const WAKE_MAX: u64 = 64;

/// Wakes who waits for work.
pub(super) struct Bell(pub(super) Arc<Notify>);

impl Listener for Bell {
    const NAME: &'static str = "the queue";

    fn stands(&self) {
        self.0.notify_one();
    }

    /// How many jobs have come.
    fn hears(&self, payload: &[u8]) {
        for _ in 0..count_in(payload).unwrap_or(1).min(WAKE_MAX) {
            self.0.notify_one();
        }
    }

    fn broke(&self) {}
}

fn count_in(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}
