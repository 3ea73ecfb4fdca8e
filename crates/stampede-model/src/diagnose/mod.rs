//! What is wrong with a system that is slow or fails, from a few looks at it: each finding with what it rests on and what to do next.
//!
//! Invariants: a finding names its figure and its evidence; nothing is found that was not seen. Absent on purpose: guesses at causes
//! that no look shows.

mod locks;
mod logs;
mod postgres;
mod queue;
mod redis;

use std::fmt;

use serde::Serialize;

use crate::look::LockWords;
use crate::stress::postgres::{PostgresSample, SlowStatement};
use crate::stress::redis::RedisSample;
use crate::units::show_ns;

pub use logs::LoggedErrors;
pub use postgres::{Link, Sessions, chains};
pub use queue::Backlog;

const S: u64 = 1_000_000_000;
/// From this share of a limit on there is little room.
const NEARLY: f64 = 0.8;

/// What was seen: a first look and a last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When the last look was, milliseconds since 1970.
    pub at_unix_ms: i64,
    /// PostgreSQL.
    pub postgres: Option<(PostgresSample, PostgresSample)>,
    /// Its sessions, by who has them.
    pub sessions: Vec<Sessions>,
    /// Slow statements, longest first.
    pub slow: Vec<SlowStatement>,
    /// Redis.
    pub redis: Option<(RedisSample, RedisSample)>,
    /// Jobs that wait.
    pub backlog: Option<Backlog>,
    /// Requests that wait for a connection of the pool: whose, how many at first and at last, and how many got none meanwhile.
    pub pools: Vec<(String, u64, u64, u64)>,
    /// Replicas: name, what is wrong with it.
    pub replicas: Vec<(String, String)>,
    /// Replicas that are ready and have ended before: name, how often and how.
    pub ended: Vec<(String, String)>,
    /// Lines of logs that speak of an error.
    pub logged: Vec<LoggedErrors>,
    /// Locks.
    pub locks: Vec<SeenLock>,
    /// Users at their limit.
    pub limited: Vec<LimitedUser>,
    /// What could not be looked at.
    pub troubles: Vec<String>,
}

/// A lock in Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenLock {
    /// Its key.
    pub key: String,
    /// How long it still lives, in milliseconds; `None` is for ever.
    pub lives_ms: Option<u64>,
    /// What its value says.
    pub words: LockWords,
    /// Whether the connection that its value names is there; `None` when it names none.
    pub holder_is_there: Option<bool>,
}

/// A user who is at the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitedUser {
    /// The key of the count.
    pub key: String,
    /// Calls in the window.
    pub used: u64,
    /// Calls allowed.
    pub limit: u64,
    /// When the count is over, in milliseconds.
    pub over_in_ms: Option<u64>,
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Requests fail or hang now.
    Now,
    /// They will.
    Soon,
    /// Worth a look.
    Look,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something cannot be looked at.
    Unseen,
    /// A replica or a server is not well.
    Replica,
    /// A replica has ended by itself.
    Ended,
    /// Connections run out.
    Connections,
    /// Requests wait for a connection.
    Pool,
    /// Sessions wait for each other.
    Blocked,
    /// A transaction is open for long.
    LongTransaction,
    /// Sessions sit in a transaction.
    IdleTransactions,
    /// Deadlocks.
    Deadlocks,
    /// A statement runs for long.
    SlowQuery,
    /// Blocks come from disk.
    DiskReads,
    /// Redis is nearly full.
    RedisMemory,
    /// Redis evicts keys.
    Evictions,
    /// Redis refuses connections.
    RedisConnections,
    /// Redis is asked for what it has not.
    CacheMisses,
    /// Jobs wait.
    Backlog,
    /// A lock is stuck.
    StuckLock,
    /// A user is at the limit.
    Limited,
    /// Errors in the logs.
    Errors,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What sort of trouble.
    pub kind: Kind,
    /// What was seen, with its figure.
    pub seen: String,
    /// What it rests on, line by line.
    pub evidence: Vec<String>,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now => "now",
            Self::Soon => "soon",
            Self::Look => "look",
        })
    }
}

impl Finding {
    fn new((severity, kind): (Severity, Kind), seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity, kind, seen: seen.into(), evidence: Vec::new(), hint: hint.into() }
    }

    fn with(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// Reads what was seen, worst first.
pub fn findings(seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    for trouble in &seen.troubles {
        let text = format!("cannot look at {trouble}");
        found.push(Finding::new((Severity::Now, Kind::Unseen), text, "is it up, and is the address right?"));
    }
    for (name, state) in &seen.replicas {
        let hint = format!("`stampede cluster logs {name}` has its last words");
        found.push(Finding::new((Severity::Now, Kind::Replica), format!("{name} {state}"), hint));
    }
    for (name, how) in &seen.ended {
        let hint = format!("`stampede cluster logs {name}` has what came before");
        found.push(Finding::new((Severity::Look, Kind::Ended), format!("{name} {how}"), hint));
    }
    for (name, first, last, timeouts) in &seen.pools {
        found.extend(waiting((name, *first, *last), *timeouts));
    }
    if let Some((first, last)) = &seen.postgres {
        found.extend(postgres::findings(first, last, &seen.sessions));
    }
    found.extend(seen.slow.iter().take(3).map(|slow| {
        let text = format!("a statement ran for {}", show_ns(slow.longest_ns));
        let hint = "EXPLAIN (ANALYZE, BUFFERS) shows where the time goes; an index may be missing";
        Finding::new((Severity::Look, Kind::SlowQuery), text, hint).with([slow.statement.clone()])
    }));
    if let Some((first, last)) = &seen.redis {
        found.extend(redis::findings(first, last));
    }
    found.extend(seen.backlog.as_ref().and_then(Backlog::finding));
    found.extend(seen.locks.iter().filter_map(|lock| locks::finding(lock, seen.at_unix_ms)));
    found.extend(locks::limited(&seen.limited));
    found.extend(seen.logged.iter().map(LoggedErrors::finding));
    found.sort_by_key(|finding| (finding.severity, finding.kind));
    found
}

/// Requests that wait for a connection: once is chance, twice or in vain is not.
fn waiting((name, first, last): (&str, u64, u64), timeouts: u64) -> Option<Finding> {
    if timeouts == 0 && (first == 0 || last == 0) {
        return None;
    }
    let text = format!("{last} requests wait for a database connection in {name}, {timeouts} got none in time");
    let hint = "a slow or a blocked statement holds the pool, or it is too small: look at the other findings first";
    Some(Finding::new((Severity::Now, Kind::Pool), text, hint).with([format!("at the first look {first} waited")]))
}

#[cfg(test)]
mod tests;
