//! Stress runs as their commands would leave them, one of each kind.

use std::collections::BTreeMap;

use stampede_model::failure::FailureKind;
use stampede_model::run::Environment;
use stampede_model::run_result::LoadResult;
use stampede_model::stress::pgbench::StatementLatency;
use stampede_model::stress::pool::{HoldRecord, Moments, Outcome, PoolRule, Probe};
use stampede_model::stress::postgres::{LockWait, PostgresFindings, PostgresSample, SlowStatement};
use stampede_model::stress::redis::{LatencyEvent, RedisFindings, RedisSample, SlowCommand};
use stampede_model::stress::steps::{Bend, StepRecord, StepsRecord};
use stampede_model::stress::{
    Figure, Grade, SecondFigures, ServerSample, StressKind, StressRun, StressThreshold, ToolRecord, Unit,
};

use super::{S, STARTED_UNIX_NS};

const MS: u64 = 1_000_000;

fn begun(kind: StressKind, target: &str, elapsed_s: u64) -> StressRun {
    let mut run = StressRun::begun(kind, target, STARTED_UNIX_NS);
    run.elapsed_ns = elapsed_s * S;
    run.environment = Environment { stampede: "0.1.0".to_owned(), system: "Linux 6.1.0".to_owned(), cores: 2 };
    run
}

fn judge(run: &mut StressRun, limits: &[&str]) {
    let judge = |limit: &&str| StressThreshold::parse(run.kind, limit).unwrap().judge(&run.figures);
    run.thresholds = limits.iter().map(judge).collect();
}

fn tool(name: &str, version: &str, command: &str) -> ToolRecord {
    ToolRecord {
        tool: name.to_owned(),
        version: version.to_owned(),
        command: command.to_owned(),
        exit: "exit status: 0".to_owned(),
        figures: Vec::new(),
        series: Vec::new(),
        statements: Vec::new(),
        raw_tail: "done\n".to_owned(),
    }
}

/// Sixty seconds of pgbench; one limit is broken, one left open.
pub(crate) fn postgres() -> StressRun {
    let mut run = begun(StressKind::Postgres, "postgresql://postgres:***@127.0.0.1:5432/postgres", 62);
    run.figures = vec![
        Figure::new("tps", 3336.9, Unit::PerSecond),
        Figure::from_ms("latency", 30.0),
        Figure::from_ms("latency.p99", 121.0),
        Figure::new("failed", 0.0, Unit::Share),
        Figure::new("lock_waits.max", 43.0, Unit::Count),
        Figure::new("connections.share", 0.83, Unit::Share),
    ];
    judge(&mut run, &["failed<1%", "tps>5k", "latency.max<1s"]);
    run.find(Grade::Note, "pg_stat_statements is not installed");
    let mut bench = tool("pgbench", "pgbench (PostgreSQL) 15.18", "pgbench -c 100 -j 10 -T 60 -P 1 postgres");
    bench.series = (1..=60)
        .map(|second| {
            // Whole steps, because the last digit of others may be lost in JSON.
            let swing = ((second as f64 / 7.0).sin() * 8.0).round() / 8.0;
            let figures = vec![
                Figure::new("tps", 3_300.0 + 400.0 * swing, Unit::PerSecond),
                Figure::from_ms("latency", 30.0 - 4.0 * swing),
                Figure::from_ms("latency.stddev", 21.0),
            ];
            SecondFigures { at_ns: second * S, figures }
        })
        .collect();
    let update = "UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;";
    bench.statements =
        vec![StatementLatency { statement: update.to_owned(), mean_ns: 6_770_000, failures: Some(0), retries: None }];
    run.tools = vec![tool("pgbench", "pgbench (PostgreSQL) 15.18", "pgbench -i -s 50 postgres"), bench];
    run.samples = (0..62).map(|second| ServerSample::Postgres(look(second))).collect();
    let slow = |ms: u64, count, total_ns| SlowStatement {
        statement: "SELECT pg_sleep(2)".to_owned(),
        longest_ns: ms * MS,
        count,
        total_ns,
    };
    run.postgres = Some(PostgresFindings {
        version: "15.18 (Debian)".to_owned(),
        slow: vec![slow(2_000, 2, None)],
        busiest: Some(vec![slow(5, 200_307, Some(1_130 * S))]),
        lock_waits: vec![wait(135), wait(12)],
    });
    run
}

