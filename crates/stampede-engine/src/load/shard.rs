//! The state of one generator thread: its users, who of them is free, who is waiting, what is under way.
//!
//! Invariants: only its own thread touches it, so every cell is plain; slots, queues and deadlines are bounded by the
//! plan. No borrow is held across an await.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::barrier::Barriers;
use super::deadlines::{Deadlines, SlotId};
use super::drive::{Drive, Place};
use super::plan::LoadPlan;
use super::recorder::{Recorder, Unseen};
use super::servers::Server;
use crate::clock::Clock;
use crate::http::origin::Dialer;

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
    fn new(id: SlotId) -> Self {
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

/// Whether requests are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Issuing,
    /// Nothing is issued for a while; what is under way goes on.
    Paused,
    /// Nothing new is asked for; what is queued or under way goes on.
    Draining,
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
    /// Iterations a closed flow may still start.
    pub(super) quota: Cell<u64>,
    begun: Cell<u64>,
    idle: RefCell<Vec<SlotId>>,
    queue: RefCell<VecDeque<Turn>>,
    pub(super) queue_max: usize,
}

/// Who decides when an iteration begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// The users.
    Closed,
    /// The schedule.
    Open,
}

/// The bounds of a thread's part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) quota: u64,
    pub(super) users_max: usize,
    pub(super) queue_max: usize,
}

/// What became of an offered arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// A free user has it.
    Taken,
    /// It waits.
    Queued,
    /// It was counted as not sent.
    TurnedAway,
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
            issued: Cell::new(false),
            alive: Cell::new(0),
            target: Cell::new(0),
            busy: Cell::new(0),
            users_max: part.users_max,
            quota: Cell::new(part.quota),
            begun: Cell::new(0),
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
        let waiting = flow.queue.borrow_mut().pop_front();
        if let Some(turn) = waiting {
            self.hand_out(flow);
            self.add_user(flow, Some(turn));
        }
    }

    fn slot(&self, id: SlotId) -> Rc<Slot> {
        Rc::clone(&self.slots.borrow()[id])
    }

    /// Finds a place for an arrival of an open flow.
    pub(super) fn offer(self: &Rc<Self>, flow: &Rc<FlowShare>, iteration: u64, intent_ns: u64) {
        let turn = |route| Turn { iteration, due: Some(Due { intent_ns, route }) };
        let offer = self.place_of(flow, turn(Route::Direct), turn(Route::Queued));
        if offer == Offer::TurnedAway {
            // Nobody will ever answer it: it waits as long as any request may.
            self.recorder.borrow_mut().not_sent(flow.first_series(iteration), self.timeout_ns);
        }
    }

    fn place_of(self: &Rc<Self>, flow: &Rc<FlowShare>, direct: Turn, queued: Turn) -> Offer {
        let idle = flow.idle.borrow_mut().pop();
        if let Some(id) = idle {
            let slot = self.slot(id);
            self.hand_out(flow);
            slot.offered.set(Some(direct));
            slot.wake();
            return Offer::Taken;
        }
        if flow.alive.get() < flow.users_max {
            self.hand_out(flow);
            self.add_user(flow, Some(direct));
            return Offer::Taken;
        }
        let mut queue = flow.queue.borrow_mut();
        if queue.len() < flow.queue_max {
            queue.push_back(queued);
            return Offer::Queued;
        }
        Offer::TurnedAway
    }

    #[expect(clippy::unused_self, reason = "it stands beside the other ends of a turn")]
    fn hand_out(&self, flow: &FlowShare) {
        flow.begun.set(flow.begun.get() + 1);
        flow.busy.set(flow.busy.get() + 1);
    }

    /// The next turn of a closed flow at `now_ns`; `None` when the user is to leave.
    pub(super) fn next_closed(&self, flow: &FlowShare, now_ns: u64) -> Option<Turn> {
        let left = flow.quota.get();
        let over = left == 0 || now_ns >= flow.end_ns.get() || self.phase.get() == Phase::Draining;
        if over || flow.alive.get() > flow.target.get() {
            return None;
        }
        flow.quota.set(left - 1);
        let local = flow.begun.get();
        let (thread, threads) = self.place;
        let iteration = (local / NUMBERS * threads + thread) * NUMBERS + local % NUMBERS;
        self.hand_out(flow);
        Some(Turn { iteration, due: None })
    }

    /// The arrival waiting longest; without one the slot is free from here on.
    pub(super) fn next_queued(&self, flow: &FlowShare, slot: &Slot) -> Option<Turn> {
        let waiting = flow.queue.borrow_mut().pop_front();
        if waiting.is_some() {
            self.hand_out(flow);
        } else {
            flow.idle.borrow_mut().push(slot.id);
        }
        waiting
    }

    /// A request of `series` begins; its time-out runs from `start_ns`.
    pub(super) fn begin(&self, slot: &Slot, (series, intent_ns): (u32, u64), deadline_ns: u64) {
        self.recorder.borrow_mut().sent(series);
        slot.doing.set(Doing::Connecting { series, intent_ns });
        slot.expired.set(false);
        self.in_flight.set(self.in_flight.get() + 1);
        self.deadlines.borrow_mut().set(slot.id, deadline_ns);
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
            let doing = slot.doing.replace(Doing::Nothing);
            let (Doing::Connecting { series, intent_ns } | Doing::Waiting { series, intent_ns, .. }) = doing else {
                continue;
            };
            let sent_at_ns = doing.sent_at_ns();
            recorder.unseen((series, intent_ns), now_ns, Unseen::Unfinished { sent_at_ns });
        }
        for flow in &self.flows {
            for turn in flow.queue.borrow_mut().drain(..) {
                let waited_ns = turn.due.map_or(0, |due| now_ns.saturating_sub(due.intent_ns));
                recorder.not_sent(flow.first_series(turn.iteration), waited_ns);
            }
        }
    }
}
