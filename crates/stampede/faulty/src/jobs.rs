//! Jobs: an outbox, a relay that moves its rows to a list of ready jobs, a worker that takes them, a ledger of effects.
//!
//! The outbox is the truth: a row stays until its job is done, so losing the list is a delay. A worker takes a job under a
//! lease, does the effect once per job however often it is delivered, and then acknowledges. The same job asked for twice
//! is one job.
//! Absent on purpose: retries with a delay and dead letters; no job fails here, so both are always zero.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::bugs::Flaw;
use crate::face::{Answer, Call, Reply};
use crate::state::State;

/// How often relay and worker look when nobody wakes them.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Crashes that may be waiting for a job.
const CRASHES_MAX: u32 = 100;

/// The whole queue.
#[derive(Default)]
pub(crate) struct Queue {
    outbox: RefCell<BTreeMap<u64, Row>>,
    /// Rows of the outbox that were not sent, or whose sending was undone.
    unsent: RefCell<BTreeSet<u64>>,
    ids: Cell<u64>,
    last_relayed: Cell<u64>,
    ready: RefCell<VecDeque<u64>>,
    /// What a worker has, and until when.
    leases: RefCell<BTreeMap<u64, Instant>>,
    effects: RefCell<HashMap<(String, String), u32>>,
    /// Crashes asked for, and met.
    crashes: Cell<(u32, u32)>,
    work: Notify,
}

struct Row {
    job: (String, String),
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Open,
    Done,
}

/// Where a worker can die.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Point {
    AfterTaking,
    BetweenSteps,
}

#[derive(Clone, Copy)]
enum Task {
    Effect,
    Acknowledge,
}

/// A worker is dead; another one takes its place.
struct Dead;

pub(crate) async fn route(state: &State, call: &Call, rest: &[&str]) -> Answer {
    match (&call.method, rest) {
        (&Method::POST, []) => enqueue(state, call).await,
        (&Method::GET, ["effects"]) => {
            let job = call.query("job").unwrap_or_default();
            let times = state.queue.effects.borrow().get(&call.own(&job)).copied().unwrap_or(0);
            Ok(Reply::ok(json!({"times": times})))
        }
        (&Method::GET, ["drained"]) => Ok(drained(state, call)),
        (&Method::POST, ["crash-worker"]) => Ok(ask_for_crash(&state.queue)),
        (&Method::POST, ["flush"]) => Ok(flush(state)),
        _ => Err(Reply::absent()),
    }
}

async fn enqueue(state: &State, call: &Call) -> Answer {
    let queue = &state.queue;
    let job = call.own(&call.text("job")?);
    // As a sequence does it: the id is drawn before the transaction commits, so rows do not appear in the order of ids.
    queue.ids.set(queue.ids.get() + 1);
    let id = queue.ids.get();
    state.pause().await;
    let first = !queue.effects.borrow().contains_key(&job);
    if first {
        queue.effects.borrow_mut().insert(job.clone(), 0);
        queue.outbox.borrow_mut().insert(id, Row { job, progress: Progress::Open });
        queue.unsent.borrow_mut().insert(id);
        queue.work.notify_waiters();
    }
    Ok(Reply::new(StatusCode::ACCEPTED, json!({})))
}

/// Rows of the outbox that the relay is going to send.
fn to_send(state: &State) -> Vec<u64> {
    let last = if state.has(Flaw::OutboxByLastId) { state.queue.last_relayed.get() } else { 0 };
    state.queue.unsent.borrow().range(last + 1..).copied().collect()
}

fn drained(state: &State, call: &Call) -> Reply {
    let queue = &state.queue;
    let outbox = queue.outbox.borrow();
    let own = |id: &u64| outbox.get(id).is_some_and(|row| row.job.0 == call.tenant);
    let waiting = to_send(state).iter().filter(|id| own(id)).count();
    let ready = queue.ready.borrow().iter().filter(|id| own(id)).count();
    let reserved = queue.leases.borrow().keys().filter(|id| own(id)).count();
    Reply::ok(json!({"ready": waiting + ready, "delayed": 0, "reserved": reserved, "dead": 0}))
}

