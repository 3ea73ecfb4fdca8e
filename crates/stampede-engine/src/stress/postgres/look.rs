//! Looks into PostgreSQL once a second: sessions, waits, locks with who holds them, counters, slow statements.
//!
//! Invariants: counters count from the first look; the own session is never counted; who blocks whom is asked for at most
//! [`WAITS_MAX`] sessions at a time, because the question takes PostgreSQL's lock table as a whole.
//! A look that fails (the server is gone, or too busy) is left out, and the run goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use stampede_model::stress::postgres::{LockWait, PostgresFindings, PostgresSample, SlowStatement, WAITS_MAX};
use stampede_model::stress::redact;
use tokio::time::timeout;
use tokio_postgres::Row;

use super::address::{Address, Session};
use crate::stress::{LOOK_WITHIN, StressError};

const SESSIONS: &str = "
    SELECT coalesce(state, '') AS state,
           CASE WHEN state = 'active' AND wait_event_type IS DISTINCT FROM 'Client' THEN coalesce(wait_event_type, '')
                ELSE '' END AS waiting,
           count(*)::int4 AS sessions,
           coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8 AS oldest_s
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    GROUP BY 1, 2";

const SERVER: &str = "
    SELECT (SELECT count(*)::int4 FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS used,
           current_setting('max_connections')::int4 AS most,
           (SELECT count(*)::int4 FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
            WHERE NOT l.granted AND a.datname = current_database()) AS locks_waiting,
           d.xact_commit, d.xact_rollback, d.deadlocks, d.blks_hit, d.blks_read
    FROM pg_stat_database AS d WHERE d.datname = current_database()";

const LOCKS: &str = "
    SELECT w.pid AS blocked_pid, left(w.query, 1000) AS blocked, b.pid AS blocker_pid, left(b.query, 1000) AS blocker,
           coalesce(b.state, '') AS blocker_state,
           l.locktype || coalesce(' ' || CASE WHEN l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                                              THEN l.relation::regclass::text END, '') AS lock,
           l.mode, extract(epoch FROM clock_timestamp() - w.query_start)::float8 AS waited_s
    FROM (SELECT a.* FROM pg_stat_activity AS a
          WHERE a.wait_event_type = 'Lock' AND a.datname = current_database() AND a.pid <> pg_backend_pid()
          ORDER BY a.query_start LIMIT $1) AS w
    JOIN LATERAL (SELECT * FROM pg_locks WHERE pid = w.pid AND NOT granted LIMIT 1) AS l ON true
    JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS by(pid) ON true
    JOIN pg_stat_activity AS b ON b.pid = by.pid
    LIMIT $1";

const SLOW: &str = "
    SELECT left(query, 1000) AS query, extract(epoch FROM clock_timestamp() - query_start)::float8 AS ran_s
    FROM pg_stat_activity
    WHERE state = 'active' AND pid <> pg_backend_pid() AND backend_type = 'client backend'
      AND datname = current_database() AND clock_timestamp() - query_start > make_interval(secs => $1)
    ORDER BY query_start LIMIT $2";

const STATEMENTS: &str = "
    SELECT queryid, left(query, 1000) AS query, calls, total_exec_time::float8 AS total_ms
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL
    ORDER BY total_exec_time DESC LIMIT 500";

/// Most statements of `pg_stat_statements` that a run keeps.
const BUSIEST: usize = 10;

/// Whoever looks.
#[derive(Debug)]
pub(crate) struct Look {
    session: Session,
    start: Counters,
    slow: Duration,
    statements: Option<BTreeMap<i64, (i64, f64)>>,
    pub(crate) samples: Vec<PostgresSample>,
    pub(crate) findings: PostgresFindings,
    /// Looks that failed, and the last reason.
    pub(crate) missed: (u64, String),
}

/// Counters as PostgreSQL has them.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    committed: i64,
    rolled_back: i64,
    deadlocks: i64,
    blocks_hit: i64,
    blocks_read: i64,
}

impl Counters {
    fn of(row: &Row) -> Self {
        Self {
            committed: row.get("xact_commit"),
            rolled_back: row.get("xact_rollback"),
            deadlocks: row.get("deadlocks"),
            blocks_hit: row.get("blks_hit"),
            blocks_read: row.get("blks_read"),
        }
    }
}

impl Look {
    /// Opens a session of its own, before the load takes the connections.
    pub(crate) async fn open(address: &Address, slow: Duration) -> Result<Self, StressError> {
        let session = address.connect("stampede").await?;
        let refused = |action| address.refused(action);
        session.batch_execute("SET statement_timeout = '4s'").await.map_err(refused("set a time limit"))?;
        let row = session.query_one(SERVER, &[]).await.map_err(refused("read its counters"))?;
        let version = session.query_one("SELECT current_setting('server_version')", &[]).await;
        let version: String = version.map_err(refused("read its version"))?.get(0);
        let mut look = Self {
            start: Counters::of(&row),
            session,
            slow,
            statements: None,
            samples: Vec::new(),
            findings: PostgresFindings { version, ..PostgresFindings::default() },
            missed: (0, String::new()),
        };
        look.statements = look.read_statements().await;
        Ok(look)
    }

    /// What the server allows ordinary users, and what is in use.
    pub(super) async fn room(&self) -> Result<(u32, u32), tokio_postgres::Error> {
        room(&self.session).await
    }

