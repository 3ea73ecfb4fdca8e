//! One claimed job, from its claim to the word about it.
//!
//! Invariant: PostgreSQL hears first. What it has written of a failure or a death holds whatever the queue hears afterwards.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use kv_coord::queue::{ClaimedJob, Lease, LeaseError, Reason, Verdict};
use kv_store::StoreError;
use kv_store::jobs::{Ended, JobWork};
use kv_types::jobs::JobState;
use kv_types::{JobId, TenantId};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::custom::TaskError;
use super::handlers::{self, Trouble};
use super::metrics::Came;
use super::{Worker, name};
use crate::failure::chain;

/// A lease is renewed when this part of it is over.
const HEARTBEATS: u32 = 3;
/// Tries to tell the queue what came of a job.
const TELL_TRIES: u32 = 3;
const TELL_PAUSE: Duration = Duration::from_millis(200);

/// A job in hand.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) tenant: TenantId,
    pub(super) id: JobId,
    pub(super) kind: String,
    pub(super) work: JobWork,
    /// Its place among the worker's jobs.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Held {
    /// Leaves the place to another job: what is still to be done keeps nothing busy, and is bounded by itself.
    pub(super) fn leave_place(&self) {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    const fn life(&self) -> (JobId, i32) {
        (self.id, self.work.replays)
    }
}

/// What came of an attempt.
enum Attempt {
    /// There is nothing to do: it is over, forgotten, or this life of it is.
    Void,
    Tried(Held, Result<Ended, Trouble>),
    /// PostgreSQL did not say what the job is.
    Unread(StoreError),
}

/// Works on a claimed job while its lease lasts, or gives it back when there is a hurry.
pub(super) async fn live(
    worker: Worker,
    claimed: ClaimedJob,
    (place, hurry): (OwnedSemaphorePermit, CancellationToken),
) {
    let (lease, kind, begun) = (claimed.lease.clone(), claimed.job.kind.to_string(), Instant::now());
    let _under_way = worker.metrics().begin();
    let came = tokio::select! {
        attempt = attempt(&worker, &claimed, place) => settle(&worker, &lease, attempt).await,
        () = keep(&worker, &lease) => {
            tracing::warn!(job = %lease.id, kind, "a job's lease was lost while it was worked on");
            Came::Lost
        }
        () = hurry.cancelled() => {
            tell("give it back", || worker.queue().give_back(&lease)).await;
            Came::GivenBack
        }
    };
    worker.metrics().count(&kind, came, begun.elapsed());
}

/// Renews a lease until it is lost.
async fn keep(worker: &Worker, lease: &Lease) {
    let ttl = worker.0.config.lease_ttl;
    loop {
        sleep(ttl.get() / HEARTBEATS).await;
        if let Err(LeaseError::Lost { .. }) = worker.queue().heartbeat(lease, ttl).await {
            return;
        }
    }
}

async fn attempt(worker: &Worker, claimed: &ClaimedJob, place: OwnedSemaphorePermit) -> Attempt {
    let (tenant, kind) = (claimed.job.tenant, claimed.job.kind.to_string());
    let Some((id, replays)) = name::read(&claimed.job.id) else { return Attempt::Void };
    let work = match worker.store().job_work(tenant, id).await {
        Ok(Some(work)) if work.state == JobState::Open && work.replays == replays => work,
        Ok(_) => return Attempt::Void,
        Err(error) => return Attempt::Unread(error),
    };
    let held = Held { tenant, id, kind, work, place: Mutex::new(Some(place)) };
    let limit = handlers::time_limit(&held.kind).unwrap_or(worker.0.config.attempt_timeout);
    let trying = AssertUnwindSafe(timeout(limit, handlers::handle(worker, &held))).catch_unwind();
    let came = match trying.await {
        Ok(Ok(came)) => came,
        Ok(Err(_late)) => Err(Trouble::Failed(format!("it took longer than {} s", limit.as_secs()))),
        Err(panic) => Err(Trouble::Panicked(words_of(panic.as_ref()))),
    };
    Attempt::Tried(held, came)
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}

