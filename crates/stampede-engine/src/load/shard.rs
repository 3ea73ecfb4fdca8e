//! The state of one generator thread: its users, what is under way, and the way from an arrival to a user.
//!
//! Invariants: only its own thread touches it, so every cell is plain; slots, queues and deadlines are bounded by the
//! plan. No borrow is held across an await.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::barrier::Barriers;
use super::deadlines::{Deadlines, SlotId};
use super::drive::Place;
use super::outcome::Unseen;
use super::plan::LoadPlan;
use super::recorder::Recorder;
use super::servers::Server;
use super::share::{Admission, FlowShare};
use super::slot::{Doing, Due, Route, Slot, Turn};
use crate::clock::Clock;
use crate::http::origin::Dialer;

/// Whether requests are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Issuing,
    /// Nothing is issued for a while; what is under way goes on.
    Paused,
    /// Nothing new is asked for; what is queued or under way goes on.
    Draining,
}

/// The state of one generator thread.
pub(super) struct Shard {
    pub(super) plan: Arc<LoadPlan>,
    pub(super) origins: Arc<[Server]>,
    /// One for each server.
    pub(super) dialers: Vec<Dialer>,
    pub(super) barriers: Arc<Barriers>,
    pub(super) clock: Clock,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) phase: Cell<Phase>,
    /// Arrivals offered after their schedule was over.
    pub(super) behind: Cell<u64>,
    /// When the last tick was.
    pub(super) tick_ns: Cell<u64>,
    pub(super) flows: Vec<Rc<FlowShare>>,
    /// Requests under way.
    pub(super) in_flight: Cell<usize>,
    /// Why a scenario gave up the run.
    pub(super) given_up: RefCell<Option<String>>,
    /// This thread, and how many there are.
    pub(super) place: (u64, u64),
    slots: RefCell<Vec<Rc<Slot>>>,
    free: RefCell<Vec<SlotId>>,
    deadlines: RefCell<Deadlines>,
    users_made: Cell<u64>,
    timeout_ns: u64,
}

/// What a thread's state is made of.
pub(super) struct Parts {
    pub(super) plan: Arc<LoadPlan>,
    pub(super) origins: Arc<[Server]>,
    pub(super) barriers: Arc<Barriers>,
    pub(super) clock: Clock,
    pub(super) recorder: Recorder,
    pub(super) flows: Vec<Rc<FlowShare>>,
    pub(super) place: (u64, u64),
}

/// Iteration numbers are handed to threads in runs of so many, so that each thread meets all remainders.
const NUMBERS: u64 = 64;