fn look(second: u64) -> PostgresSample {
    PostgresSample {
        at_ns: second * S + 3 * MS,
        connections: if second == 0 { 1 } else { 100 },
        connections_max: 120,
        active: 60,
        idle_in_transaction: 12,
        waiting: BTreeMap::from([("Lock".to_owned(), 41), ("LWLock".to_owned(), 20), ("IO".to_owned(), 2)]),
        longest_transaction_ns: 165 * MS,
        locks_waiting: 43,
        committed: second * 3_300,
        rolled_back: second / 10,
        blocks_hit: second * 40_000,
        blocks_read: second * 2_000,
        ..PostgresSample::default()
    }
}

fn wait(ms: u64) -> LockWait {
    LockWait {
        at_ns: 7 * S,
        blocked_pid: 11,
        blocked: format!("UPDATE pgbench_branches SET bbalance = bbalance + {ms}"),
        blocker_pid: 12,
        blocker: "UPDATE pgbench_tellers SET tbalance = 1".to_owned(),
        blocker_state: "idle in transaction".to_owned(),
        lock: "transactionid".to_owned(),
        mode: "ShareLock".to_owned(),
        waited_ns: ms * MS,
    }
}

/// Five seconds of redis-benchmark with two watched lists.
pub(crate) fn redis() -> StressRun {
    let mut run = begun(StressKind::Redis, "redis://default:***@127.0.0.1:6379/0", 5);
    run.figures = ["set", "get"]
        .iter()
        .flat_map(|test| {
            [Figure::new(format!("{test}.rps"), 98_039.2, Unit::PerSecond), Figure::from_ms(format!("{test}.p99"), 0.5)]
        })
        .chain([Figure::new("memory.max", 1_700_000.0, Unit::Bytes), Figure::new("evicted", 0.0, Unit::Count)])
        .collect();
    judge(&mut run, &["evicted<=0"]);
    run.tools =
        vec![tool("redis-benchmark", "redis-benchmark 7.0.15", "redis-benchmark -a *** -t set,get -n 100000 --csv")];
    run.samples = (0..5)
        .map(|second| {
            ServerSample::Redis(RedisSample {
                at_ns: second * S,
                used_memory_bytes: 1_000_000 + second * 150_000,
                max_memory_bytes: 2_000_000,
                connected_clients: 51,
                ops_per_s: 90_000,
                evicted_keys: second / 4,
                keyspace_hits: second * 40_000,
                keyspace_misses: second,
                lists: BTreeMap::from([("queue:a".to_owned(), Some(second * 10)), ("text".to_owned(), None)]),
                ..RedisSample::default()
            })
        })
        .collect();
    run.redis = Some(RedisFindings {
        version: "7.0.15".to_owned(),
        slow: vec![SlowCommand { command: "LRANGE mylist 0 -1".to_owned(), took_ns: 12 * MS }],
        slow_count: 3,
        latency: Some(vec![LatencyEvent { event: "fork".to_owned(), latest_ns: MS, longest_ns: 2 * MS }]),
    });
    run
}

/// A service that answers 500 without connections, judged by the rule itself.
pub(crate) fn pool() -> StressRun {
    let mut run = begun(StressKind::Pool, "http://127.0.0.1:8080/", 12);
    let moments = Moments { taken_ns: 2 * S, held_ns: 2 * S + 100 * MS, released_ns: 6 * S, end_ns: 12 * S };
    let probes: Vec<Probe> = (0..120)
        .map(|number| {
            let at_ns = number * 100 * MS;
            let ok = |status| Outcome::Answered { status, retry_after: false };
            let outcome = match number {
                20..50 => ok(if number % 3 == 0 { 500 } else { 503 }),
                50..60 => Outcome::Failed(FailureKind::Timeout),
                _ => ok(200),
            };
            Probe { at_ns, end_ns: at_ns + 40 * MS, outcome }
        })
        .collect();
    let hold =
        HoldRecord { asked: "all-but 0".to_owned(), manner: "idle".to_owned(), held: 26, ..HoldRecord::default() };
    let rule = PoolRule { recover_within_ns: 5 * S, also_good: Vec::new() };
    let (record, findings) = rule.judge(&probes, moments, hold);
    (run.pool, run.findings) = (Some(record), findings);
    run
}

