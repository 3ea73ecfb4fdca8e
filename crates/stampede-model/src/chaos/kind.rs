//! The kinds of faults: their words, what each does, and why some are not possible without rights over the machine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kinds of faults, by the words that name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// SIGKILL to a replica.
    Kill,
    /// SIGSTOP to a replica and all its processes.
    Pause,
    /// SIGTERM and a new start.
    Restart,
    /// SIGTERM, and it stays down for the fault's time.
    Stop,
    /// A link gets slower.
    Latency,
    /// A link gets narrower.
    Bandwidth,
    /// A link refuses connections.
    Cut,
    /// A link accepts and says nothing.
    HalfOpen,
    /// A link resets every connection.
    Reset,
    /// A link holds back the end of a connection.
    SlowClose,
    /// A link answers requests itself, with an error.
    HttpError,
    /// A link passes a request on and drops its answer.
    HttpNoAnswer,
    /// A link passes a request on twice.
    HttpTwice,
    /// PostgreSQL is down.
    PostgresStop,
    /// PostgreSQL's primary is down for good, and its standby takes over.
    Promote,
    /// All of PostgreSQL's connections are taken.
    Exhaust,
    /// A session holds a table.
    LockTable,
    /// A session holds rows.
    LockRows,
    /// Redis is down.
    RedisStop,
    /// Redis comes back without its data.
    RedisRestart,
    /// Redis loses its data.
    Flushall,
    /// Redis answers nobody.
    ClientPause,
    /// Reading and writing files is slow.
    SlowDisk,
    /// No room is left on the disk.
    FullDisk,
    /// The clock is wrong.
    Clock,
    /// Packets are lost.
    PacketLoss,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 26] = [
        Self::Kill,
        Self::Pause,
        Self::Restart,
        Self::Stop,
        Self::Latency,
        Self::Bandwidth,
        Self::Cut,
        Self::HalfOpen,
        Self::Reset,
        Self::SlowClose,
        Self::HttpError,
        Self::HttpNoAnswer,
        Self::HttpTwice,
        Self::PostgresStop,
        Self::Promote,
        Self::Exhaust,
        Self::LockTable,
        Self::LockRows,
        Self::RedisStop,
        Self::RedisRestart,
        Self::Flushall,
        Self::ClientPause,
        Self::SlowDisk,
        Self::FullDisk,
        Self::Clock,
        Self::PacketLoss,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Latency => "latency",
            Self::Bandwidth => "bandwidth",
            Self::Cut => "cut",
            Self::HalfOpen => "half-open",
            Self::Reset => "reset",
            Self::SlowClose => "slow-close",
            Self::HttpError => "http-error",
            Self::HttpNoAnswer => "http-no-answer",
            Self::HttpTwice => "http-twice",
            Self::PostgresStop => "postgres-stop",
            Self::Promote => "promote",
            Self::Exhaust => "exhaust",
            Self::LockTable => "lock-table",
            Self::LockRows => "lock-rows",
            Self::RedisStop => "redis-stop",
            Self::RedisRestart => "redis-restart",
            Self::Flushall => "flushall",
            Self::ClientPause => "client-pause",
            Self::SlowDisk => "slow-disk",
            Self::FullDisk => "full-disk",
            Self::Clock => "clock",
            Self::PacketLoss => "packet-loss",
        }
    }

    /// What it does, in a line.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL to a replica; the cluster starts it again",
            Self::Pause => "SIGSTOP to a replica with all its processes, SIGCONT at the end",
            Self::Restart => "SIGTERM to a replica and a new start",
            Self::Stop => "SIGTERM to a replica, which stays down until the end",
            Self::Latency => "--latency 100ms [--jitter 20ms] [--direction up|down] on a link",
            Self::Bandwidth => "--rate 64k bytes a second [--direction up|down] on a link",
            Self::Cut => "a link refuses connections and ends those it has",
            Self::HalfOpen => "a link accepts and is silent; what is under way stands still [--direction up|down]",
            Self::Reset => "a link resets (RST) every connection, old and new",
            Self::SlowClose => "--latency 2s: a link passes the end of a connection on that late",
            Self::HttpError => "--share 20% [--status 503]: a link answers so many requests itself, with an error",
            Self::HttpNoAnswer => "--share 20%: a link passes so many requests on and drops their answers",
            Self::HttpTwice => "--share 20%: a link passes so many requests on twice, at the same time",
            Self::PostgresStop => "PostgreSQL is stopped (--how fast|immediate|smart|kill) and started at the end",
            Self::Promote => {
                "PostgreSQL's primary is ended (--how fast|immediate|kill) and the standby takes over; a new standby at the end"
            }
            Self::Exhaust => "takes all connections of PostgreSQL, or --connections N",
            Self::LockTable => "--table NAME: holds ACCESS EXCLUSIVE on it",
            Self::LockRows => "--rows 'SELECT .. FOR UPDATE': holds what it locks",
            Self::RedisStop => "Redis is stopped (--how term|kill) and started at the end",
            Self::RedisRestart => "Redis ends by SIGKILL and comes back at once, empty unless it keeps a file",
            Self::Flushall => "Redis loses all its data; nothing brings it back",
            Self::ClientPause => "CLIENT PAUSE [--how all|write]: Redis answers nobody",
            Self::SlowDisk | Self::FullDisk | Self::Clock | Self::PacketLoss => "not possible here",
        }
    }

    /// Why it cannot be done without rights over the machine, and what to use instead.
    pub const fn unavailable(self) -> Option<&'static str> {
        match self {
            Self::SlowDisk => Some(
                "a slow disk needs a device-mapper target or a cgroup with io.max, and so root; \
                 hint: give the server's own cgroup an io.max, or delay its link instead",
            ),
            Self::FullDisk => Some(
                "a full disk needs a file system of its own, and so root; \
                 hint: put the server's folder on a small loop or tmpfs mount and fill that",
            ),
            Self::Clock => Some(
                "another clock needs a time namespace (which does not shift CLOCK_REALTIME) or a preloaded library; \
                 hint: run the service under faketime, as its command in the target file",
            ),
            Self::PacketLoss => Some(
                "lost packets need tc netem, and so root; over TCP a loss shows as a delay: \
                 hint: use latency with jitter, half-open, or `tc qdisc add dev eth0 root netem loss 1%` as root",
            ),
            _ => None,
        }
    }

    /// Whether nothing is left to be undone once it is done.
    pub const fn is_an_instant(self) -> bool {
        matches!(self, Self::Kill | Self::Restart | Self::RedisRestart | Self::Flushall)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
