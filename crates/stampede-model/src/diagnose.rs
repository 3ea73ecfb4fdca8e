//! What is wrong with a system that is slow or fails, from a few looks at it: each finding with the figure it rests on and what to do.
//!
//! Invariants: a finding names its figure; nothing is found that was not seen. Absent on purpose: guesses at causes that no look shows.

use std::fmt;

use serde::Serialize;

use crate::stress::postgres::{PostgresSample, SlowStatement};
use crate::stress::redis::RedisSample;
use crate::units::{show_ns, thousands};

const S: u64 = 1_000_000_000;
/// From this share of a limit on there is little room.
const NEARLY: f64 = 0.8;
/// A transaction that is open for longer holds back others and the clearing of old rows.
const LONG_TRANSACTION_NS: u64 = 10 * S;
/// Sessions in a transaction without a statement that are more than a passing state.
const IDLE_IN_TRANSACTION: u32 = 5;
/// Fewer blocks than this share from memory is a database that reads from disk.
const HITS_LEAST: f64 = 0.9;
/// Too few look-ups to speak of a rate.
const LOOKUPS_LEAST: u64 = 1_000;

/// What was seen: a first look and a last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// PostgreSQL.
    pub postgres: Option<(PostgresSample, PostgresSample)>,
    /// Slow statements, longest first.
    pub slow: Vec<SlowStatement>,
    /// Redis.
    pub redis: Option<(RedisSample, RedisSample)>,
    /// Replicas: name, what is wrong with it.
    pub replicas: Vec<(String, String)>,
    /// Replicas that are ready and have ended before: name, how often and how.
    pub ended: Vec<(String, String)>,
    /// Lines of logs that speak of an error: whose, how many, the last.
    pub logged: Vec<(String, u64, String)>,
    /// Keys of locks: the key, and how long it still lives in milliseconds; `None` is for ever.
    pub locks: Vec<(String, Option<u64>)>,
    /// What could not be looked at.
    pub troubles: Vec<String>,
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

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What was seen, with its figure.
    pub seen: String,
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

