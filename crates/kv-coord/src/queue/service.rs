//! The face of the queue, the same for both back ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::backend::{Flow, Heard, QueueBackend, Which};
use super::bounds::{ClaimCount, ENQUEUE_MAX, LeaseTtl};
use super::counts::QueueCounts;
use super::in_process::InProcess;
use super::job::{Job, JobId, Kind, Priority, Queues};
use super::outcome::{ClaimedJob, DeadLetter, Enqueued, FailOutcome, Lease, LeaseError, Replayed, Verdict};
use super::redis::RedisQueue;
use crate::error::CoordError;
use crate::lock::{Epoch, EpochSource};
use crate::settings::RedisSettings;

/// How long somebody who waits for work relies on being called; a quarter of it is left to chance.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for work in one call.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// The shortest pause between two looks, so that a job which is just due is not asked for again and again.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(1);

/// The job queue. Cloning is cheap and gives the same queue.
#[derive(Clone)]
pub struct JobQueue {
    backend: Arc<dyn QueueBackend>,
}

impl fmt::Debug for JobQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue").finish_non_exhaustive()
    }
}

impl JobQueue {
    /// A queue of this process alone. `epoch` must be higher than that of any process before, if fences are kept anywhere.
    pub fn in_process(epoch: Epoch) -> Self {
        Self { backend: Arc::new(InProcess::new(epoch)) }
    }

    /// A queue in Redis, shared by all processes that name the same server and tag. `epochs` is asked for a number whenever
    /// this Redis has none of its own yet: at the first claim, and after a restart, failover or flush.
    ///
    /// Does not wait for Redis, so that a service can start while Redis is away; [`JobQueue::ping`] asks.
    ///
    /// # Errors
    /// [`CoordError::BadUrl`] when the settings cannot be used.
    /// # Panics
    /// Outside a tokio runtime.
    pub fn redis(settings: &RedisSettings, epochs: impl EpochSource) -> Result<Self, CoordError> {
        Ok(Self { backend: Arc::new(RedisQueue::open(settings, Arc::new(epochs))?) })
    }

    /// Takes a job in; the same id twice is one job.
    ///
    /// # Errors
    /// When the store did not answer: whether the job is in is not known, and enqueuing it again is safe.
    pub async fn enqueue(&self, job: &Job) -> Result<Enqueued, CoordError> {
        let outcomes = self.backend.enqueue(std::slice::from_ref(job)).await?;
        outcomes.into_iter().next().ok_or(CoordError::Answer { script: "enqueue", answer: "nothing".to_owned() })
    }