/// Writes down what came of an attempt, first in PostgreSQL and then in the queue.
async fn settle(worker: &Worker, lease: &Lease, attempt: Attempt) -> Came {
    let (held, trouble) = match attempt {
        Attempt::Void | Attempt::Tried(_, Ok(Ended::Before)) => {
            complete(worker, lease).await;
            return Came::OverBefore;
        }
        Attempt::Tried(_, Ok(Ended::Now)) => {
            complete(worker, lease).await;
            return Came::Done;
        }
        Attempt::Unread(error) => {
            tracing::warn!(job = %lease.id, error = %chain(&error), "a job could not be read");
            put_off(worker, lease, worker.pause_after(1)).await;
            return Came::PutOff;
        }
        Attempt::Tried(held, Err(trouble)) => (held, trouble),
    };
    match trouble {
        Trouble::Later(pause) => {
            put_off(worker, lease, pause).await;
            Came::PutOff
        }
        Trouble::Store(error) if error.is_transient() || matches!(error, StoreError::OutcomeUnknown) => {
            tracing::warn!(job = %lease.id, kind = held.kind, error = %chain(&error), "a job waits for PostgreSQL");
            put_off(worker, lease, worker.pause_after(1)).await;
            Came::PutOff
        }
        Trouble::Store(error) => failed(worker, lease, (&held, &chain(&error))).await,
        Trouble::Failed(reason) | Trouble::Task(TaskError::Failed(reason)) => {
            failed(worker, lease, (&held, &reason)).await
        }
        Trouble::Panicked(words) => {
            worker.metrics().panicked();
            failed(worker, lease, (&held, &format!("the handler panicked: {words}"))).await
        }
        Trouble::Poison(reason) | Trouble::Task(TaskError::Poison(reason)) => {
            bury(worker, lease, (&held, &reason)).await
        }
    }
}

/// An attempt failed: another one later, or none.
async fn failed(worker: &Worker, lease: &Lease, (held, reason): (&Held, &str)) -> Came {
    let failures = held.work.attempts + 1;
    if failures >= handlers::attempts_max(&held.kind) {
        return bury(worker, lease, (held, reason)).await;
    }
    let pause = worker.pause_between(&held.kind, failures.unsigned_abs());
    let silent = pause + worker.0.config.patience;
    let silent_ms = i64::try_from(silent.as_millis()).unwrap_or(i64::MAX);
    let reason = Reason::new(reason);
    tracing::warn!(job = %lease.id, kind = held.kind, failures, %reason, "an attempt failed");
    if let Err(error) = worker.store().note_failure(held.tenant, held.life(), (reason.as_str(), silent_ms)).await {
        tracing::warn!(job = %lease.id, error = %chain(&error), "a failed attempt is not counted");
    }
    let delay_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let verdict = Verdict::Retry { delay_ms, reason };
    tell("try it again", || worker.queue().fail(lease, &verdict)).await;
    Came::Failed
}

/// Gives a job up. Unless PostgreSQL has heard it, the queue does not: the job would come back to life there.
async fn bury(worker: &Worker, lease: &Lease, (held, reason): (&Held, &str)) -> Came {
    let reason = Reason::new(reason);
    tracing::error!(job = %lease.id, tenant.id = %held.tenant, kind = held.kind, %reason, "a job is given up");
    match worker.store().bury_job(held.tenant, held.life(), (reason.as_str(), 1)).await {
        Ok(_) => {
            let verdict = Verdict::Poison { reason };
            tell("bury it", || worker.queue().fail(lease, &verdict)).await;
            Came::Died
        }
        Err(error) => {
            tracing::warn!(job = %lease.id, error = %chain(&error), "a job's death could not be written");
            put_off(worker, lease, worker.pause_after(1)).await;
            Came::PutOff
        }
    }
}

async fn complete(worker: &Worker, lease: &Lease) {
    tell("complete it", || worker.queue().complete(lease)).await;
}

/// Later, and this was no attempt: however long what it needs is away, the queue does not give the job up for it.
async fn put_off(worker: &Worker, lease: &Lease, pause: Duration) {
    let delay_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let verdict = Verdict::PutOff { delay_ms };
    tell("put it off", || worker.queue().fail(lease, &verdict)).await;
}

/// Tells the queue something, a few times if it does not answer. What it never hears ends with the lease.
async fn tell<T, Told: Future<Output = Result<T, LeaseError>>>(what: &str, word: impl Fn() -> Told) {
    for tries_left in (0..TELL_TRIES).rev() {
        match word().await {
            Ok(_) => return,
            Err(error @ LeaseError::Lost { .. }) => {
                tracing::debug!(%error, "the queue was to {what}");
                return;
            }
            Err(error) if tries_left == 0 => {
                tracing::warn!(error = %chain(&error), "the queue was to {what}; the job is left to its lease");
            }
            Err(_) => sleep(TELL_PAUSE).await,
        }
    }
}

impl Worker {
    /// The pause after so many failed attempts of a kind.
    fn pause_between(&self, kind: &str, failures: u32) -> Duration {
        if kind == handlers::DELIVER_WEBHOOK {
            return Duration::from_millis(self.0.config.webhook_retry.delay_ms(failures, rand::random()));
        }
        self.pause_after(failures)
    }

    /// A pause after so many failed attempts, with full jitter.
    fn pause_after(&self, failures: u32) -> Duration {
        Duration::from_millis(self.0.config.retry.delay_ms(failures, rand::random()))
    }
}
