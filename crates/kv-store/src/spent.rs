//! Where a request's time went below the HTTP face: in line for a connection or a writer, behind other people's locks, in PostgreSQL.
//!
//! What is noted counts for the innermost [`measure`] of the task that notes it; outside of one it is for nobody.

use std::cell::Cell;
use std::future::Future;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

tokio::task_local! {
    static SPENT: Cell<Spent>;
}

/// Times that a request was not at work itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In line for a connection, or for the batch before.
    pub queue: Duration,
    /// Behind rows that others had locked, as PostgreSQL's clock has it.
    pub lock_wait: Duration,
    /// On the way to PostgreSQL and back, and in it, but for the locks.
    pub db: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.queue = self.queue.saturating_add(other.queue);
        self.lock_wait = self.lock_wait.saturating_add(other.lock_wait);
        self.db = self.db.saturating_add(other.db);
    }
}

/// Does some work and says where its time went.
///
/// # Cancel safety
/// The work's own.
pub async fn measure<F: Future>(work: F) -> (F::Output, Spent) {
    let measured = async {
        let output = work.await;
        (output, SPENT.with(Cell::get))
    };
    SPENT.scope(Cell::default(), measured).await
}

/// Adds to the times of the request that this task works for.
pub(crate) fn note(more: Spent) {
    let told = SPENT.try_with(|spent| {
        let mut whole = spent.get();
        whole += more;
        spent.set(whole);
    });
    // Outside of a measurement there is nobody to tell.
    told.ok();
}

/// Notes how long somebody stood in line.
pub(crate) async fn queued<F: Future>(wait: F) -> F::Output {
    let begun = Instant::now();
    let output = wait.await;
    note(Spent { queue: begun.elapsed(), ..Spent::default() });
    output
}

/// Notes how long PostgreSQL took.
pub(crate) async fn asked<F: Future>(question: F) -> F::Output {
    let begun = Instant::now();
    let output = question.await;
    note(Spent { db: begun.elapsed(), ..Spent::default() });
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn what_is_noted_is_summed_for_the_innermost_measurement() {
        let some = Spent { queue: MS, lock_wait: 2 * MS, db: 3 * MS };
        note(some);
        let ((inner, last), outer) = measure(async {
            note(some);
            let inner = measure(async { note(some) }).await.1;
            note(Spent { db: MS, ..Spent::default() });
            (inner, 7)
        })
        .await;
        assert_eq!((inner, last), (some, 7));
        assert_eq!(outer, Spent { queue: MS, lock_wait: 2 * MS, db: 4 * MS });
    }

    #[tokio::test]
    async fn waits_are_told_from_questions() {
        let ((), spent) = measure(async {
            queued(tokio::task::yield_now()).await;
            asked(tokio::task::yield_now()).await;
        })
        .await;
        assert!(spent.queue > Duration::ZERO && spent.db > Duration::ZERO, "{spent:?}");
        assert_eq!(spent.lock_wait, Duration::ZERO);
    }
}