    /// Takes a sample at `at_ns`.
    ///
    /// # Cancel safety
    /// Dropping the future loses this sample; the session stays usable.
    pub(crate) async fn sample(&mut self, at_ns: u64) {
        let taken = timeout(LOOK_WITHIN, self.take(at_ns)).await;
        let reason = match taken {
            Ok(Ok(sample)) => {
                sample.lock_waits.iter().for_each(|wait| self.findings.note_wait(wait));
                self.samples.push(sample);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        self.missed = (self.missed.0 + 1, reason);
    }

    async fn take(&mut self, at_ns: u64) -> Result<PostgresSample, tokio_postgres::Error> {
        let mut sample = PostgresSample { at_ns, ..PostgresSample::default() };
        for row in self.session.query(SESSIONS, &[]).await? {
            let (state, waiting): (&str, &str) = (row.get("state"), row.get("waiting"));
            let sessions = count(row.get("sessions"));
            match state {
                "active" => sample.active += sessions,
                "idle in transaction" | "idle in transaction (aborted)" => sample.idle_in_transaction += sessions,
                _ => {}
            }
            if !waiting.is_empty() {
                *sample.waiting.entry(waiting.to_owned()).or_default() += sessions;
            }
            sample.longest_transaction_ns = sample.longest_transaction_ns.max(s_to_ns(row.get("oldest_s")));
        }
        let row = self.session.query_one(SERVER, &[]).await?;
        sample.connections = count(row.get("used"));
        sample.connections_max = count(row.get("most"));
        sample.locks_waiting = count(row.get("locks_waiting"));
        let now = Counters::of(&row);
        let since = |now: i64, then: i64| u64::try_from(now - then).unwrap_or(0);
        sample.committed = since(now.committed, self.start.committed);
        sample.rolled_back = since(now.rolled_back, self.start.rolled_back);
        sample.deadlocks = since(now.deadlocks, self.start.deadlocks);
        sample.blocks_hit = since(now.blocks_hit, self.start.blocks_hit);
        sample.blocks_read = since(now.blocks_read, self.start.blocks_read);
        let most = i64::try_from(WAITS_MAX).unwrap_or(i64::MAX);
        if sample.locks_waiting > 0 {
            let rows = self.session.query(LOCKS, &[&most]).await?;
            sample.lock_waits = rows.iter().map(|row| lock_wait(at_ns, row)).collect();
        }
        for row in self.session.query(SLOW, &[&self.slow.as_secs_f64(), &most]).await? {
            self.findings.note_slow(redact::statement(row.get("query")), s_to_ns(row.get("ran_s")));
        }
        Ok(sample)
    }

    /// What took most time since the start, by `pg_stat_statements`; `None` where that is not installed.
    async fn read_statements(&self) -> Option<BTreeMap<i64, (i64, f64)>> {
        let rows = self.session.query(STATEMENTS, &[]).await.ok()?;
        Some(rows.iter().map(|row| (row.get("queryid"), (row.get("calls"), row.get("total_ms")))).collect())
    }

    /// Takes the last sample and asks which statements took most time.
    pub(super) async fn close(&mut self, at_ns: u64) {
        self.sample(at_ns).await;
        let Some(before) = &self.statements else { return };
        let Ok(rows) = self.session.query(STATEMENTS, &[]).await else { return };
        let mut busiest: Vec<SlowStatement> = rows
            .iter()
            .filter_map(|row| {
                let (calls, spent_ms) = before.get(&row.get::<_, i64>("queryid")).copied().unwrap_or((0, 0.0));
                let calls = u64::try_from(row.get::<_, i64>("calls") - calls).ok().filter(|calls| *calls > 0)?;
                let in_all_ms = (row.get::<_, f64>("total_ms") - spent_ms).max(0.0);
                let total_ns = (in_all_ms * 1e6) as u64;
                let statement = redact::statement(row.get("query"));
                Some(SlowStatement { statement, longest_ns: total_ns / calls, count: calls, total_ns: Some(total_ns) })
            })
            .collect();
        busiest.sort_by_key(|statement| std::cmp::Reverse(statement.total_ns));
        busiest.truncate(BUSIEST);
        self.findings.busiest = Some(busiest);
    }
}

/// What the server allows ordinary users, and what is in use.
pub(crate) async fn room(session: &Session) -> Result<(u32, u32), tokio_postgres::Error> {
    // The second kind of reserved connections came with version 16.
    let sql = "SELECT current_setting('max_connections')::int4
                    - current_setting('superuser_reserved_connections')::int4
                    - coalesce(current_setting('reserved_connections', true), '0')::int4,
                      (SELECT count(*)::int4 FROM pg_stat_activity WHERE backend_type = 'client backend')";
    let row = session.query_one(sql, &[]).await?;
    Ok((count(row.get(0)), count(row.get(1))))
}

fn lock_wait(at_ns: u64, row: &Row) -> LockWait {
    LockWait {
        at_ns,
        blocked_pid: row.get("blocked_pid"),
        blocked: redact::statement(row.get("blocked")),
        blocker_pid: row.get("blocker_pid"),
        blocker: redact::statement(row.get("blocker")),
        blocker_state: row.get("blocker_state"),
        lock: row.get("lock"),
        mode: row.get("mode"),
        waited_ns: s_to_ns(row.get("waited_s")),
    }
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn s_to_ns(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e9) as u64
}
