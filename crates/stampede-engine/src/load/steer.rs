//! The wheel of one run: what is wished of it, what its threads show of themselves, and what has happened.
//!
//! Invariants: every wish that changes the load takes effect [`LEAD_NS`] after it was uttered, at the same instant on all
//! threads, and is an event; schedules are changed, never arrivals moved, so none is lost or doubled.

mod change;
mod shown;
mod wishes;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stampede_model::run_result::{Event, EventKind};

use super::flow::Flow;
use crate::clock::Clock;
pub(super) use shown::Gauges;
use shown::Live;
pub(super) use wishes::Orders;
use wishes::Wishes;

/// How far ahead of now a wish takes effect: longer than any thread sleeps without looking.
pub(super) const LEAD_NS: u64 = 25_000_000;
/// Events that are kept; a watcher that holds a key down must not fill the memory.
const EVENTS_MAX: usize = 10_000;

/// The wheel.
#[derive(Debug)]
pub(super) struct Steer {
    clock: Clock,
    gauges: Vec<Mutex<Gauges>>,
    /// Counts wishes, so that a thread sees by one load that there is none.
    version: AtomicU64,
    wishes: Mutex<Wishes>,
    live: Mutex<Live>,
}

impl Steer {
    pub(super) fn new(flows: &[Flow], threads: usize, clock: Clock) -> Self {
        Self {
            clock,
            gauges: (0..threads).map(|_| Mutex::default()).collect(),
            version: AtomicU64::new(0),
            wishes: Mutex::new(Wishes::of(flows)),
            live: Mutex::default(),
        }
    }

    /// Counts wishes.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// All that is wished now.
    pub(super) fn orders(&self) -> Orders {
        let wishes = lock(&self.wishes);
        wishes.orders(self.version())
    }

    /// The run is over; its events, in the order of time.
    pub(super) fn end(&self) -> Vec<Event> {
        let mut wishes = lock(&self.wishes);
        wishes.over = true;
        let now_ns = self.clock.now_ns();
        let mut events: Vec<Event> =
            std::mem::take(&mut wishes.events).into_iter().filter(|event| event.at_ns <= now_ns).collect();
        events.sort_by_key(|event| event.at_ns);
        events
    }

    /// Whether somebody or something aborted it.
    pub(super) fn is_aborted(&self) -> bool {
        lock(&self.wishes).aborted
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.wishes).over
    }

    pub(super) fn note_stop(&self) {
        let mut wishes = lock(&self.wishes);
        if !wishes.over && wishes.events.iter().all(|event| event.kind != EventKind::Stop) {
            self.note(&mut wishes, self.clock.now_ns(), (EventKind::Stop, "stopped by hand".to_owned()));
        }
    }

    pub(super) fn abort(&self, text: String) {
        let mut wishes = lock(&self.wishes);
        if !wishes.over && !wishes.aborted {
            wishes.aborted = true;
            self.note(&mut wishes, self.clock.now_ns(), (EventKind::Abort, text));
        }
    }

    fn note(&self, wishes: &mut Wishes, at_ns: u64, (kind, text): (EventKind, String)) {
        if wishes.events.len() < EVENTS_MAX {
            wishes.events.push(Event { at_ns, kind, text });
        }
        self.version.fetch_add(1, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left here is consistent between statements, and the run fails anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