/// Reads what was seen, worst first.
pub fn findings(seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    for trouble in &seen.troubles {
        add(&mut found, Severity::Now, format!("cannot look at {trouble}"), "is it up, and is the address right?");
    }
    for (name, state) in &seen.replicas {
        let hint = format!("`stampede cluster logs {name}` has its last words");
        add(&mut found, Severity::Now, format!("{name} {state}"), &hint);
    }
    for (name, how) in &seen.ended {
        let hint = format!("`stampede cluster logs {name}` has what came before");
        add(&mut found, Severity::Look, format!("{name} {how}"), &hint);
    }
    if let Some((first, last)) = &seen.postgres {
        postgres(&mut found, first, last);
    }
    for slow in seen.slow.iter().take(3) {
        let text = format!("a statement ran for {}: {}", show_ns(slow.longest_ns), slow.statement);
        add(
            &mut found,
            Severity::Look,
            text,
            "EXPLAIN (ANALYZE, BUFFERS) shows where the time goes; an index may be missing",
        );
    }
    if let Some((first, last)) = &seen.redis {
        redis(&mut found, first, last);
    }
    for (key, lives_ms) in seen.locks.iter().filter(|(_, lives_ms)| lives_ms.is_none_or(|ms| ms > 300_000)) {
        let lives = lives_ms.map_or("for ever".to_owned(), |ms| format!("for another {}", show_ns(ms * 1_000_000)));
        let hint = "its holder may be gone: who took it sets a lifetime of seconds; delete it if nobody holds it";
        add(&mut found, Severity::Now, format!("the lock {key} lives {lives}"), hint);
    }
    for (name, count, last) in &seen.logged {
        let text = format!("{name} logged {} errors, the last: {last}", thousands(*count));
        add(&mut found, Severity::Look, text, "the log has what came before it");
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

fn add(found: &mut Vec<Finding>, severity: Severity, seen: String, hint: &str) {
    found.push(Finding { severity, seen, hint: hint.to_owned() });
}

fn postgres(found: &mut Vec<Finding>, first: &PostgresSample, last: &PostgresSample) {
    let (used, most) = (last.connections, last.connections_max);
    if f64::from(used) >= NEARLY * f64::from(most) {
        let severity = if used + 3 >= most { Severity::Now } else { Severity::Soon };
        let hint = "smaller pools, fewer replicas, a pooler, or a higher max_connections";
        add(found, severity, format!("{used} of {most} connections of PostgreSQL are in use"), hint);
    }
    if let Some(wait) = last.lock_waits.iter().max_by_key(|wait| wait.waited_ns) {
        let text = format!(
            "{} lock requests wait; session {} has waited {} for {} ({}) on {}: {}",
            last.locks_waiting,
            wait.blocked_pid,
            show_ns(wait.waited_ns),
            wait.blocker_pid,
            wait.blocker_state,
            wait.lock,
            wait.blocker
        );
        let hint = format!("end the one in the way if need be: SELECT pg_terminate_backend({})", wait.blocker_pid);
        add(found, Severity::Now, text, &hint);
    }
    if last.longest_transaction_ns > LONG_TRANSACTION_NS {
        let text = format!("a transaction has been open for {}", show_ns(last.longest_transaction_ns));
        add(
            found,
            Severity::Soon,
            text,
            "set idle_in_transaction_session_timeout; never wait for others inside of one",
        );
    }
    if last.idle_in_transaction >= IDLE_IN_TRANSACTION && first.idle_in_transaction >= IDLE_IN_TRANSACTION {
        let text = format!("{} sessions are in a transaction and do nothing", last.idle_in_transaction);
        add(found, Severity::Soon, text, "the service waits for something else, or forgot to commit");
    }
    if last.deadlocks > first.deadlocks {
        let text = format!("{} deadlocks while it was looked at", last.deadlocks - first.deadlocks);
        add(found, Severity::Now, text, "lock rows in one order everywhere");
    }
    let (hit, read) = (
        last.blocks_hit - first.blocks_hit.min(last.blocks_hit),
        last.blocks_read - first.blocks_read.min(last.blocks_read),
    );
    if hit + read > LOOKUPS_LEAST && (hit as f64) < HITS_LEAST * (hit + read) as f64 {
        let text = format!("{} of {} blocks came from disk", thousands(read), thousands(hit + read));
        add(found, Severity::Look, text, "more shared_buffers, or an index for what reads so much");
    }
}

fn redis(found: &mut Vec<Finding>, first: &RedisSample, last: &RedisSample) {
    let (used, most) = (last.used_memory_bytes, last.max_memory_bytes);
    if most > 0 && used as f64 >= NEARLY * most as f64 {
        let text = format!("Redis uses {} of {} bytes", thousands(used), thousands(most));
        add(found, Severity::Soon, text, "more maxmemory, shorter lifetimes, or fewer keys");
    }
    if last.evicted_keys > first.evicted_keys {
        let text = format!("Redis evicted {} keys while it was looked at", last.evicted_keys - first.evicted_keys);
        add(
            found,
            Severity::Now,
            text,
            "locks, limits and queues may be among them: maxmemory-policy noeviction for those",
        );
    }
    if last.rejected_connections > first.rejected_connections {
        let rejected = last.rejected_connections - first.rejected_connections;
        add(
            found,
            Severity::Now,
            format!("Redis refused {rejected} connections"),
            "a higher maxclients, or smaller pools",
        );
    }
    let hits = last.keyspace_hits - first.keyspace_hits.min(last.keyspace_hits);
    let misses = last.keyspace_misses - first.keyspace_misses.min(last.keyspace_misses);
    if hits + misses > LOOKUPS_LEAST && hits < misses {
        let text = format!("{} of {} look-ups in Redis found nothing", thousands(misses), thousands(hits + misses));
        add(found, Severity::Look, text, "the cache is cold, too small, or its keys live too short");
    }
    for (list, length) in &last.lists {
        let before = first.lists.get(list).copied().flatten().unwrap_or(0);
        if let Some(length) = length.filter(|length| *length > before) {
            let text = format!("the queue {list} grew from {} to {}", thousands(before), thousands(length));
            add(
                found,
                Severity::Soon,
                text,
                "more workers: `stampede cluster scale worker=4`; or jobs that are quicker",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stress::postgres::LockWait;

    #[test]
    fn a_sound_system_has_no_findings() {
        let postgres = PostgresSample { connections: 10, connections_max: 100, ..PostgresSample::default() };
        let redis = RedisSample { used_memory_bytes: 1_000, ..RedisSample::default() };
        let seen = Seen {
            postgres: Some((postgres.clone(), postgres)),
            redis: Some((redis.clone(), redis)),
            locks: vec![("lock:a".into(), Some(5_000))],
            ..Seen::default()
        };
        assert_eq!(findings(&seen), []);
    }

    #[test]
    fn each_trouble_is_found_with_its_figure_and_the_worst_first() {
        let wait = LockWait {
            at_ns: 0,
            blocked_pid: 7,
            blocked: "update a".into(),
            blocker_pid: 8,
            blocker: "lock table a".into(),
            blocker_state: "idle in transaction".into(),
            lock: "relation a".into(),
            mode: "RowExclusiveLock".into(),
            waited_ns: 3 * S,
        };
        let first = PostgresSample::default();
        let last = PostgresSample {
            connections: 99,
            connections_max: 100,
            locks_waiting: 4,
            lock_waits: vec![wait],
            longest_transaction_ns: 60 * S,
            ..PostgresSample::default()
        };
        let queue = |length| RedisSample {
            lists: [("queue:default".to_owned(), Some(length))].into(),
            evicted_keys: length,
            ..RedisSample::default()
        };
        let seen = Seen {
            postgres: Some((first, last)),
            redis: Some((queue(10), queue(500))),
            locks: vec![("lock:a".into(), None)],
            replicas: vec![("api-2".into(), "is unready".into())],
            logged: vec![("api-1".into(), 12, "ERROR x".into())],
            ..Seen::default()
        };
        let found = findings(&seen);
        let text: Vec<String> = found.iter().map(|finding| format!("{}: {}", finding.severity, finding.seen)).collect();
        let text = text.join("\n");
        for word in [
            "now: 99 of 100 connections",
            "now: 4 lock requests wait; session 7 has waited 3.00 s for 8",
            "soon: a transaction has been open for 60.0 s",
            "now: Redis evicted 490 keys",
            "soon: the queue queue:default grew from 10 to 500",
            "now: the lock lock:a lives for ever",
            "now: api-2 is unready",
            "look: api-1 logged 12 errors",
        ] {
            assert!(text.contains(word), "{word}\n{text}");
        }
        assert!(found.is_sorted_by_key(|finding| finding.severity));
        assert!(found.iter().all(|finding| !finding.hint.is_empty()));
    }
}
