//! What Redis says of itself during a run, as samples, and what follows from them.
//!
//! Invariants: lists are bounded by [`SLOW_MAX`] and by the lists the user named; counters count from the start of the run,
//! so that what happened before is not held against it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{Figure, Unit};

/// Most slow commands that are kept.
pub const SLOW_MAX: usize = 20;

/// One look at Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSample {
    /// When, nanoseconds after the start of the run.
    pub at_ns: u64,
    /// Memory of the data, in bytes.
    pub used_memory_bytes: u64,
    /// What it may use, in bytes; 0 is no limit.
    pub max_memory_bytes: u64,
    /// Clients that are connected.
    pub connected_clients: u64,
    /// Clients that wait in a blocking command.
    pub blocked_clients: u64,
    /// Commands per second, by Redis' own measure.
    pub ops_per_s: u64,
    /// Keys evicted since the start of the run.
    pub evicted_keys: u64,
    /// Connections refused since the start of the run.
    pub rejected_connections: u64,
    /// Look-ups that found their key since the start of the run.
    pub keyspace_hits: u64,
    /// Look-ups that did not.
    pub keyspace_misses: u64,
    /// Lengths of the watched lists; `None` is a key of another type.
    pub lists: BTreeMap<String, Option<u64>>,
}

/// One command of the slow log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowCommand {
    /// The command with its first arguments, shortened.
    pub command: String,
    /// How long it took, in nanoseconds.
    pub took_ns: u64,
}

/// The worst of one kind of latency event, by Redis' latency monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyEvent {
    /// Its name, such as `command` or `fork`.
    pub event: String,
    /// The latest, in nanoseconds.
    pub latest_ns: u64,
    /// The longest, in nanoseconds.
    pub longest_ns: u64,
}

/// What was seen inside Redis during a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisFindings {
    /// Its version.
    pub version: String,
    /// Commands that got into the slow log during the run, slowest first.
    pub slow: Vec<SlowCommand>,
    /// How many got into it; the log itself is bounded and may have lost some.
    pub slow_count: u64,
    /// Latency events; `None` where the monitor is off.
    pub latency: Option<Vec<LatencyEvent>>,
}

/// The lines `name:value` of `INFO`.
pub fn info(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

impl RedisSample {
    /// Reads a sample from `INFO`; counters are as Redis has them, since its own start.
    pub fn from_info(text: &str) -> Self {
        let info = info(text);
        let number = |name: &str| info.get(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        Self {
            at_ns: 0,
            used_memory_bytes: number("used_memory"),
            max_memory_bytes: number("maxmemory"),
            connected_clients: number("connected_clients"),
            blocked_clients: number("blocked_clients"),
            ops_per_s: number("instantaneous_ops_per_sec"),
            evicted_keys: number("evicted_keys"),
            rejected_connections: number("rejected_connections"),
            keyspace_hits: number("keyspace_hits"),
            keyspace_misses: number("keyspace_misses"),
            lists: BTreeMap::new(),
        }
    }

    /// The sample with its counters counted from `start` on.
    #[must_use]
    pub fn since(mut self, start: &Self) -> Self {
        self.evicted_keys = self.evicted_keys.saturating_sub(start.evicted_keys);
        self.rejected_connections = self.rejected_connections.saturating_sub(start.rejected_connections);
        self.keyspace_hits = self.keyspace_hits.saturating_sub(start.keyspace_hits);
        self.keyspace_misses = self.keyspace_misses.saturating_sub(start.keyspace_misses);
        self
    }
}

/// The figures that follow from the samples; none without a sample.
pub fn figures(samples: &[RedisSample], findings: &RedisFindings) -> Vec<Figure> {
    let Some(last) = samples.last() else { return Vec::new() };
    let most = |of: fn(&RedisSample) -> u64| samples.iter().map(of).max().unwrap_or(0) as f64;
    let mut figures = vec![
        Figure::new("memory.max", most(|sample| sample.used_memory_bytes), Unit::Bytes),
        Figure::new("clients.max", most(|sample| sample.connected_clients), Unit::Count),
        Figure::new("blocked.max", most(|sample| sample.blocked_clients), Unit::Count),
        Figure::new("ops.max", most(|sample| sample.ops_per_s), Unit::PerSecond),
        Figure::new("evicted", last.evicted_keys as f64, Unit::Count),
        Figure::new("rejected", last.rejected_connections as f64, Unit::Count),
        Figure::new("slow", findings.slow_count as f64, Unit::Count),
    ];
    let looked = last.keyspace_hits + last.keyspace_misses;
    if looked > 0 {
        figures.push(Figure::new("cache_hits", last.keyspace_hits as f64 / looked as f64, Unit::Share));
    }
    figures
}

/// Where a watched list went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPath {
    /// Its length at first; `None` is a key of another type, here and below.
    pub first: Option<u64>,
    /// Its length at the end.
    pub last: Option<u64>,
    /// The most it had.
    pub most: Option<u64>,
}

/// Where each watched list went.
pub fn lists(samples: &[RedisSample]) -> BTreeMap<String, ListPath> {
    let mut lists = BTreeMap::new();
    for (key, length) in samples.iter().flat_map(|sample| &sample.lists) {
        let path = lists.entry(key.clone()).or_insert(ListPath { first: *length, last: None, most: None });
        path.last = *length;
        path.most = path.most.max(*length);
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = include_str!("fixtures/redis-7-info.txt");

    #[test]
    fn info_is_read() {
        assert_eq!(info(INFO)["redis_version"], "7.0.15");
        let sample = RedisSample::from_info(INFO);
        assert!(sample.used_memory_bytes > 0 && sample.connected_clients >= 1, "{sample:?}");
        assert!(sample.keyspace_hits > 0, "the fixture was taken after reads: {sample:?}");
    }

    #[test]
    fn counters_count_from_the_start_of_the_run() {
        let start = RedisSample { evicted_keys: 10, keyspace_hits: 5, ..RedisSample::default() };
        let later = RedisSample { evicted_keys: 12, keyspace_hits: 8, keyspace_misses: 1, ..RedisSample::default() };
        let sample = later.since(&start);
        let figures = figures(&[sample], &RedisFindings::default());
        let value = |name: &str| figures.iter().find(|figure| figure.name == name).map(|figure| figure.value);
        assert_eq!((value("evicted"), value("cache_hits")), (Some(2.0), Some(0.75)));
    }

    #[test]
    fn watched_lists_show_where_they_went() {
        let sample = |length| RedisSample {
            lists: BTreeMap::from([("q".to_owned(), Some(length)), ("text".to_owned(), None)]),
            ..RedisSample::default()
        };
        let lists = lists(&[sample(1), sample(9), sample(4)]);
        assert_eq!(lists["q"], ListPath { first: Some(1), last: Some(4), most: Some(9) });
        assert_eq!(lists["text"], ListPath { first: None, last: None, most: None });
    }
}
