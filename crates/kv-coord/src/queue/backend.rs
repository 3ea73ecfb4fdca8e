//! What a store of jobs can do.

use futures_util::future::BoxFuture;

use super::bounds::{ClaimCount, LeaseTtl};
use super::counts::QueueCounts;
use super::job::{Job, JobId, Kind, Priority, Queues};
use super::outcome::{ClaimedJob, DeadLetter, Enqueued, FailOutcome, Lease, Replayed, Verdict};
use crate::error::CoordError;

/// What a claim gave, and when there may be more.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    pub(crate) jobs: Vec<ClaimedJob>,
    /// In how many milliseconds the next job is due or the next lease over.
    pub(crate) next_ms: Option<u64>,
}

/// Whether a worker's word was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard<T> {
    Yes(T),
    /// The lease is not this one's any more.
    Lost,
}

/// Which dead letters.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    One(JobId),
    OfKind(Kind),
}

/// Whether claims pass a queue by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Open,
    Paused,
}

/// A store of jobs. Each call is one step: wholly done or not at all.
pub(crate) trait QueueBackend: Send + Sync + 'static {
    /// At most [`ENQUEUE_MAX`](super::ENQUEUE_MAX) jobs.
    fn enqueue<'a>(&'a self, jobs: &'a [Job]) -> BoxFuture<'a, Result<Vec<Enqueued>, CoordError>>;

    fn claim(&self, queues: Queues, count: ClaimCount, ttl: LeaseTtl) -> BoxFuture<'_, Result<Claim, CoordError>>;

    fn heartbeat<'a>(&'a self, lease: &'a Lease, ttl: LeaseTtl) -> BoxFuture<'a, Result<Heard<u64>, CoordError>>;

    fn complete<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Heard<()>, CoordError>>;

    fn fail<'a>(
        &'a self,
        lease: &'a Lease,
        verdict: &'a Verdict,
    ) -> BoxFuture<'a, Result<Heard<FailOutcome>, CoordError>>;

    fn give_back<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Heard<()>, CoordError>>;

    /// The most recent first.
    fn dead_letters(&self) -> BoxFuture<'_, Result<Vec<DeadLetter>, CoordError>>;

    /// A bounded number of them.
    fn replay<'a>(&'a self, which: &'a Which) -> BoxFuture<'a, Result<Replayed, CoordError>>;

    fn set_flow(&self, priority: Priority, flow: Flow) -> BoxFuture<'_, Result<(), CoordError>>;

    fn counts(&self) -> BoxFuture<'_, Result<QueueCounts, CoordError>>;

    /// The name of this life of the store: another one when what it held may be lost.
    fn incarnation(&self) -> BoxFuture<'_, Result<String, CoordError>>;

    fn ping(&self) -> BoxFuture<'_, Result<(), CoordError>>;

    /// Returns when there may be something to claim. May return for nothing; a call may be missed, so its caller looks from
    /// time to time anyway.
    fn called(&self) -> BoxFuture<'_, ()>;

    /// Wakes one more of this process, because there is more than the last one took.
    fn call_another(&self);
}
