//! What can go wrong below a lock, a limit or the queue.
//!
//! Invariant: no variant carries a password; addresses are printed without credentials.
//! Absent on purpose: outcomes. A busy lock or an exhausted limit is an answer, not a failure of this kind.

use std::time::Duration;

use thiserror::Error;

/// Any error a caller of this crate may pass through unread.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A failure of the store behind locks, limits and the queue.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoordError {
    /// The Redis URL cannot be used; found before anything is sent.
    #[error("the Redis URL cannot be read; use redis://[user:password@]host[:port][/db]")]
    BadUrl(#[source] redis::RedisError),
    /// The URL of a Sentinel cannot be used; found before anything is sent.
    #[error("the Redis URL cannot be read: {0}; use redis+sentinel://[user:password@]host:port,host:port/master")]
    BadSentinelUrl(&'static str),
    /// Redis did not answer, or answered that it cannot serve yet. The operation may or may not have happened.
    #[error("Redis at {address} is unreachable")]
    Unreachable {
        /// Host and port, or the socket's path.
        address: String,
        /// What was seen.
        #[source]
        source: Unreachable,
    },
    /// Redis answered with an error that waiting will not mend (wrong type under a key, no permission, out of memory).
    #[error("Redis at {address} refused the operation")]
    Refused {
        /// Host and port, or the socket's path.
        address: String,
        /// Its words.
        #[source]
        source: redis::RedisError,
    },
    /// It is a node of a cluster that refuses some of the keys.
    #[error("Redis at {address} is a node of a cluster: {why}")]
    OfCluster {
        /// Host and port, or the socket's path.
        address: String,
        /// What is missing; ends with what to do.
        why: String,
    },
    /// A script answered in a shape this version does not know.
    #[error("Redis gave an unexpected answer to the script {script}: {answer}")]
    Answer {
        /// Which script.
        script: &'static str,
        /// What came, shortened.
        answer: String,
    },
    /// A new epoch for the fencing numbers could not be drawn, so no lock or lease can be granted.
    #[error("no epoch for the fencing numbers of this Redis")]
    Epoch(#[source] BoxError),
    /// All fencing numbers of the in-process epoch are used; the next start draws a new epoch.
    #[error("the fencing numbers of this process are used up; restart it to draw a new epoch")]
    FencesUsedUp,
    /// The in-process table holds as many locks as it may.
    #[error("{limit} locks are held in this process, more are refused")]
    TooManyLocks {
        /// The bound.
        limit: usize,
    },
}

/// Why Redis counts as unreachable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// No answer within the time allowed.
    #[error("no answer within {} ms", budget.as_millis())]
    Silent {
        /// The time allowed.
        budget: Duration,
    },
    /// The connection failed, or the server is loading, read-only or without its master.
    #[error("connection failed")]
    Broken(#[source] redis::RedisError),
    /// No Sentinel has named a master yet.
    #[error("no Sentinel names a master")]
    NoMaster,
    /// It did not answer a moment ago and is not asked again yet.
    #[error("it did not answer a moment ago")]
    Recently,
}

impl CoordError {
    /// Whether the store could not be reached, as opposed to having refused.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
