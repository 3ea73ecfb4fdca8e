//! What there is: jobs as PostgreSQL and Redis know them, the relay between the two, workers and their late words.

use std::fmt;
use std::hash::{Hash, Hasher};

use kv_coord::lock::{Epoch, Fence};
use kv_coord::queue::rule::QueueRule;
use kv_coord::queue::{Job as QueuedJob, JobId, Kind, PayloadRef};
use kv_coord::queue::{JobLimits, Lease as RealLease};
use kv_types::TenantId;

/// A job by its place; also the id of its row, drawn when its transaction begins.
pub(super) type Id = usize;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) jobs: Vec<Job>,
    pub(super) redis: Redis,
    pub(super) relay: Relay,
    /// Sorted, since one is as good as another.
    pub(super) workers: Vec<Worker>,
    /// On their way to Redis, in no order.
    pub(super) acks: Vec<Ack>,
    /// The last row of a relay that remembers one.
    pub(super) last_relayed: Option<Id>,
    pub(super) budget: Budget,
    pub(super) seen: Seen,
    pub(super) old_ack_acted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub(super) row: Row,
    /// How often its effect is in the tables.
    pub(super) effects: u8,
    /// `job_done` has it.
    pub(super) is_done: bool,
    /// Whose lease it is that Redis has on it.
    pub(super) lease: Option<Lease>,
    pub(super) deliveries: Deliveries,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deliveries {
    None,
    One,
    More,
}

/// The job's row in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Row {
    /// Nobody asked for the job yet.
    None,
    /// In a transaction that may yet be rolled back.
    Uncommitted,
    RolledBack,
    /// Acknowledged to whoever asked.
    New,
    Pushed,
    Done,
    /// Taken out before its time.
    Deleted,
}

/// The product's own queue, of one incarnation of its server.
#[derive(Clone)]
pub(super) struct Redis {
    pub(super) rule: QueueRule,
    /// Of the first incarnation, unless each has one of its own.
    epoch: Epoch,
    /// Whether fences may come again, so that it matters how many there were.
    pub(super) repeats: bool,
}

impl Redis {
    fn new(repeats: bool) -> Self {
        let epoch = Epoch::new(1).expect("in range");
        Self { rule: QueueRule::new(epoch), epoch, repeats }
    }

    /// Comes back with nothing.
    pub(super) fn flush(&mut self) {
        if !self.repeats {
            self.epoch = Epoch::new(self.epoch.get() + 1).expect("fewer flushes than epochs");
        }
        self.rule = QueueRule::new(self.epoch);
    }

    fn minted(&self) -> Option<u64> {
        self.repeats.then(|| self.rule.minted())
    }
}

impl PartialEq for Redis {
    fn eq(&self, other: &Self) -> bool {
        self.rule.view() == other.rule.view() && self.minted() == other.minted()
    }
}

impl Eq for Redis {}

impl Hash for Redis {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rule.view().hash(state);
        self.minted().hash(state);
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("view", &self.rule.view()).field("minted", &self.minted()).finish()
    }
}

/// The job with this place, as it is pushed. Its limits are beyond what the model's mishaps reach.
pub(super) fn queued(id: Id) -> QueuedJob {
    let tenant = TenantId::new(1).expect("positive");
    let (kind, payload) = (Kind::parse("model").expect("allowed"), PayloadRef::parse("").expect("short"));
    let limits = JobLimits::new(JobLimits::MAX, JobLimits::MAX).expect("in range");
    QueuedJob { limits, ..QueuedJob::new(name_of(id), tenant, kind, payload) }
}

pub(super) fn name_of(id: Id) -> JobId {
    JobId::parse(&id.to_string()).expect("allowed")
}

/// Who works on a job, by the lease's fence and, so that a fence used twice is noticed, by the claim that made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) fence: Fence,
    pub(super) claim: u8,
    /// Tells leases apart where fences may come again; else fences differ as claims do, and their size is but age.
    pub(super) shown: u64,
}

impl Lease {
    const fn key(&self) -> (u8, u64) {
        (self.claim, self.shown)
    }

    pub(super) fn real(self, job: Id) -> RealLease {
        RealLease { id: name_of(job), fence: self.fence }
    }
}

impl PartialEq for Lease {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Lease {}

impl PartialOrd for Lease {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Lease {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Lease {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ack {
    pub(super) job: Id,
    pub(super) lease: Lease,
}

/// The relay's transaction, which holds its row's lock until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Relay {
    Idle,
    Took(Id),
    HasPushed(Id),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Worker {
    Idle,
    /// Claimed; the effect is not committed.
    Working(Id, Lease),
    /// Committed; not said so.
    Finished(Id, Lease),
    /// Said so first; the effect is not committed.
    SaidSo(Id),
}

/// How often each mishap may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) worker_crashes: u8,
    pub(super) relay_crashes: u8,
    pub(super) flushes: u8,
    /// Leases that end although their worker lives: it was paused, or its heartbeat was.
    pub(super) early_expiries: u8,
}

/// What the last step brought about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Seen(u8);

#[derive(Clone, Copy, Debug)]
pub(super) enum Sight {
    DuplicateAbsorbed = 1,
    OldAckIgnored = 2,
    Flushed = 4,
    PushedAgain = 8,
}

impl Seen {
    pub(super) fn note(&mut self, sight: Sight) {
        self.0 |= sight as u8;
    }

    pub(super) const fn has(self, sight: Sight) -> bool {
        self.0 & sight as u8 != 0
    }
}

impl World {
    pub(super) fn new(jobs: usize, workers: usize, budget: Budget, repeats: bool) -> Self {
        let job = Job { row: Row::None, effects: 0, is_done: false, lease: None, deliveries: Deliveries::None };
        Self {
            jobs: vec![job; jobs],
            redis: Redis::new(repeats),
            relay: Relay::Idle,
            workers: vec![Worker::Idle; workers],
            acks: Vec::new(),
            last_relayed: None,
            budget,
            seen: Seen::default(),
            old_ack_acted: false,
        }
    }

    /// Pushes a job, again if need be.
    pub(super) fn push(&mut self, id: Id) {
        self.redis.rule.enqueue(&queued(id));
    }

    /// Whether Redis has the job, ready or leased.
    pub(super) fn is_known(&self, id: Id) -> bool {
        self.redis.rule.knows(&name_of(id))
    }

    /// Whether a living worker, or its word on the way, still stands for this lease.
    pub(super) fn somebody_stands_for(&self, lease: Lease) -> bool {
        let by_worker = self.workers.iter().any(|worker| worker.lease() == Some(lease));
        by_worker || self.acks.iter().any(|ack| ack.lease == lease)
    }

    /// A claim that differs from all that anybody remembers; that it differs is all that matters.
    pub(super) fn new_claim(&self) -> u8 {
        let leased = self.jobs.iter().filter_map(|job| job.lease);
        let worked = self.workers.iter().filter_map(|worker| worker.lease());
        let said = self.acks.iter().map(|ack| ack.lease);
        let known: Vec<u8> = leased.chain(worked).chain(said).map(|lease| lease.claim).collect();
        (1..).find(|claim| !known.contains(claim)).expect("fewer claims than numbers")
    }
}

impl Worker {
    const fn lease(&self) -> Option<Lease> {
        match *self {
            Self::Working(_, lease) | Self::Finished(_, lease) => Some(lease),
            Self::Idle | Self::SaidSo(_) => None,
        }
    }
}
