//! Transactions that PostgreSQL rolled back in favour of others: counted, and begun anew a few times.
//!
//! Invariants: only what was wholly rolled back is begun anew, so nothing happens twice; the number of tries is bounded, and the
//! pauses between them are drawn at random, so that those who met do not meet again.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::StoreError;

/// How often a transaction is begun anew before its caller is told.
pub const MAX_RETRIES: u32 = 3;
/// The longest first pause; each further one may be twice as long.
const FIRST_PAUSE_MS: u64 = 10;

/// Why PostgreSQL rolled a transaction back in favour of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// It could not be put into an order with the others.
    SerializationFailure,
    /// It waited for one that waited for it.
    Deadlock,
}

impl Conflict {
    /// Both.
    pub const ALL: [Self; 2] = [Self::SerializationFailure, Self::Deadlock];

    /// PostgreSQL's code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::SerializationFailure => "40001",
            Self::Deadlock => "40P01",
        }
    }

    /// What a code of PostgreSQL's means, if it is one of these.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|conflict| conflict.code() == code)
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SerializationFailure => "serialisation failure",
            Self::Deadlock => "deadlock",
        })
    }
}

/// How often transactions were begun anew since the store was opened.
#[derive(Debug, Default)]
pub struct ConflictStats([AtomicU64; Conflict::ALL.len()]);

impl ConflictStats {
    /// How often because of this.
    pub fn retries(&self, conflict: Conflict) -> u64 {
        self.0[conflict as usize].load(Ordering::Relaxed)
    }
}

/// The tries of one transaction.
pub(crate) struct Retries<'a> {
    stats: &'a ConflictStats,
    done: u32,
}

impl<'a> Retries<'a> {
    pub(crate) const fn new(stats: &'a ConflictStats) -> Self {
        Self { stats, done: 0 }
    }

    /// After an error: counts and waits when the transaction is to be begun anew.
    ///
    /// # Errors
    /// The error itself, when it is no conflict or has been met too often.
    /// # Cancel safety
    /// Nothing is open while it waits.
    pub(crate) async fn after(&mut self, error: StoreError) -> Result<(), StoreError> {
        let Some(conflict) = error.conflict().filter(|_| self.done < MAX_RETRIES) else { return Err(error) };
        self.stats.0[conflict as usize].fetch_add(1, Ordering::Relaxed);
        let most_ms = longest_pause_ms(self.done);
        self.done += 1;
        tracing::debug!(%conflict, tries = self.done, "a transaction is begun anew");
        sleep(Duration::from_millis(rand::random_range(0..=most_ms))).await;
        Ok(())
    }
}

const fn longest_pause_ms(retries: u32) -> u64 {
    FIRST_PAUSE_MS << retries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_conflict_is_met_a_few_times_and_anything_else_never() {
        let stats = ConflictStats::default();
        let mut retries = Retries::new(&stats);
        let conflict = |kind| StoreError::Conflict { kind, source: None };
        for _ in 0..MAX_RETRIES {
            retries.after(conflict(Conflict::Deadlock)).await.unwrap();
        }
        let given_up = retries.after(conflict(Conflict::SerializationFailure)).await.unwrap_err();
        assert_eq!(given_up.conflict(), Some(Conflict::SerializationFailure));
        assert!(matches!(Retries::new(&stats).after(StoreError::Overloaded).await, Err(StoreError::Overloaded)));
        assert_eq!(Conflict::ALL.map(|conflict| stats.retries(conflict)), [0, 3]);
    }

    #[test]
    fn codes_are_read_as_they_are_written() {
        assert_eq!(Conflict::ALL.map(|conflict| Conflict::of_code(conflict.code())), Conflict::ALL.map(Some));
        assert_eq!(Conflict::of_code("40002"), None);
        assert_eq!([0, 1, 2].map(longest_pause_ms), [10, 20, 40]);
    }
}
