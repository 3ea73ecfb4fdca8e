//! One thread's part of a flow: how many users it has and may have, who of them is free, which arrivals wait.
//!
//! Invariants: the queue never holds more than its bound; an idle user's slot stands in `idle` once; `busy` is the number of
//! turns handed out and not yet over.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use stampede_model::schedule::Share;

use super::deadlines::SlotId;
use super::drive::Drive;
use super::quota::Quota;
use super::slot::Turn;

/// This thread's part of a flow.
pub(super) struct FlowShare {
    pub(super) index: usize,
    pub(super) drive: Arc<dyn Drive>,
    /// The series of each step.
    pub(super) series: Box<[u32]>,
    /// The barrier of each of the scenario's.
    pub(super) barriers: Box<[u32]>,
    pub(super) model: Model,
    /// From here on no iteration begins.
    pub(super) end_ns: Cell<u64>,
    /// All that will ever be asked for has been.
    pub(super) issued: Cell<bool>,
    /// Users that exist.
    pub(super) alive: Cell<usize>,
    /// Users that there should be.
    pub(super) target: Cell<usize>,
    /// Users with a turn.
    pub(super) busy: Cell<usize>,
    /// Users it may have at most.
    pub(super) users_max: usize,
    /// Iterations a closed flow may still start here.
    pub(super) quota: Cell<u64>,
    /// Which arrivals of an open flow come here.
    pub(super) arrivals: Option<Share>,
    begun: Cell<u64>,
    /// How many of `begun` the flow's [`Quota`] knows of.
    told: Cell<u64>,
    idle: RefCell<Vec<SlotId>>,
    queue: RefCell<VecDeque<Turn>>,
    queue_max: usize,
}

/// Who decides when an iteration begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// The users.
    Closed,
    /// The schedule.
    Open,
}

/// Whether an arrival found a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Granted,
    Refused,
}

/// The bounds of a thread's part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) quota: u64,
    pub(super) users_max: usize,
    pub(super) queue_max: usize,
    pub(super) arrivals: Option<Share>,
}

impl FlowShare {
    pub(super) fn new(
        index: usize,
        drive: Arc<dyn Drive>,
        (model, part): (Model, Part),
        (series, barriers): (Box<[u32]>, Box<[u32]>),
    ) -> Self {
        Self {
            index,
            drive,
            series,
            barriers,
            model,
            end_ns: Cell::new(u64::MAX),
            // An open flow with fewer users than there are threads has no part in some of them.
            issued: Cell::new(model == Model::Open && part.arrivals.is_none()),
            alive: Cell::new(0),
            target: Cell::new(0),
            busy: Cell::new(0),
            users_max: part.users_max,
            quota: Cell::new(part.quota),
            arrivals: part.arrivals,
            begun: Cell::new(0),
            told: Cell::new(0),
            idle: RefCell::new(Vec::new()),
            queue: RefCell::new(VecDeque::new()),
            queue_max: part.queue_max,
        }
    }

    /// Arrivals that wait for a user.
    pub(super) fn queued(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Iterations begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// The series of the request that an arrival would begin with.
    pub(super) fn first_series(&self, iteration: u64) -> u32 {
        let step = self.drive.first_step(iteration).0 as usize;
        self.series.get(step).copied().unwrap_or(0)
    }

    /// Tells `whole` what has begun here, and gives back or takes what has not; `wished` users should be here now.
    pub(super) fn settle_quota(&self, whole: &Quota, (wished, threads): (u64, usize)) {
        whole.note_begun(self.begun.get() - self.told.replace(self.begun.get()));
        if wished > 0 {
            self.quota.set(self.quota.get() + whole.take(threads));
        } else if self.alive.get() == 0 {
            whole.give_back(self.quota.take());
        }
    }

    /// A turn of an iteration is handed to a user.
    pub(super) fn hand_out(&self) {
        self.begun.set(self.begun.get() + 1);
        self.busy.set(self.busy.get() + 1);
    }

    /// The arrival that waits longest waits no more.
    pub(super) fn take_queued(&self) -> Option<Turn> {
        self.queue.borrow_mut().pop_front()
    }

    /// Lets an arrival wait, unless too many do.
    pub(super) fn enqueue(&self, turn: Turn) -> Admission {
        let mut queue = self.queue.borrow_mut();
        if queue.len() >= self.queue_max {
            return Admission::Refused;
        }
        queue.push_back(turn);
        Admission::Granted
    }

    /// The arrival waiting longest; without one the slot is free from here on.
    pub(super) fn next_queued(&self, slot: SlotId) -> Option<Turn> {
        let waiting = self.take_queued();
        if waiting.is_some() {
            self.hand_out();
        } else {
            self.idle.borrow_mut().push(slot);
        }
        waiting
    }

    /// A user that has nothing to do.
    pub(super) fn take_idle(&self) -> Option<SlotId> {
        self.idle.borrow_mut().pop()
    }
}