impl Shard {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { plan, origins, barriers, clock, recorder, flows, place } = parts;
        let dialers = origins.iter().map(|server| Dialer::new(server.origin.clone(), clock)).collect();
        Self {
            origins,
            dialers,
            barriers,
            clock,
            recorder: RefCell::new(recorder),
            phase: Cell::new(Phase::Issuing),
            behind: Cell::new(0),
            tick_ns: Cell::new(0),
            flows,
            in_flight: Cell::new(0),
            given_up: RefCell::new(None),
            place,
            slots: RefCell::new(Vec::new()),
            free: RefCell::new(Vec::new()),
            deadlines: RefCell::new(Deadlines::default()),
            users_made: Cell::new(0),
            timeout_ns: u64::try_from(plan.timeout.as_nanos()).unwrap_or(u64::MAX),
            plan,
        }
    }

    /// Requests under way, and arrivals waiting for a user or just handed to one.
    pub(super) fn unsettled(&self) -> usize {
        let waiting: usize = self.flows.iter().map(|flow| flow.queued()).sum();
        self.in_flight.get() + waiting
    }

    /// Users that have a turn, and arrivals that wait for a user.
    pub(super) fn unfinished(&self) -> usize {
        self.flows.iter().map(|flow| flow.busy.get() + flow.queued()).sum()
    }

    /// Users that exist.
    pub(super) fn users(&self) -> usize {
        self.flows.iter().map(|flow| flow.alive.get()).sum()
    }

    /// What the random numbers of a user are drawn from.
    pub(super) fn seed_of(&self, user: u64) -> u64 {
        // Neighbouring seeds would give neighbouring streams in a plain generator: spread them.
        self.plan.seed ^ user.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Makes a user of `flow`, with a first turn or without.
    pub(super) fn add_user(self: &Rc<Self>, flow: &Rc<FlowShare>, first: Option<Turn>) {
        let slot = self.take_slot();
        let (thread, threads) = self.place;
        let made = self.users_made.get();
        self.users_made.set(made + 1);
        slot.user.set(made * threads + thread);
        slot.flow.set(flow.index);
        slot.offered.set(first);
        flow.alive.set(flow.alive.get() + 1);
        let place = Place { shard: Rc::clone(self), flow: Rc::clone(flow), slot };
        Arc::clone(&flow.drive).spawn(place);
    }

    fn take_slot(&self) -> Rc<Slot> {
        if let Some(id) = self.free.borrow_mut().pop() {
            return self.slot(id);
        }
        let mut slots = self.slots.borrow_mut();
        let slot = Rc::new(Slot::new(slots.len()));
        slots.push(Rc::clone(&slot));
        self.deadlines.borrow_mut().grow();
        slot
    }

    /// A user has left. In the open model the arrival that waits longest gets a new one, or nobody would ever come for it.
    pub(super) fn release(self: &Rc<Self>, flow: &Rc<FlowShare>, slot: &Slot) {
        flow.alive.set(flow.alive.get() - 1);
        self.free.borrow_mut().push(slot.id);
        if let Some(turn) = flow.take_queued() {
            flow.hand_out();
            self.add_user(flow, Some(turn));
        }
    }

    fn slot(&self, id: SlotId) -> Rc<Slot> {
        Rc::clone(&self.slots.borrow()[id])
    }

    /// Finds a place for an arrival of an open flow.
    pub(super) fn offer(self: &Rc<Self>, flow: &Rc<FlowShare>, iteration: u64, intent_ns: u64) {
        let turn = |route| Turn { iteration, due: Some(Due { intent_ns, route }) };
        if self.place_of(flow, turn(Route::Direct), turn(Route::Queued)) == Admission::Refused {
            // Nobody will ever answer it: it waits as long as any request may.
            self.recorder.borrow_mut().not_sent(flow.first_series(iteration), self.timeout_ns);
        }
    }

    fn place_of(self: &Rc<Self>, flow: &Rc<FlowShare>, direct: Turn, queued: Turn) -> Admission {
        if let Some(id) = flow.take_idle() {
            let slot = self.slot(id);
            flow.hand_out();
            slot.offered.set(Some(direct));
            slot.wake();
            return Admission::Granted;
        }
        if flow.alive.get() < flow.users_max {
            flow.hand_out();
            self.add_user(flow, Some(direct));
            return Admission::Granted;
        }
        flow.enqueue(queued)
    }

    /// The next turn of a closed flow at `now_ns`; `None` when the user is to leave.
    pub(super) fn next_closed(&self, flow: &FlowShare, now_ns: u64) -> Option<Turn> {
        let left = flow.quota.get();
        let over = left == 0 || now_ns >= flow.end_ns.get() || self.phase.get() == Phase::Draining;
        if over || flow.alive.get() > flow.target.get() {
            return None;
        }
        flow.quota.set(left - 1);
        let local = flow.begun();
        let (thread, threads) = self.place;
        let iteration = (local / NUMBERS * threads + thread) * NUMBERS + local % NUMBERS;
        flow.hand_out();
        Some(Turn { iteration, due: None })
    }

    /// A request of `series` begins; its time-out runs from `start_ns`.
    pub(super) fn begin(&self, slot: &Slot, (series, intent_ns): (u32, u64), deadline_ns: u64) {
        self.recorder.borrow_mut().sent(series);
        slot.doing.set(Doing::Connecting { series, intent_ns });
        slot.expired.set(false);
        self.in_flight.set(self.in_flight.get() + 1);
        self.deadlines.borrow_mut().set(slot.id, deadline_ns);
    }

    /// The run ends early; the first reason stays.
    pub(super) fn give_up(&self, why: String) {
        self.given_up.borrow_mut().get_or_insert(why);
    }

    /// The time-out that holds unless a request has its own.
    pub(super) fn timeout_ns(&self) -> u64 {
        self.timeout_ns
    }

    /// The request of `slot` has ended.
    pub(super) fn settle(&self, slot: &Slot) {
        self.deadlines.borrow_mut().clear(slot.id);
        slot.doing.set(Doing::Nothing);
        self.in_flight.set(self.in_flight.get() - 1);
    }

    /// Nobody waits for the request of `slot` any more.
    pub(super) fn leave(&self, slot: &Slot) {
        note_unfinished(&mut self.recorder.borrow_mut(), slot, self.clock.now_ns());
        self.settle(slot);
    }

    /// Wakes every slot whose time is over.
    pub(super) fn expire(&self, now_ns: u64) {
        let slots = self.slots.borrow();
        self.deadlines.borrow_mut().expire(now_ns, |id| {
            slots[id].expired.set(true);
            slots[id].wake();
        });
    }

    /// Goes over to `phase` and lets every user see it.
    pub(super) fn enter(&self, phase: Phase) {
        if self.phase.replace(phase) != phase {
            self.wake_all();
        }
    }

    /// Lets every user look at what it waits for.
    pub(super) fn wake_all(&self) {
        self.slots.borrow().iter().for_each(|slot| slot.wake());
    }

    /// Settles whatever is still under way or waiting, because the run is over at `now_ns`.
    pub(super) fn abandon(&self, now_ns: u64) {
        let mut recorder = self.recorder.borrow_mut();
        for slot in self.slots.borrow().iter() {
            let flow = &self.flows[slot.flow.get()];
            for turn in [slot.offered.take(), slot.arrival.take()].into_iter().flatten() {
                if let Some(due) = turn.due {
                    recorder.not_sent(flow.first_series(turn.iteration), now_ns.saturating_sub(due.intent_ns));
                }
            }
            note_unfinished(&mut recorder, slot, now_ns);
        }
        for flow in &self.flows {
            while let Some(turn) = flow.take_queued() {
                let waited_ns = turn.due.map_or(0, |due| now_ns.saturating_sub(due.intent_ns));
                recorder.not_sent(flow.first_series(turn.iteration), waited_ns);
            }
        }
    }
}

fn note_unfinished(recorder: &mut Recorder, slot: &Slot, now_ns: u64) {
    let doing = slot.doing.replace(Doing::Nothing);
    let (Doing::Connecting { series, intent_ns } | Doing::Waiting { series, intent_ns, .. }) = doing else { return };
    recorder.unseen((series, intent_ns), now_ns, Unseen::Unfinished { sent_at_ns: doing.sent_at_ns() });
}
