//! What there is: jobs as PostgreSQL and Redis know them, the relay between the two, workers and their late words.

/// A job by its place; also the id of its row, drawn when its transaction begins.
pub(super) type Id = usize;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) jobs: Vec<Job>,
    /// The list of jobs that may be claimed.
    pub(super) ready: Vec<Id>,
    pub(super) relay: Relay,
    /// Sorted, since one is as good as another.
    pub(super) workers: Vec<Worker>,
    /// On their way to Redis, in no order.
    pub(super) acks: Vec<Ack>,
    /// Claims since the last flush, for a Redis that makes tokens of them.
    pub(super) counter: u8,
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
    /// Redis knows it: ready or leased.
    pub(super) is_known: bool,
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

/// Who works on a job, by a token and, so that a token used twice is noticed, by the claim that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lease {
    pub(super) token: u8,
    pub(super) claim: u8,
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
    pub(super) fn new(jobs: usize, workers: usize, budget: Budget) -> Self {
        let job = Job {
            row: Row::None,
            effects: 0,
            is_done: false,
            is_known: false,
            lease: None,
            deliveries: Deliveries::None,
        };
        Self {
            jobs: vec![job; jobs],
            ready: Vec::new(),
            relay: Relay::Idle,
            workers: vec![Worker::Idle; workers],
            acks: Vec::new(),
            counter: 0,
            last_relayed: None,
            budget,
            seen: Seen::default(),
            old_ack_acted: false,
        }
    }

    /// Puts a job on the list, once.
    pub(super) fn push(&mut self, id: Id) {
        if !self.jobs[id].is_known {
            self.jobs[id].is_known = true;
            self.ready.push(id);
        }
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
