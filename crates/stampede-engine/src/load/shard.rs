//! The state of one generator thread: who is free, who is waiting, what is under way.
//!
//! Invariants: only its own thread touches it, so every cell is plain; a job handed out is in flight until it is finished;
//! slots, queue and deadlines are bounded by the plan. No borrow is held across an await.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use stampede_model::histogram::Histogram;

use super::deadlines::{Deadlines, SlotId};
use super::plan::LoadPlan;
use super::recorder::{Recorder, Unseen};
use crate::clock::Clock;

/// One request to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// Its number, which chooses the request.
    pub(super) index: u64,
    /// When it should leave.
    pub(super) intent_ns: u64,
    pub(super) route: Route,
}

/// How a job came to its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A connection was free: any delay is the generator's own.
    Direct,
    /// It waited for a connection: the delay is the server's.
    Queued,
}

/// What a slot is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Nothing,
    Connecting(Job),
    Waiting { job: Job, sent_at_ns: u64 },
}

/// One connection's worker, as the others see it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: SlotId,
    pub(super) doing: Cell<Doing>,
    /// A job handed over, not yet taken up.
    pub(super) offered: Cell<Option<Job>>,
    /// Set when the time of the current job is over.
    pub(super) expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Slot {
    pub(super) fn new(id: SlotId) -> Self {
        Self {
            id,
            doing: Cell::new(Doing::Nothing),
            offered: Cell::new(None),
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

/// Whether requests are still issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Issuing,
    /// Nothing new is asked for; what is queued or under way goes on.
    Draining,
}

/// What became of an offered arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// A free worker has it.
    Taken,
    /// It waits.
    Queued,
    /// A new worker is to be started with this slot; it has the job.
    NeedsWorker(SlotId),
    /// It was counted as not sent.
    TurnedAway,
}

/// The state of one generator thread.
pub(super) struct Shard {
    pub(super) plan: Arc<LoadPlan>,
    pub(super) address: SocketAddr,
    pub(super) clock: Clock,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) lag: RefCell<Histogram>,
    pub(super) phase: Cell<Phase>,
    /// Workers that still ask for jobs of a closed model.
    pub(super) workers: Cell<usize>,
    /// Arrivals offered after their schedule was over.
    pub(super) behind: Cell<u64>,
    slots: RefCell<Vec<Rc<Slot>>>,
    idle: RefCell<Vec<SlotId>>,
    queue: RefCell<VecDeque<Job>>,
    deadlines: RefCell<Deadlines>,
    in_flight: Cell<usize>,
    /// Jobs a closed model may still start.
    quota: Cell<u64>,
    end_ns: u64,
    next_index: Cell<u64>,
    slots_max: usize,
    queue_max: usize,
    timeout_ns: u64,
}

/// This thread's part of the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Requests a closed model may start.
    pub(super) quota: u64,
    /// Connections.
    pub(super) slots_max: usize,
    /// Waiting arrivals.
    pub(super) queue_max: usize,
}

