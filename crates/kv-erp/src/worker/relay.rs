//! The relay: pushes jobs that are to be done from PostgreSQL to the queue, and all of them again when the queue has lost what it had.
//!
//! Invariants: a job is marked as pushed before it is pushed, so whoever dies in between delays it until it has been silent for too
//! long; a job that the queue has given up is given up in PostgreSQL and not pushed again. Several relays share the work, each job
//! locked by one of them at a time, and each round takes a bounded number of each tenant.
//!
//! It looks when it is called ([`kv_store::Store::listen_for_jobs`]), when the next job is due, and about once a second.

use std::time::Duration;

use jiff::Timestamp;
use kv_coord::queue::{Enqueued, Job, JobLimits, Kind, PayloadRef, Priority, Stage};
use kv_store::StoreError;
use kv_store::jobs::{Listener, Taken, Taking};
use rand::RngExt as _;
use thiserror::Error;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Worker, name};
use crate::failure::chain;

/// Jobs of one round at most, and of one tenant: a tenant with a million waiting delays another by one round.
const ROUND: i32 = 500;
const ROUND_EACH: i32 = 200;
/// Events that get their places in one statement.
const EVENTS_AT_A_TIME: i32 = 1_000;
/// The longest pause between two looks; a quarter of it is left to chance.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest, so that a job that is just due is not asked for again and again.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(5);
/// After a round that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// When a queue without room is asked again.
const FULL_PAUSE: Duration = Duration::from_secs(5);

/// How often the queue may begin a job. PostgreSQL counts the failures that are told, and gives up long before; lost leases are
/// counted by the queue alone.
const LIMITS: JobLimits = match JobLimits::new(JobLimits::MAX, 3) {
    Ok(limits) => limits,
    Err(_) => panic!("the most is in range"),
};

#[derive(Debug, Error)]
enum RelayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] kv_coord::CoordError),
}

/// What a relay remembers between two rounds.
#[derive(Debug, Default)]
struct Place {
    /// The queue's incarnation when it was last seen.
    incarnation: Option<String>,
    /// Set until everything is pushed again that was pushed before this.
    lost_before: Option<Timestamp>,
    /// The tenant behind which the next round begins.
    after_tenant: i64,
}

/// Relays until `stop`.
pub(super) async fn keep_pushing(worker: Worker, stop: CancellationToken) {
    let (listener, mut place) = (worker.store().listen_for_jobs(), Place::default());
    let relaying = async {
        loop {
            match round(&worker, &mut place).await {
                Ok(true) => {}
                Ok(false) => wait(&worker, &listener).await,
                Err(error) => {
                    worker.metrics().relay_failed();
                    tracing::warn!(error = %chain(&error), "jobs wait in PostgreSQL");
                    sleep(PAUSE).await;
                }
            }
        }
    };
    // A round that is dropped leaves jobs that were taken to be looked at again; what was taken last is pushed all the same.
    stop.run_until_cancelled(relaying).await;
}

/// One round; says whether there may be more to do.
async fn round(worker: &Worker, place: &mut Place) -> Result<bool, RelayError> {
    let (store, queue) = (worker.store(), worker.queue());
    // Events need no queue, and jobs need no events: what holds the one up is no reason to hold up the other.
    let placed = match store.place_events(EVENTS_AT_A_TIME).await {
        Ok(placed) => placed,
        Err(error) => {
            worker.metrics().relay_failed();
            tracing::warn!(error = %chain(&error), "events wait for their places");
            0
        }
    };
    let incarnation = queue.incarnation().await?;
    if place.incarnation.as_ref() != Some(&incarnation) {
        let since = store.note_queue(&incarnation).await?;
        if place.incarnation.is_some() {
            tracing::warn!(incarnation, "the queue has lost what it had; all open jobs are pushed again");
        }
        *place = Place { incarnation: Some(incarnation), lost_before: Some(since), after_tenant: 0 };
    }
    let taking = Taking {
        lost_before: place.lost_before,
        after_tenant: place.after_tenant,
        patience: worker.0.config.patience,
        most: ROUND,
        most_each: ROUND_EACH,
    };
    let taken = store.take_jobs(&taking).await?;
    if taken.is_empty() && place.after_tenant == 0 {
        place.lost_before = None;
    }
    let is_full = taken.len() >= ROUND.unsigned_abs() as usize;
    let was_in_the_middle = place.after_tenant != 0;
    let last = taken.iter().map(|job| job.tenant.get()).max();
    place.after_tenant = last.filter(|_| is_full).map_or(0, |last| last.saturating_sub(1));
    if !taken.is_empty() {
        push(worker, &taken).await?;
    }
    Ok(!taken.is_empty() || was_in_the_middle || placed >= i64::from(EVENTS_AT_A_TIME))
}

/// Pushes what was taken; what could not be pushed is put off.
async fn push(worker: &Worker, taken: &[Taken]) -> Result<(), RelayError> {
    let jobs: Vec<Job> = taken.iter().filter_map(job_of).collect();
    let outcomes = match worker.queue().enqueue_all(&jobs).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            worker.store().put_off_jobs(taken, PAUSE).await?;
            return Err(error.into());
        }
    };
    let mut without_room = Vec::new();
    let mut pushed = 0;
    for (job, outcome) in taken.iter().zip(outcomes) {
        match outcome {
            Enqueued::Known(Stage::Dead) => {
                let reason = "the queue gave it up: its workers ended without a word";
                worker.store().bury_job(job.tenant, (job.id, job.replays), (reason, 0)).await?;
            }
            Enqueued::Full => without_room.push(job.clone()),
            Enqueued::New(_) => pushed += 1,
            // In hand, or waiting. Jobs are unique in PostgreSQL, so the queue is told of no unique keys.
            Enqueued::Known(_) | Enqueued::NotUnique { .. } => {}
        }
    }
    worker.metrics().pushed(pushed);
    if !without_room.is_empty() {
        worker.store().put_off_jobs(&without_room, FULL_PAUSE).await?;
    }
    Ok(())
}

/// The table's checks let no other words in.
fn job_of(taken: &Taken) -> Option<Job> {
    let kind = Kind::parse(&taken.kind).ok()?;
    let nothing = PayloadRef::parse("").ok()?;
    let mut job = Job::new(name::of(taken.id, taken.replays), taken.tenant, kind, nothing);
    job.priority = Priority::from_name(&taken.priority)?;
    job.limits = LIMITS;
    Some(job)
}

async fn wait(worker: &Worker, listener: &Listener) {
    let look = LOOK_INTERVAL.mul_f64(rand::rng().random_range(0.75..=1.0));
    let next = worker.store().next_job_in().await.ok().flatten();
    let pause = next.unwrap_or(look).max(LOOK_PAUSE_MIN).min(look);
    tokio::select! {
        () = listener.heard() => {}
        () = sleep(pause) => {}
    }
}
