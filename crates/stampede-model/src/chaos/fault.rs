//! What can be broken, once it is understood.
//!
//! Invariant: a [`Fault`] is whole: nothing about it is still to be looked up or defaulted.

use serde::{Deserialize, Serialize};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards the server.
    Up,
    /// Towards the client.
    Down,
    /// Both ways.
    #[default]
    Both,
}

/// How PostgreSQL is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseStop {
    /// SIGTERM: waits for its clients to leave.
    Smart,
    /// SIGINT: ends its sessions.
    Fast,
    /// SIGQUIT: recovers at the next start.
    Immediate,
    /// SIGKILL: a crash.
    Kill,
}

/// How a server without ways of its own is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rough {
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// Which commands a paused Redis leaves unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisPause {
    /// All.
    All,
    /// Those that write.
    Write,
}

/// What a link does to bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Added to the way of every byte.
    pub latency_ms: u64,
    /// How much the latency varies, at most.
    pub jitter_ms: u64,
    /// Bytes per second; 0 is without a limit.
    pub bytes_per_s: u64,
    /// How late the end of a connection is passed on.
    pub close_ms: u64,
}

/// What a link does to requests of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpTrouble {
    /// What becomes of a request that is drawn.
    pub what: HttpWhat,
    /// How many are drawn, of a million.
    pub per_million: u32,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpWhat {
    /// It is answered with this status and not passed on.
    Error(u16),
    /// It is passed on and carried out; the answer is dropped with the connection.
    NoAnswer,
    /// It is passed on twice at the same time; the client gets one of the answers.
    Twice,
}

/// A whole fault, but for when and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// See [`Kind::Kill`].
    Kill,
    /// See [`Kind::Pause`].
    Pause,
    /// See [`Kind::Restart`].
    Restart,
    /// See [`Kind::Stop`].
    Stop,
    /// See [`Kind::Latency`], [`Kind::Bandwidth`], [`Kind::SlowClose`].
    Slow(Limits, Direction),
    /// See [`Kind::Cut`].
    Cut,
    /// See [`Kind::HalfOpen`].
    HalfOpen(Direction),
    /// See [`Kind::Reset`].
    Reset,
    /// See [`Kind::HttpError`], [`Kind::HttpNoAnswer`], [`Kind::HttpTwice`].
    Http(HttpTrouble),
    /// See [`Kind::PostgresStop`].
    PostgresStop(DatabaseStop),
    /// See [`Kind::Promote`]: how the primary ends.
    Promote(DatabaseStop),
    /// See [`Kind::Exhaust`]; `None` is all there are.
    Exhaust(Option<u32>),
    /// See [`Kind::LockTable`].
    LockTable(String),
    /// See [`Kind::LockRows`].
    LockRows(String),
    /// See [`Kind::RedisStop`].
    RedisStop(Rough),
    /// See [`Kind::RedisRestart`].
    RedisRestart,
    /// See [`Kind::Flushall`].
    Flushall,
    /// See [`Kind::ClientPause`].
    ClientPause(RedisPause),
}