impl Shard {
    pub(super) fn new(plan: Arc<LoadPlan>, address: SocketAddr, clock: Clock, recorder: Recorder, part: Part) -> Self {
        let ns = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            address,
            clock,
            recorder: RefCell::new(recorder),
            lag: RefCell::new(Histogram::new()),
            phase: Cell::new(Phase::Issuing),
            workers: Cell::new(0),
            behind: Cell::new(0),
            slots: RefCell::new(Vec::new()),
            idle: RefCell::new(Vec::new()),
            queue: RefCell::new(VecDeque::new()),
            deadlines: RefCell::new(Deadlines::new()),
            in_flight: Cell::new(0),
            quota: Cell::new(part.quota),
            end_ns: plan.stop.duration.map_or(u64::MAX, ns),
            next_index: Cell::new(0),
            slots_max: part.slots_max,
            queue_max: part.queue_max,
            timeout_ns: ns(plan.timeout),
            plan,
        }
    }

    /// When issuing ends, by the plan.
    pub(super) fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// Requests under way or waiting for a connection.
    pub(super) fn unsettled(&self) -> usize {
        self.in_flight.get() + self.queue.borrow().len()
    }

    /// A new slot.
    pub(super) fn add_slot(&self) -> Rc<Slot> {
        let mut slots = self.slots.borrow_mut();
        let slot = Rc::new(Slot::new(slots.len()));
        slots.push(Rc::clone(&slot));
        slot
    }

    pub(super) fn slot(&self, id: SlotId) -> Rc<Slot> {
        Rc::clone(&self.slots.borrow()[id])
    }

    /// Finds a place for an arrival of an open model.
    pub(super) fn offer(&self, job: Job) -> Offer {
        let idle = self.idle.borrow_mut().pop();
        if let Some(id) = idle {
            let slot = self.slot(id);
            self.hand_out(&slot, job);
            slot.offered.set(Some(job));
            slot.wake();
            return Offer::Taken;
        }
        if self.slots.borrow().len() < self.slots_max {
            let slot = self.add_slot();
            self.hand_out(&slot, job);
            slot.offered.set(Some(job));
            return Offer::NeedsWorker(slot.id);
        }
        let mut queue = self.queue.borrow_mut();
        if queue.len() < self.queue_max {
            queue.push_back(Job { route: Route::Queued, ..job });
            return Offer::Queued;
        }
        // Nobody will ever answer it: it waits as long as any request may.
        self.recorder.borrow_mut().not_sent(self.timeout_ns);
        Offer::TurnedAway
    }

    /// The next job of a closed model, due at `now_ns`; `None` when there is no more.
    pub(super) fn next_closed(&self, slot: &Slot, now_ns: u64) -> Option<Job> {
        let left = self.quota.get();
        if left == 0 || now_ns >= self.end_ns || self.phase.get() == Phase::Draining {
            return None;
        }
        self.quota.set(left - 1);
        let index = self.next_index.get();
        self.next_index.set(index + 1);
        let job = Job { index, intent_ns: now_ns, route: Route::Direct };
        self.hand_out(slot, job);
        Some(job)
    }

    /// The job waiting longest; without one the slot is free from here on.
    pub(super) fn next_queued(&self, slot: &Slot) -> Option<Job> {
        let waiting = self.queue.borrow_mut().pop_front();
        let Some(job) = waiting else {
            self.idle.borrow_mut().push(slot.id);
            return None;
        };
        self.hand_out(slot, job);
        Some(job)
    }

    /// Starts the time-out of the job that `slot` takes up at `start_ns`.
    pub(super) fn take_up(&self, slot: &Slot, start_ns: u64) {
        slot.expired.set(false);
        self.deadlines.borrow_mut().set(slot.id, start_ns.saturating_add(self.timeout_ns));
    }

    /// The job of `slot` is settled.
    pub(super) fn settle(&self, slot: &Slot) {
        self.deadlines.borrow_mut().clear(slot.id);
        slot.doing.set(Doing::Nothing);
        self.in_flight.set(self.in_flight.get() - 1);
    }

    /// Wakes every slot whose time is over.
    pub(super) fn expire(&self, now_ns: u64) {
        loop {
            let expired = self.deadlines.borrow_mut().pop_expired(now_ns);
            let Some(id) = expired else { return };
            let slot = self.slot(id);
            slot.expired.set(true);
            slot.wake();
        }
    }

    /// Settles whatever is still under way or waiting, because the run is over at `now_ns`.
    pub(super) fn abandon(&self, now_ns: u64) {
        let mut recorder = self.recorder.borrow_mut();
        for slot in self.slots.borrow().iter() {
            let (job, sent_at_ns) = match slot.doing.get() {
                Doing::Nothing => continue,
                Doing::Connecting(job) => (job, None),
                Doing::Waiting { job, sent_at_ns } => (job, Some(sent_at_ns)),
            };
            recorder.unseen(job.intent_ns, now_ns, Unseen::Unfinished { sent_at_ns });
        }
        for job in self.queue.borrow_mut().drain(..) {
            recorder.not_sent(now_ns.saturating_sub(job.intent_ns));
        }
    }

    fn hand_out(&self, slot: &Slot, job: Job) {
        self.recorder.borrow_mut().sent();
        slot.doing.set(Doing::Connecting(job));
        self.in_flight.set(self.in_flight.get() + 1);
    }
}