    /// Takes jobs in, in their order; an outcome for each. Each hundred are one step.
    ///
    /// # Errors
    /// When the store did not answer: which jobs are in is not known, and enqueuing all again is safe.
    pub async fn enqueue_all(&self, jobs: &[Job]) -> Result<Vec<Enqueued>, CoordError> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        for part in jobs.chunks(ENQUEUE_MAX) {
            outcomes.extend(self.backend.enqueue(part).await?);
        }
        Ok(outcomes)
    }

    /// Takes up to `count` jobs that are ready, without waiting for any.
    ///
    /// # Errors
    /// When the store did not answer. A lease it gave nevertheless ends by itself, and counts as an attempt and as a loss.
    /// # Cancel safety
    /// Dropping the future gives back what it took, in the background.
    pub async fn claim(&self, count: ClaimCount, ttl: LeaseTtl) -> Result<Vec<ClaimedJob>, CoordError> {
        Ok(self.take(Queues::ALL, count, ttl).await?.0)
    }

    /// Takes up to `count` jobs, waiting up to `wait` (at most a minute) for the first. Empty when none came.
    ///
    /// # Errors
    /// When the store did not answer.
    /// # Cancel safety
    /// Dropping the future gives back what it took, in the background.
    pub async fn claim_or_wait(
        &self,
        count: ClaimCount,
        ttl: LeaseTtl,
        wait: Duration,
    ) -> Result<Vec<ClaimedJob>, CoordError> {
        self.claim_or_wait_from(Queues::ALL, count, ttl, wait).await
    }

    /// [`JobQueue::claim_or_wait`] from some queues alone.
    ///
    /// # Errors
    /// When the store did not answer.
    /// # Cancel safety
    /// Dropping the future gives back what it took, in the background.
    pub async fn claim_or_wait_from(
        &self,
        queues: Queues,
        count: ClaimCount,
        ttl: LeaseTtl,
        wait: Duration,
    ) -> Result<Vec<ClaimedJob>, CoordError> {
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        loop {
            let (jobs, next) = self.take(queues, count, ttl).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !jobs.is_empty() || left.is_zero() {
                return Ok(jobs);
            }
            let look = LOOK_INTERVAL.mul_f64(rand::rng().random_range(0.75..=1.0));
            let pause = next.unwrap_or(look).max(LOOK_PAUSE_MIN).min(look).min(left);
            // Whether called or not, the next step is the same: look.
            let _is_called = timeout(pause, self.backend.called()).await.is_ok();
        }
    }

    /// Starts a lease's lifetime anew; gives its end in milliseconds since 1970 by the store's clock.
    ///
    /// # Errors
    /// [`LeaseError::Lost`]: stop working on the job. [`LeaseError::Backend`] when the store did not answer: try again before
    /// the deadline.
    pub async fn heartbeat(&self, lease: &Lease, ttl: LeaseTtl) -> Result<u64, LeaseError> {
        heard(lease, self.backend.heartbeat(lease, ttl).await?)
    }

    /// The job is done, and forgotten. Heard after the deadline too, until the next claim by anybody.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when the lease was over and the job has been moved on; [`LeaseError::Backend`] when the store did not answer.
    pub async fn complete(&self, lease: &Lease) -> Result<(), LeaseError> {
        heard(lease, self.backend.complete(lease).await?)
    }

    /// The attempt failed. The job is put off, or a dead letter if the verdict says so or no attempt is left.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when the lease is over; [`LeaseError::Backend`] when the store did not answer.
    pub async fn fail(&self, lease: &Lease, verdict: &Verdict) -> Result<FailOutcome, LeaseError> {
        heard(lease, self.backend.fail(lease, verdict).await?)
    }

    /// Gives a job back that was not worked on, to the front of its line; this was no attempt.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when the lease is over; [`LeaseError::Backend`] when the store did not answer.
    pub async fn give_back(&self, lease: &Lease) -> Result<(), LeaseError> {
        heard(lease, self.backend.give_back(lease).await?)
    }

    /// The 100 most recent dead letters.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, CoordError> {
        self.backend.dead_letters().await
    }

    /// Makes a dead letter ready again, with all its attempts.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn replay(&self, id: &JobId) -> Result<Replayed, CoordError> {
        self.backend.replay(&Which::One(id.clone())).await
    }

    /// Makes the dead letters of a kind ready again, the oldest first, 100 in each step.
    ///
    /// # Errors
    /// When the store did not answer: some may be ready, and asking again is safe.
    pub async fn replay_kind(&self, kind: &Kind) -> Result<Replayed, CoordError> {
        let which = Which::OfKind(kind.clone());
        let mut all = Replayed::default();
        // What dies again meanwhile is not replayed for ever: no more steps than there can be dead letters.
        for _ in 0..=super::DEAD_MAX / super::bounds::REPLAY_MAX {
            let step = self.backend.replay(&which).await?;
            all = Replayed { replayed: all.replayed + step.replayed, not_unique: step.not_unique };
            if step.replayed == 0 {
                break;
            }
        }
        Ok(all)
    }

    /// Has claims pass a queue by. What is being worked on goes on; jobs still come in. A store that loses everything loses this
    /// too.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn pause(&self, priority: Priority) -> Result<(), CoordError> {
        self.backend.set_flow(priority, Flow::Paused).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn resume(&self, priority: Priority) -> Result<(), CoordError> {
        self.backend.set_flow(priority, Flow::Open).await
    }

    /// How much there is of what, in one cheap call.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn counts(&self) -> Result<QueueCounts, CoordError> {
        self.backend.counts().await
    }

    /// The name of this life of the store. Another one than before says that what was enqueued may be lost: Redis was flushed,
    /// started anew or replaced by a replica; a queue of this process has one for its life.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn incarnation(&self) -> Result<String, CoordError> {
        self.backend.incarnation().await
    }

    /// Asks the store for a sign of life.
    ///
    /// # Errors
    /// When it gave none.
    pub async fn ping(&self) -> Result<(), CoordError> {
        self.backend.ping().await
    }

    /// Claims in a task of its own, so that a caller who goes away meanwhile does not take jobs along.
    async fn take(
        &self,
        queues: Queues,
        count: ClaimCount,
        ttl: LeaseTtl,
    ) -> Result<(Vec<ClaimedJob>, Option<Duration>), CoordError> {
        let (give, taken) = oneshot::channel();
        let backend = Arc::clone(&self.backend);
        tokio::spawn(async move {
            let claim = backend.claim(queues, count, ttl).await;
            let parcel = claim.map(|claim| (Parcel { backend, jobs: claim.jobs }, claim.next_ms));
            // Nobody takes it: the parcel sees to its jobs itself.
            drop(give.send(parcel));
        });
        let Ok(parcel) = taken.await else {
            return Err(CoordError::Answer { script: "claim", answer: "the runtime is shutting down".to_owned() });
        };
        let (parcel, next_ms) = parcel?;
        if next_ms == Some(0) {
            self.backend.call_another();
        }
        Ok((parcel.open(), next_ms.map(Duration::from_millis)))
    }
}

/// Jobs on their way to who asked for them; dropped unopened, they are given back.
struct Parcel {
    backend: Arc<dyn QueueBackend>,
    jobs: Vec<ClaimedJob>,
}

impl Parcel {
    fn open(mut self) -> Vec<ClaimedJob> {
        std::mem::take(&mut self.jobs)
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let jobs = std::mem::take(&mut self.jobs);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if jobs.is_empty() {
            return;
        }
        let backend = Arc::clone(&self.backend);
        runtime.spawn(async move {
            for job in &jobs {
                if let Err(error) = backend.give_back(&job.lease).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a job is left to its lease");
                }
            }
        });
    }
}

fn heard<T>(lease: &Lease, heard: Heard<T>) -> Result<T, LeaseError> {
    match heard {
        Heard::Yes(value) => Ok(value),
        Heard::Lost => Err(LeaseError::Lost { lease: lease.clone() }),
    }
}
