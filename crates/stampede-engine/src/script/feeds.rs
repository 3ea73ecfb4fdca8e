//! Which row comes next.
//!
//! Invariant: a row of a unique feed is given out once, whatever the number of threads.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngExt;
use stampede_model::scenario::{FeedMode, Plan};

/// The next row of each feed.
pub(super) struct Cursors {
    next: Vec<AtomicU64>,
}

impl Cursors {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { next: plan.feeds.iter().map(|_| AtomicU64::new(0)).collect() }
    }

    /// Draws a row; the feed's name when it is used up.
    pub(super) fn draw<'p>(&self, plan: &'p Plan, feed: usize, rng: &mut impl RngExt) -> Result<usize, &'p str> {
        let sheet = &plan.feeds[feed];
        let rows = sheet.rows.len() as u64;
        let row = match sheet.mode {
            FeedMode::Random => rng.random_range(0..rows),
            FeedMode::Circular => self.next[feed].fetch_add(1, Ordering::Relaxed) % rows,
            FeedMode::Unique => {
                let row = self.next[feed].fetch_add(1, Ordering::Relaxed);
                if row >= rows {
                    return Err(&sheet.name);
                }
                row
            }
        };
        Ok(row as usize)
    }
}
