//! The queue of one process, which dies with it.
//!
//! Invariant: the mutex is never held across an await, so every call is one step.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::sync::Notify;

use super::backend::{Claim, Flow, Heard, QueueBackend, Which};
use super::bounds::{ClaimCount, LeaseTtl};
use super::counts::QueueCounts;
use super::job::{Job, Priority, Queues};
use super::outcome::{DeadLetter, Enqueued, FailOutcome, Lease, Replayed, Verdict};
use super::state::QueueState;
use crate::error::CoordError;
use crate::lock::{Epoch, Mint};

/// Waiters woken by one call; the first that finds more than it takes wakes the next.
const WAKE_MAX: usize = 64;

/// The table of jobs.
#[derive(Debug)]
pub(crate) struct InProcess {
    state: Mutex<QueueState>,
    mint: Mint,
    bell: Notify,
    begin: Instant,
    begin_unix_ms: u64,
    incarnation: String,
}

impl InProcess {
    pub(crate) fn new(epoch: Epoch) -> Self {
        // The wall clock is read once: a job's time is given by the wall, but no step of the clock may end a lease.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            state: Mutex::default(),
            mint: Mint::new(epoch),
            bell: Notify::new(),
            begin: Instant::now(),
            begin_unix_ms: unix.as_millis() as u64,
            incarnation: format!("process|{:032x}", rand::random::<u128>()),
        }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies one event, and calls those who wait for what became ready.
    fn step<'a, T: Send + 'a>(
        &self,
        event: impl FnOnce(&mut QueueState, u64) -> T,
    ) -> BoxFuture<'a, Result<T, CoordError>> {
        let mut state = self.state();
        // Read under the mutex, so that time does not go back between two steps.
        let now_ms = self.begin_unix_ms + self.begin.elapsed().as_millis() as u64;
        let outcome = event(&mut state, now_ms);
        let calls = state.take_calls();
        drop(state);
        for _ in 0..calls.min(WAKE_MAX) {
            self.bell.notify_one();
        }
        ready(Ok(outcome)).boxed()
    }
}

impl QueueBackend for InProcess {
    fn enqueue<'a>(&'a self, jobs: &'a [Job]) -> BoxFuture<'a, Result<Vec<Enqueued>, CoordError>> {
        self.step(|state, now_ms| jobs.iter().map(|job| state.enqueue(now_ms, job)).collect())
    }

    fn claim(&self, queues: Queues, count: ClaimCount, ttl: LeaseTtl) -> BoxFuture<'_, Result<Claim, CoordError>> {
        let mint = &self.mint;
        let claimed = self.step(|state, now_ms| state.claim_from(queues, (now_ms, count.get()), ttl.as_millis(), mint));
        async move { claimed.await?.ok_or(CoordError::FencesUsedUp) }.boxed()
    }

    fn heartbeat<'a>(&'a self, lease: &'a Lease, ttl: LeaseTtl) -> BoxFuture<'a, Result<Heard<u64>, CoordError>> {
        self.step(|state, now_ms| state.heartbeat(now_ms, lease, ttl.as_millis()))
    }

    fn complete<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Heard<()>, CoordError>> {
        self.step(|state, _| state.complete(lease))
    }

    fn fail<'a>(
        &'a self,
        lease: &'a Lease,
        verdict: &'a Verdict,
    ) -> BoxFuture<'a, Result<Heard<FailOutcome>, CoordError>> {
        self.step(|state, now_ms| state.fail(now_ms, lease, verdict))
    }

    fn give_back<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Heard<()>, CoordError>> {
        self.step(|state, now_ms| state.give_back(now_ms, lease))
    }

    fn dead_letters(&self) -> BoxFuture<'_, Result<Vec<DeadLetter>, CoordError>> {
        self.step(|state, _| state.dead_letters())
    }

    fn replay<'a>(&'a self, which: &'a Which) -> BoxFuture<'a, Result<Replayed, CoordError>> {
        self.step(|state, now_ms| state.replay(now_ms, which))
    }

    fn set_flow(&self, priority: Priority, flow: Flow) -> BoxFuture<'_, Result<(), CoordError>> {
        self.step(|state, _| state.set_flow(priority, flow))
    }

    fn counts(&self) -> BoxFuture<'_, Result<QueueCounts, CoordError>> {
        self.step(|state, now_ms| state.counts(now_ms))
    }

    fn incarnation(&self) -> BoxFuture<'_, Result<String, CoordError>> {
        ready(Ok(self.incarnation.clone())).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), CoordError>> {
        ready(Ok(())).boxed()
    }

    fn called(&self) -> BoxFuture<'_, ()> {
        self.bell.notified().boxed()
    }

    fn call_another(&self) {
        self.bell.notify_one();
    }
}