fn ask_for_crash(queue: &Queue) -> Reply {
    let (asked, met) = queue.crashes.get();
    queue.crashes.set((asked.saturating_add(1).min(met + CRASHES_MAX), met));
    Reply::no_content()
}

fn flush(state: &State) -> Reply {
    let queue = &state.queue;
    queue.ready.borrow_mut().clear();
    queue.leases.borrow_mut().clear();
    if !state.has(Flaw::FlushNotRefilled) {
        let outbox = queue.outbox.borrow();
        let open = outbox.iter().filter(|(_, row)| row.progress == Progress::Open);
        queue.unsent.borrow_mut().extend(open.map(|(id, _)| *id));
    }
    queue.work.notify_waiters();
    Reply::no_content()
}

/// Moves rows to the list of ready jobs and takes jobs back from dead workers, for ever.
pub(crate) async fn relay(state: Rc<State>) {
    let queue = &state.queue;
    loop {
        let woken = queue.work.notified();
        send(&state);
        if !state.has(Flaw::LeaseNeverEnds) {
            take_back(queue);
        }
        // Over means: look again.
        drop(timeout(LOOK_EVERY, woken).await);
    }
}

fn send(state: &State) {
    let queue = &state.queue;
    for id in to_send(state) {
        queue.unsent.borrow_mut().remove(&id);
        queue.ready.borrow_mut().push_back(id);
        queue.last_relayed.set(id);
    }
}

fn take_back(queue: &Queue) {
    let now = Instant::now();
    let mut leases = queue.leases.borrow_mut();
    let over: Vec<u64> = leases.iter().filter(|(_, until)| **until <= now).map(|(id, _)| *id).collect();
    for id in over {
        leases.remove(&id);
        queue.ready.borrow_mut().push_front(id);
    }
}

/// Works, for ever; a worker that dies is followed by the next.
pub(crate) async fn work(state: Rc<State>) {
    loop {
        let next = state.queue.ready.borrow_mut().pop_front();
        match next {
            // Dead or not, the next round is another worker's or this one's.
            Some(id) => drop(handle(&state, id).await),
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn handle(state: &State, id: u64) -> Result<(), Dead> {
    let queue = &state.queue;
    if !state.has(Flaw::JobLostAtCrash) {
        queue.leases.borrow_mut().insert(id, Instant::now() + state.config.redelivery);
    }
    state.pause().await;
    crash(queue, Point::AfterTaking)?;
    let (first, second) = if state.has(Flaw::JobAckedBeforeEffect) {
        (Task::Acknowledge, Task::Effect)
    } else {
        (Task::Effect, Task::Acknowledge)
    };
    perform(state, id, first);
    state.pause().await;
    crash(queue, Point::BetweenSteps)?;
    perform(state, id, second);
    Ok(())
}

/// Dies if a crash was asked for that is due here: the first between the steps, the next after taking, and so on in turn.
fn crash(queue: &Queue, point: Point) -> Result<(), Dead> {
    let (asked, met) = queue.crashes.get();
    let due = if met % 2 == 0 { Point::BetweenSteps } else { Point::AfterTaking };
    if asked == met || point != due {
        return Ok(());
    }
    queue.crashes.set((asked, met + 1));
    Err(Dead)
}

fn perform(state: &State, id: u64, task: Task) {
    let queue = &state.queue;
    let mut outbox = queue.outbox.borrow_mut();
    let Some(row) = outbox.get_mut(&id) else { return };
    match task {
        Task::Effect => {
            let mut effects = queue.effects.borrow_mut();
            let times = effects.entry(row.job.clone()).or_insert(0);
            if *times == 0 || state.has(Flaw::EffectNotIdempotent) {
                *times += 1;
            }
        }
        Task::Acknowledge => {
            row.progress = Progress::Done;
            queue.leases.borrow_mut().remove(&id);
        }
    }
}
