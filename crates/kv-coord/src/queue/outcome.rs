//! What comes of asking.

use std::fmt;

use thiserror::Error;

use super::job::{Job, JobId};
use crate::error::CoordError;
use crate::lock::Fence;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In its queue's list.
    Ready,
    /// Waiting for its time.
    Delayed,
    /// In a worker's hands.
    Leased,
    /// Given up.
    Dead,
}

impl Stage {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "ready" => Some(Self::Ready),
            "delayed" => Some(Self::Delayed),
            "leased" => Some(Self::Leased),
            "dead" => Some(Self::Dead),
            _ => None,
        }
    }
}

/// What came of one job that was enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in, ready or delayed.
    New(Stage),
    /// One with this id was in already, and is there.
    Known(Stage),
    /// Another job of its tenant and kind has its unique key. Nothing was changed.
    NotUnique {
        /// That job.
        holder: JobId,
    },
    /// There are [`JOBS_MAX`](super::JOBS_MAX) jobs. Nothing was changed; ask again later.
    Full,
}

/// The right to work on a job, until it ends or is lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job.
    pub id: JobId,
    /// The token: larger than that of every earlier lease.
    pub fence: Fence,
}

/// A job in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedJob {
    /// What to do.
    pub job: Job,
    /// What to show when speaking of it.
    pub lease: Lease,
    /// Which attempt this is, counted from 1; attempts that ended with their lease count.
    pub attempt: u32,
    /// How many of them ended with their lease and no word.
    pub losses: u32,
    /// When the lease ends unless there is a heartbeat, in milliseconds since 1970 by the store's clock.
    pub deadline_ms: u64,
}

/// Why something failed, for people: at most [`Reason::MAX_BYTES`], the rest is cut.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reason(String);

impl Reason {
    /// The most that is kept.
    pub const MAX_BYTES: usize = 512;

    /// Keeps what fits.
    pub fn new(text: &str) -> Self {
        Self(text[..text.floor_char_boundary(Self::MAX_BYTES)].to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a worker says of an attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another attempt may succeed. If there is none left, the job is dead.
    Retry {
        /// How long to wait; see [`RetryPolicy`](super::RetryPolicy). Cut to a day.
        delay_ms: u64,
        /// What went wrong.
        reason: Reason,
    },
    /// This was no attempt: what the job needs is not there. It is not counted.
    PutOff {
        /// How long to wait. Cut to a day.
        delay_ms: u64,
    },
    /// No attempt will ever succeed.
    Poison {
        /// What is wrong.
        reason: Reason,
    },
}

/// What became of a job whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOutcome {
    /// It will be tried again.
    Retried,
    /// It is a dead letter.
    Dead,
}

/// Why a worker's word about a job was not heard.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The lease is over, or was never this one: the job is another's, ready, done, dead or forgotten. Stop working on it.
    #[error("the lease on job {} is lost", lease.id)]
    Lost {
        /// The lease that was shown.
        lease: Lease,
    },
    /// The store failed; whether it heard the word is not known.
    #[error(transparent)]
    Backend(#[from] CoordError),
}

/// A job that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The job.
    pub job: Job,
    /// What was said last.
    pub reason: Reason,
    /// After how many attempts.
    pub attempts: u32,
    /// When, in milliseconds since 1970 by the store's clock.
    pub died_ms: u64,
}

/// What came of replaying dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many are ready again, with all their attempts.
    pub replayed: u64,
    /// How many stay dead because another job has their unique key.
    pub not_unique: u64,
}
