//! One level: its figures, its ledger, and what a replica shows of it.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

/// How far a replica is behind.
const LAG: Duration = Duration::from_millis(30);
/// Changes a replica can be behind.
const TRAIL_MAX: usize = 64;

/// What stands in a level's row, or, in its ledger, by how much each figure changed.
#[derive(Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) available: i64,
    pub(super) reserved: i64,
    pub(super) shipped: i64,
    pub(super) received: i64,
    pub(super) version: u64,
}

impl Figures {
    pub(super) fn shown(&self) -> Value {
        json!({
            "version": self.version, "available": self.available, "reserved": self.reserved,
            "shipped": self.shipped, "received": self.received,
        })
    }
}

/// A product's level.
#[derive(Default)]
pub(super) struct Level {
    pub(super) now: Figures,
    pub(super) ledger: Vec<Figures>,
    /// A mark that nothing is left, and when it was set. It spares a lock, and must fall with the next change.
    pub(super) sold_out: Option<Instant>,
    trail: VecDeque<(Instant, Figures)>,
}

impl Level {
    /// Replaces the row.
    pub(super) fn write(&mut self, figures: Figures) {
        if self.trail.len() == TRAIL_MAX {
            self.trail.pop_front();
        }
        self.trail.push_back((Instant::now(), self.now));
        self.now = figures;
    }

    /// What stood here a moment ago: each entry of the trail holds until its instant.
    pub(super) fn replica(&self, now: Instant) -> Figures {
        let since = now.checked_sub(LAG);
        let then = self.trail.iter().find(|(until, _)| since.is_some_and(|since| since < *until));
        then.map_or(self.now, |(_, figures)| *figures)
    }
}
