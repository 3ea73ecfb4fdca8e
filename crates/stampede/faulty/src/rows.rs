//! Locks on rows, as a database has them: whoever comes first gets the row, and a circle of waiting is found and ended.
//!
//! Invariants: a transaction holds a row until its [`Held`] is dropped; a wait ends after [`LONGEST_WAIT`] at the latest;
//! nothing is kept of a row nobody holds or wants.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use crate::face::Reply;
use crate::state::Pauses;

/// How long a transaction waits before it looks for a circle, and between two looks.
const DEADLOCK_TIMEOUT: Duration = Duration::from_millis(50);
/// Longest wait for one row.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// All row locks.
pub(crate) struct RowLocks {
    pauses: Rc<Pauses>,
    rows: RefCell<HashMap<String, Row>>,
    waits: RefCell<HashMap<u64, String>>,
    transactions: Cell<u64>,
}

struct Row {
    mutex: Arc<Mutex<()>>,
    holder: Option<u64>,
}

/// Rows held by one transaction.
pub(crate) struct Held<'a> {
    locks: &'a RowLocks,
    transaction: u64,
    guards: Vec<(String, OwnedMutexGuard<()>)>,
}

impl RowLocks {
    pub(crate) fn new(pauses: Rc<Pauses>) -> Self {
        Self { pauses, rows: RefCell::default(), waits: RefCell::default(), transactions: Cell::new(0) }
    }

    /// Takes the rows in the order given; each must be named once.
    ///
    /// # Errors
    /// 500 `deadlock` when the wait is part of a circle, 503 `overloaded` when it took too long.
    pub(crate) async fn lock(&self, keys: &[String]) -> Result<Held<'_>, Reply> {
        self.transactions.set(self.transactions.get() + 1);
        let mut held = Held { locks: self, transaction: self.transactions.get(), guards: Vec::new() };
        for (index, key) in keys.iter().enumerate() {
            if index > 0 {
                self.pauses.pause().await;
            }
            held.take(key).await?;
        }
        Ok(held)
    }

    fn mutex(&self, key: &str) -> Arc<Mutex<()>> {
        let mut rows = self.rows.borrow_mut();
        let row = rows.entry(key.to_owned()).or_insert_with(|| Row { mutex: Arc::default(), holder: None });
        Arc::clone(&row.mutex)
    }

    /// Whether the transaction waits for a row whose holder waits, over however many, for it.
    fn in_a_circle(&self, transaction: u64) -> bool {
        let (rows, waits) = (self.rows.borrow(), self.waits.borrow());
        let mut at = transaction;
        for _ in 0..=waits.len() {
            let Some(holder) = waits.get(&at).and_then(|key| rows.get(key)?.holder) else { return false };
            if holder == transaction {
                return true;
            }
            at = holder;
        }
        false
    }

    fn forget_unused(&self, key: &str) {
        let mut rows = self.rows.borrow_mut();
        // The map's own is the last one: nobody holds the row or waits for it.
        if rows.get(key).is_some_and(|row| Arc::strong_count(&row.mutex) == 1) {
            rows.remove(key);
        }
    }
}

impl Held<'_> {
    async fn take(&mut self, key: &str) -> Result<(), Reply> {
        let locks = self.locks;
        locks.waits.borrow_mut().insert(self.transaction, key.to_owned());
        let taken = self.wait(locks.mutex(key)).await;
        locks.waits.borrow_mut().remove(&self.transaction);
        let guard = taken.inspect_err(|_| locks.forget_unused(key))?;
        if let Some(row) = locks.rows.borrow_mut().get_mut(key) {
            row.holder = Some(self.transaction);
        }
        self.guards.push((key.to_owned(), guard));
        Ok(())
    }

    async fn wait(&self, mutex: Arc<Mutex<()>>) -> Result<OwnedMutexGuard<()>, Reply> {
        let mut wait = pin!(mutex.lock_owned());
        let mut waited = Duration::ZERO;
        while waited < LONGEST_WAIT {
            if let Ok(guard) = timeout(DEADLOCK_TIMEOUT, &mut wait).await {
                return Ok(guard);
            }
            if self.locks.in_a_circle(self.transaction) {
                return Err(Reply::code(StatusCode::INTERNAL_SERVER_ERROR, "deadlock"));
            }
            waited += DEADLOCK_TIMEOUT;
        }
        Err(Reply::code(StatusCode::SERVICE_UNAVAILABLE, "overloaded"))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for (key, guard) in self.guards.drain(..) {
            if let Some(row) = self.locks.rows.borrow_mut().get_mut(&key) {
                row.holder = None;
            }
            drop(guard);
            self.locks.forget_unused(&key);
        }
    }
}