/// Four rates, the last of which breaks its limit.
pub(crate) fn steps() -> StressRun {
    let mut run = begun(StressKind::Http, "http://127.0.0.1:8080/", 40);
    let limits = ["p95<500ms".parse().unwrap()];
    let steps: Vec<StepRecord> = [(100, 5), (200, 9), (400, 60), (800, 900)]
        .into_iter()
        .map(|(rate, ms)| {
            let mut result = LoadResult { elapsed_ns: 10 * S, ..LoadResult::default() };
            (result.counts.asked, result.counts.sent, result.counts.succeeded) = (rate * 10, rate * 10, rate * 10);
            (0..rate * 10).for_each(|_| result.latency.intent.record(ms * MS));
            StepRecord::of(rate as f64, &result, &limits)
        })
        .collect();
    let bend = Bend::of(&steps);
    run.steps = Some(StepsRecord { steps, bend });
    run.find(Grade::Missed, "it bends at 800/s: p95 < 500ms: 900 ms");
    run
}

/// A run whose tool and server answer with `evil` wherever they can.
pub(crate) fn hostile(evil: &str) -> StressRun {
    let put = |text: &mut String| evil.clone_into(text);
    let mut run = postgres();
    let redis = redis();
    run.samples.extend(redis.samples);
    run.samples.sort_by_key(|sample| match sample {
        ServerSample::Postgres(look) => look.at_ns,
        ServerSample::Redis(look) => look.at_ns,
    });
    for sample in &mut run.samples {
        match sample {
            ServerSample::Postgres(look) => look.waiting = BTreeMap::from([(evil.to_owned(), 3)]),
            ServerSample::Redis(look) => look.lists = BTreeMap::from([(evil.to_owned(), Some(7))]),
        }
    }
    put(&mut run.target);
    run.find(Grade::Doubt, evil);
    run.figures.push(Figure::new(format!("{evil}.rps"), 1.0, Unit::PerSecond));
    run.figures.push(Figure::new(evil, 1.0, Unit::Count));
    put(&mut run.thresholds[0].threshold);
    put(&mut run.thresholds[0].measured);
    for tool in &mut run.tools {
        [&mut tool.tool, &mut tool.version, &mut tool.command, &mut tool.exit].into_iter().for_each(put);
        tool.raw_tail = format!("{evil}\n</pre>{evil}");
        tool.statements.iter_mut().for_each(|statement| put(&mut statement.statement));
    }
    let inside = run.postgres.as_mut().unwrap();
    put(&mut inside.version);
    inside.slow.iter_mut().for_each(|slow| put(&mut slow.statement));
    inside.busiest.iter_mut().flatten().for_each(|slow| put(&mut slow.statement));
    for wait in &mut inside.lock_waits {
        [&mut wait.blocked, &mut wait.blocker, &mut wait.blocker_state, &mut wait.lock, &mut wait.mode]
            .into_iter()
            .for_each(put);
    }
    let mut inside = redis.redis.unwrap();
    put(&mut inside.version);
    inside.slow.iter_mut().for_each(|slow| put(&mut slow.command));
    inside.latency.iter_mut().flatten().for_each(|event| put(&mut event.event));
    run.redis = Some(inside);
    run.pool = pool().pool;
    let hold = &mut run.pool.as_mut().unwrap().hold;
    [&mut hold.asked, &mut hold.manner].into_iter().for_each(put);
    put(&mut run.environment.system);
    run
}
