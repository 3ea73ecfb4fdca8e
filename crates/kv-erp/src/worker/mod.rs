//! The worker: claims jobs, does them, and says what came of it. Beside it run the relay, which brings jobs from PostgreSQL to the
//! queue, the clock of the regular jobs, and the look for jobs that died with their workers.
//!
//! Invariants: no more jobs are claimed than there are places; a job's effect and its end are one transaction, so a job that is
//! delivered twice has its effect once; its death stands in PostgreSQL before the queue hears of it; a handler that panics fails its
//! own job alone. After the stop signal nothing is claimed, what runs may end within a grace time, and the rest is given back.
//!
//! Absent on purpose: threads and processes per job, results, and jobs that wait for others.

mod burial;
mod clock;
pub mod config;
pub mod custom;
mod deliver;
mod files;
mod handlers;
mod life;
pub mod metrics;
mod name;
mod relay;
mod run;

use std::sync::Arc;
use std::time::Duration;

use kv_coord::JobQueue;
use kv_coord::queue::{CLAIM_MAX, ClaimCount, ClaimedJob};
use kv_store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::shares::Shares;
use crate::failure::chain;
use crate::webhooks::Places;
use crate::webhooks::send::Sender;
pub use config::WorkerConfig;
use metrics::JobMetrics;
pub use run::{queue, run};

/// How long one call waits for work; a worker that is told to stop does not wait for it.
const CLAIM_WAIT: Duration = Duration::from_secs(10);
/// After a claim that was not answered.
const PAUSE: Duration = Duration::from_millis(500);
/// How long giving jobs back may take after the grace time.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(3);

/// A worker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Worker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    queue: JobQueue,
    config: WorkerConfig,
    metrics: JobMetrics,
    /// For deliveries of events, and who sends them.
    places: Places,
    sender: Sender,
    /// For files of imports and exports.
    files: Shares,
}

impl Worker {
    /// A worker on a store and a queue. It does nothing until it runs.
    pub fn new(store: Store, queue: JobQueue, config: WorkerConfig) -> Self {
        let sender = Sender::new(config.reach);
        let (metrics, places) = (JobMetrics::default(), Places::default());
        let files = Shares::new(files::PLACES, files::PLACES_PER_TENANT);
        Self(Arc::new(Shared { store, queue, config, metrics, places, sender, files }))
    }

    /// What it has done.
    pub fn metrics(&self) -> &JobMetrics {
        &self.0.metrics
    }

    /// The queue it claims from.
    pub fn queue(&self) -> &JobQueue {
        &self.0.queue
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Works until `stop`, and then ends or gives back what it has.
    ///
    /// # Cancel safety
    /// Dropping the future leaves jobs to their leases.
    pub async fn run(&self, stop: &CancellationToken) {
        let beside = TaskTracker::new();
        beside.spawn(relay::keep_pushing(self.clone(), stop.clone()));
        beside.spawn(clock::keep_ticking(self.clone(), stop.clone()));
        beside.spawn(burial::keep_burying(self.clone(), stop.clone()));
        beside.close();
        self.work(stop).await;
        beside.wait().await;
    }

    async fn work(&self, stop: &CancellationToken) {
        let places = Arc::new(Semaphore::new(self.0.config.concurrency));
        let (lives, hurry) = (TaskTracker::new(), CancellationToken::new());
        while let Some(free) = stop.run_until_cancelled(take_places(&places)).await {
            let Some(claimed) = stop.run_until_cancelled(self.claim(free.len())).await else { break };
            for (claimed, place) in claimed.into_iter().zip(free) {
                lives.spawn(life::live(self.clone(), claimed, (place, hurry.clone())));
            }
        }
        lives.close();
        if timeout(self.0.config.grace, lives.wait()).await.is_err() {
            tracing::warn!(jobs = lives.len(), "jobs that still run are given back");
            hurry.cancel();
            if timeout(GIVE_BACK_WITHIN, lives.wait()).await.is_err() {
                tracing::warn!(jobs = lives.len(), "jobs are left to their leases");
            }
        }
    }

    /// Claims at most so many jobs, or none after a while.
    async fn claim(&self, most: usize) -> Vec<ClaimedJob> {
        let Shared { queue, config, .. } = &*self.0;
        let most = u32::try_from(most).unwrap_or(CLAIM_MAX).clamp(1, CLAIM_MAX);
        let count = ClaimCount::new(most).expect("a number between one and the most is in range");
        match queue.claim_or_wait_from(config.queues, count, config.lease_ttl, CLAIM_WAIT).await {
            Ok(claimed) => claimed,
            Err(error) => {
                self.0.metrics.queue_failed();
                tracing::warn!(error = %chain(&error), "no jobs were claimed");
                sleep(PAUSE).await;
                Vec::new()
            }
        }
    }
}

/// The places that are free: one at least, as many as one claim may fill at most.
async fn take_places(places: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let Ok(first) = Arc::clone(places).acquire_owned().await else { return Vec::new() };
    let mut free = vec![first];
    while free.len() < CLAIM_MAX as usize {
        let Ok(next) = Arc::clone(places).try_acquire_owned() else { break };
        free.push(next);
    }
    free
}
