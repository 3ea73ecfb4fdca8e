//! One virtual user as the rest of its thread sees it, and the turns that are handed to it.
//!
//! Invariants: a slot holds at most one turn offered and one taken up, and one request under way; all of it is plain cells
//! that one thread alone touches.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

use super::deadlines::SlotId;

/// When an arrival of an open model should have begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) intent_ns: u64,
    pub(super) route: Route,
}

/// How an arrival came to its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A user was free: any delay is the generator's own.
    Direct,
    /// It waited for a user: the delay is the server's.
    Queued,
}

/// One iteration to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) iteration: u64,
    /// In the open model.
    pub(super) due: Option<Due>,
}

/// What a slot's request is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Nothing,
    Connecting { series: u32, intent_ns: u64 },
    Waiting { series: u32, intent_ns: u64, sent_at_ns: u64 },
}

/// One user as the others see it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: SlotId,
    /// The number of the user who has it.
    pub(super) user: Cell<u64>,
    pub(super) flow: Cell<usize>,
    pub(super) doing: Cell<Doing>,
    /// A turn handed over, not yet taken up.
    pub(super) offered: Cell<Option<Turn>>,
    /// An arrival taken up, its first request not yet begun.
    pub(super) arrival: Cell<Option<Turn>>,
    /// Set when the time of the current request is over.
    pub(super) expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Slot {
    pub(super) fn new(id: SlotId) -> Self {
        Self {
            id,
            user: Cell::new(0),
            flow: Cell::new(0),
            doing: Cell::new(Doing::Nothing),
            offered: Cell::new(None),
            arrival: Cell::new(None),
            expired: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    /// Remembers whom to wake; cheap when it is the same task as before.
    pub(super) fn keep_waker(&self, cx: &Context<'_>) {
        let mut kept = self.waker.borrow_mut();
        match kept.as_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *kept = Some(cx.waker().clone()),
        }
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

impl Doing {
    /// When the request was handed to a connection, if it was.
    pub(super) fn sent_at_ns(self) -> Option<u64> {
        match self {
            Self::Waiting { sent_at_ns, .. } => Some(sent_at_ns),
            Self::Nothing | Self::Connecting { .. } => None,
        }
    }
}
