//! The iterations of a closed flow that have yet to begin, over all threads.
//!
//! Each thread has a part and takes from it without asking anybody. What it has left when none of the flow's users is on it
//! goes back here at its next look, and a thread with users takes some.
//! Invariants: no iteration begins twice and none is lost; a quota is used up when all have begun, not when one thread has
//! nothing left.

use std::sync::atomic::{AtomicU64, Ordering};

/// The quota of one flow.
#[derive(Debug)]
pub(super) struct Quota {
    /// Given back and taken by nobody yet.
    spare: AtomicU64,
    /// Not begun, whoever has them.
    left: AtomicU64,
}

impl Quota {
    /// All of `iterations` are with the threads.
    pub(super) fn new(iterations: u64) -> Self {
        Self { spare: AtomicU64::new(0), left: AtomicU64::new(iterations) }
    }

    /// A thread has begun `count` more.
    pub(super) fn note_begun(&self, count: u64) {
        if count > 0 {
            self.left.fetch_sub(count, Ordering::AcqRel);
        }
    }

    /// A thread has nobody to begin these `count`.
    pub(super) fn give_back(&self, count: u64) {
        if count > 0 {
            self.spare.fetch_add(count, Ordering::AcqRel);
        }
    }

    /// What one of `threads` may have of what was given back.
    pub(super) fn take(&self, threads: usize) -> u64 {
        let part = |spare: u64| spare.div_ceil(threads.max(1) as u64);
        let before = self.spare.fetch_update(Ordering::AcqRel, Ordering::Acquire, |spare| Some(spare - part(spare)));
        before.map_or(0, part)
    }

    /// Whether every iteration has begun.
    pub(super) fn is_used_up(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_thread_gives_back_others_take_and_nothing_is_lost() {
        let quota = Quota::new(10);
        assert_eq!(quota.take(2), 0);
        quota.give_back(5);
        assert_eq!([quota.take(2), quota.take(2), quota.take(2), quota.take(2)], [3, 1, 1, 0]);
        quota.note_begun(9);
        assert!(!quota.is_used_up());
        quota.note_begun(1);
        assert!(quota.is_used_up());
    }
}
