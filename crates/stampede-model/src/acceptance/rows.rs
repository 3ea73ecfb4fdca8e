//! The rows of an acceptance file, as it writes them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::target::{Ref, duration};
use crate::units::{parse_bytes, parse_share};

/// A row of an acceptance file.
#[derive(Clone, Copy, Debug)]
pub enum Extra<'a> {
    /// Further thresholds of a load row.
    Measured(&'a MeasuredRow),
    /// Work that follows a request.
    FollowUp(&'a FollowUpRow),
    /// How soon clients are served again after a crash.
    Recovery(&'a FailoverRow),
    /// What clients that repeat with their key see of the same crash.
    Kept(&'a FailoverRow),
    /// Whether what was acknowledged around the crash is there.
    Vanished(&'a FailoverRow),
    /// A program of its own.
    Command(&'a CommandRow),
    /// Connections of PostgreSQL, at most.
    Connections(&'a ConnectionsDemand),
    /// Connections that do not come back.
    Leak(&'a LeakDemand),
    /// Memory of Redis.
    RedisMemory(&'a RedisDemand),
    /// Evictions of Redis.
    RedisEvictions(&'a RedisDemand),
    /// Queues that are worked off.
    Queue(&'a QueueDemand),
    /// CPU and memory of a service's replicas.
    Resources(&'a str, &'a Limits),
    /// Replicas that ended by themselves.
    Ends,
    /// Lines of logs that speak of an error.
    Logs(&'a LogsDemand),
    /// Availability.
    Uptime(&'a UptimeRow),
}

/// Further thresholds of a load row's measurement, as a row of their own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredRow {
    /// Its name.
    pub id: Ref,
    /// The table's first column.
    pub test: String,
    /// The load row.
    pub of: Ref,
    /// Limits, as `rps >= 990`.
    pub thresholds: Vec<Ref>,
    /// The limits for `--quick`, whose load is smaller; the same when left out.
    pub quick: Option<Vec<Ref>>,
}

/// A replica is killed while clients write, each write with a key of idempotency: gives three rows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailoverRow {
    /// Its name; the second and third row add `-kept` and `-vanished`.
    pub id: Ref,
    /// A replica of this service is killed, SIGKILL.
    pub on: Ref,
    /// The workload of the model `idempotency` whose writes the clients send and look up afterwards.
    pub workload: Ref,
    /// Clients.
    #[serde(default = "twenty")]
    pub clients: u32,
    /// Writes per second of all clients together.
    pub rate_per_s: u32,
    /// How long they write before the crash.
    #[serde(deserialize_with = "duration", default = "two_seconds")]
    pub before: Duration,
    /// And after it.
    #[serde(deserialize_with = "duration", default = "six_seconds")]
    pub after: Duration,
    /// Clients must be served again so soon.
    #[serde(deserialize_with = "duration")]
    pub recovery: Duration,
    /// A write that is repeated with its key must be done so soon.
    #[serde(deserialize_with = "duration")]
    pub kept_within: Duration,
    /// The replica itself must be ready again so soon.
    #[serde(deserialize_with = "duration", default = "a_minute")]
    pub ready_within: Duration,
}

/// Requests whose work is done later by somebody else; a replica of those is killed in the midst.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUpRow {
    /// Its name.
    pub id: Ref,
    /// The workload of the model `idempotency` whose writes ask for the work.
    pub workload: Ref,
    /// The request that is answered as expected once the work is done; `{id}` is what the write took.
    pub done: Ref,
    /// How many.
    pub jobs: u32,
    /// How many for `--quick`.
    pub quick: u32,
    /// A replica of this service is killed, SIGKILL, when half of the writes are acknowledged.
    pub kill: Option<Ref>,
    /// All must be done so long after the last write.
    #[serde(deserialize_with = "duration")]
    pub within: Duration,
}

/// A question that is asked throughout the run on a new connection each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UptimeRow {
    /// Its name.
    pub id: Ref,
    /// The path of a GET; the target's own `ready` when left out.
    pub path: Option<String>,
    /// How often.
    pub rate_per_s: u32,
    /// The share that must be answered well, as `99.9%`.
    #[serde(deserialize_with = "share")]
    pub share: f64,
    /// How long an answer may take.
    #[serde(deserialize_with = "duration", default = "two_seconds")]
    pub timeout: Duration,
}

/// What is watched throughout, each table a row; what is left out is not judged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// Connections of PostgreSQL.
    pub connections: Option<ConnectionsDemand>,
    /// Connections that do not come back.
    pub leak: Option<LeakDemand>,
    /// Redis.
    pub redis: Option<RedisDemand>,
    /// The queues of `[look]`.
    pub queue: Option<QueueDemand>,
    /// CPU and memory of the replicas, by service.
    #[serde(default)]
    pub resources: BTreeMap<String, Limits>,
    /// Whether replicas may end by themselves: killed for want of memory, crashed.
    #[serde(default)]
    pub ends: bool,
    /// Logs of the replicas.
    pub logs: Option<LogsDemand>,
}

impl Watched {
    /// Its rows.
    pub fn rows(&self) -> Vec<Extra<'_>> {
        let mut rows: Vec<Extra<'_>> = self.connections.iter().map(Extra::Connections).collect();
        rows.extend(self.leak.iter().map(Extra::Leak));
        rows.extend(self.redis.iter().map(Extra::RedisMemory));
        rows.extend(self.redis.iter().map(Extra::RedisEvictions));
        rows.extend(self.queue.iter().map(Extra::Queue));
        rows.extend(self.resources.iter().map(|(service, limits)| Extra::Resources(service, limits)));
        rows.extend(self.ends.then_some(Extra::Ends));
        rows.extend(self.logs.iter().map(Extra::Logs));
        rows
    }
}

/// What connections of PostgreSQL may be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionsDemand {
    /// All pools together, and whatever connects beside them.
    pub most: u32,
}

/// The same burst of requests again and again: a pool is filled once, a leak grows with each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakDemand {
    /// Who asks.
    pub user: Ref,
    /// What; it must not need set-up.
    pub request: Ref,
    /// How many at once.
    #[serde(default = "sixty")]
    pub together: u32,
    /// How often.
    #[serde(default = "five")]
    pub rounds: u32,
}

/// What Redis may use; it may evict nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisDemand {
    /// Memory, as `256mb`; its own `maxmemory` counts too.
    pub memory: Bytes,
}

/// How soon the queues are empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueDemand {
    /// After the last request of the run.
    #[serde(deserialize_with = "duration")]
    pub drained_within: Duration,
}

/// What a replica may use.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Cores, over any five seconds.
    pub cpu_cores: f64,
    /// Memory, as `512mb`.
    pub memory: Bytes,
}

/// What may stand in the logs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsDemand {
    /// Lines that speak of an error and hold one of these words are expected.
    #[serde(default)]
    pub allow: Vec<String>,
}

/// A program whose exit code is the verdict and whose last line of output is the figure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRow {
    /// Its name.
    pub id: Ref,
    /// The table's first column.
    pub test: String,
    /// The second: what is done.
    pub metric: String,
    /// The third: what must come out.
    pub target: String,
    /// Program and arguments, without a shell. `{bin}` is the folder of this program, `{here}` that of this file, `{url}` where the
    /// cluster answers, `{cluster}` its run folder.
    pub command: Vec<Ref>,
    /// The same for `--quick`.
    pub quick: Option<Vec<Ref>>,
    /// How long it may take.
    #[serde(deserialize_with = "duration", default = "five_minutes")]
    pub within: Duration,
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_bytes(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_share(&text).map_err(serde::de::Error::custom)
}

const fn five() -> u32 {
    5
}

const fn twenty() -> u32 {
    20
}

const fn sixty() -> u32 {
    60
}

const fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

const fn six_seconds() -> Duration {
    Duration::from_secs(6)
}

const fn a_minute() -> Duration {
    Duration::from_mins(1)
}

const fn five_minutes() -> Duration {
    Duration::from_mins(5)
}
