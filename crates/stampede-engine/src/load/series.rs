//! Where generator threads hand in their seconds and whoever adds them up takes them.
//!
//! Invariants: a thread holds the lock for a few pointer moves once a second; sheets are used again, so memory does not
//! grow with the run; what nobody fetched in time is added to what lies there already, never dropped.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sheet::Sheet;

/// Sheets that may lie unfetched: some ten seconds of a busy machine. Beyond it the newest ones are added together.
const UNFETCHED_MAX: usize = 64;

/// The place.
#[derive(Debug)]
pub(super) struct Series {
    steps: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    filled: Vec<Sheet>,
    spare: Vec<Sheet>,
    /// The second each thread is in.
    reached: Vec<u32>,
}

impl Series {
    pub(super) fn new(threads: usize, steps: usize) -> Self {
        Self { steps, inner: Mutex::new(Inner { reached: vec![0; threads], ..Inner::default() }) }
    }

    /// How many series there are.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// An empty sheet.
    pub(super) fn spare(&self) -> Sheet {
        let spare = self.lock().spare.pop();
        spare.unwrap_or_else(|| Sheet::new(self.steps))
    }

    /// Thread `thread` hands in a second and is now in second `reached`.
    pub(super) fn hand_in(&self, thread: usize, sheet: Sheet, reached: u32) {
        let mut inner = self.lock();
        inner.reached[thread] = reached;
        let full = inner.filled.len() >= UNFETCHED_MAX;
        match inner.filled.last_mut() {
            Some(last) if full => last.merge(&sheet),
            _ => inner.filled.push(sheet),
        }
    }

    /// All sheets handed in so far, and the second that every thread has reached.
    pub(super) fn fetch(&self) -> (Vec<Sheet>, u32) {
        let mut inner = self.lock();
        let reached = inner.reached.iter().copied().min().unwrap_or(0);
        (std::mem::take(&mut inner.filled), reached)
    }

    /// Gives a sheet back; it must be empty.
    pub(super) fn give_back(&self, sheet: Sheet) {
        self.lock().spare.push(sheet);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panicking thread fails the whole run; what it left here is consistent between statements.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
