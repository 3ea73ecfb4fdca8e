//! A sound system has no findings; each trouble is found with its figure, the worst first.

use super::*;
use crate::logs::LogGroup;
use crate::stress::postgres::LockWait;

#[test]
fn a_sound_system_has_no_findings() {
    let postgres = PostgresSample { connections: 10, connections_max: 100, ..PostgresSample::default() };
    let redis = RedisSample { used_memory_bytes: 1_000, ..RedisSample::default() };
    let seen = Seen {
        postgres: Some((postgres.clone(), postgres)),
        redis: Some((redis.clone(), redis)),
        locks: vec![SeenLock { key: "lock:a".into(), lives_ms: Some(5_000), ..SeenLock::default() }],
        pools: vec![("api-1".into(), 3, 0, 0)],
        backlog: Some(Backlog::default()),
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
    let queues = [("queue:default".to_owned(), (10, 500))].into();
    let group = LogGroup { message: "x".into(), count: 12, of: [("api-1".into(), 12)].into(), last: "ERROR x".into() };
    let seen = Seen {
        postgres: Some((first, last)),
        redis: Some((RedisSample::default(), RedisSample { evicted_keys: 490, ..RedisSample::default() })),
        backlog: Some(Backlog { queues, seconds: 3.0, done: None, workers: None }),
        locks: vec![SeenLock { key: "lock:a".into(), ..SeenLock::default() }],
        replicas: vec![("api-2".into(), "is unready".into())],
        pools: vec![("api-1".into(), 2, 3, 0)],
        slow: vec![SlowStatement { statement: "select 1".into(), longest_ns: 9 * S, count: 1, total_ns: None }],
        logged: vec![LoggedErrors { group, fresh: 9 }],
        ..Seen::default()
    };
    let found = findings(&seen);
    let text: Vec<String> = found.iter().map(|finding| format!("{}: {}", finding.severity, finding.seen)).collect();
    let text = text.join("\n");
    for word in [
        "now: 99 of 100 connections",
        "now: session 8 (idle in transaction) blocks 1 others, for 3.00 s: lock table a",
        "soon: a transaction has been open for 60.0 s",
        "now: Redis evicted 490 keys",
        "soon: 500 jobs wait, +163.3/s",
        "now: the lock lock:a lives for ever",
        "now: api-2 is unready",
        "now: 3 requests wait for a database connection in api-1",
        "look: a statement ran for 9.00 s",
        "now: 12 errors logged, 9 of them while it was looked at: x",
    ] {
        assert!(text.contains(word), "{word}\n{text}");
    }
    assert!(found.is_sorted_by_key(|finding| finding.severity));
    assert!(found.iter().all(|finding| !finding.hint.is_empty()));
}
