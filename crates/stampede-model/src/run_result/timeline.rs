//! The run over time: its seconds, and what happened when.
//!
//! Invariant: everything here is on one axis, nanoseconds or seconds after the start of the run.

use serde::{Deserialize, Serialize};

/// One second of the run, or several in a long one; requests belong to the second in which they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondPoint {
    /// Its first second, from 0.
    pub second: u32,
    /// Requests issued in it.
    pub sent: u64,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests under way or waiting for a connection, looked at near its end.
    pub in_flight: u64,
    /// Virtual users alive near its end; in a run of one URL, its connections.
    pub users: u64,
    /// Median from the intended start of those that succeeded or timed out; `None` when there was none.
    pub p50_ns: Option<u64>,
    /// Their 95th percentile.
    pub p95_ns: Option<u64>,
    /// Their 99th percentile.
    pub p99_ns: Option<u64>,
    /// Their maximum.
    pub max_ns: Option<u64>,
}

/// Something that happened during the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, nanoseconds after the start.
    pub at_ns: u64,
    /// What.
    pub kind: EventKind,
    /// In words, such as `rate 200/s to 500/s`.
    pub text: String,
}

/// What sort of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A stage of the plan began.
    Stage,
    /// Somebody changed the rate.
    Rate,
    /// Somebody changed the number of users.
    Users,
    /// Somebody paused the run.
    Pause,
    /// Somebody let it go on.
    Resume,
    /// Somebody asked it to stop.
    Stop,
    /// A threshold broke and ended the run.
    Abort,
    /// Users who had waited for each other were released.
    Meeting,
    /// Anything else worth a mark on the time axis.
    Note,
}

/// One release of users who waited for each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// When they were released, nanoseconds after the start.
    pub at_ns: u64,
    /// The barrier's name in the plan.
    pub name: String,
    /// How many were released.
    pub users: u32,
    /// From the first request handed to its connection to the last.
    pub skew_ns: u64,
}
