//! What `/metrics` says besides the requests themselves: pool, stock, locks, limits, queue, process.
//!
//! Invariant: every family is there from the start, with its help and its type, so that docs/metrics.md can be held to it.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kv_coord::JobQueue;
use kv_coord::queue::{Priority, QueueCounts};
use kv_coord::rate_limit::DecisionCounts;
use kv_store::conflict::Conflict;
use kv_types::histogram::DurationHistogram;

use super::metrics::{buckets, head, line};
use crate::app::App;
use crate::process;
use crate::worker::metrics::render_outbox;

/// How long the queue may take to say how much there is of what.
const QUEUE_PATIENCE: Duration = Duration::from_millis(500);

/// All families.
pub(crate) async fn render(app: &App) -> String {
    let mut text = String::with_capacity(32 * 1024);
    app.metrics().render(&mut text);
    write_build(&mut text);
    write_pool(app, &mut text);
    write_replicas(app, &mut text);
    write_stock(app, &mut text);
    write_conflicts(app, &mut text);
    write_locks(app, &mut text);
    write_limits(app, &mut text);
    write_audit(app, &mut text);
    write_queue(app.watched_queue(), &mut text).await;
    if let Some(worker) = app.worker() {
        worker.metrics().render(&mut text);
        render_outbox(worker.store(), &mut text).await;
    }
    write_process(&mut text);
    text
}

fn single(out: &mut String, (name, kind, help): (&str, &str, &str), value: impl Display) {
    head(out, name, kind, help);
    line(out, name, &[], value);
}

fn counter(out: &mut String, name: &str, help: &str, value: &AtomicU64) {
    single(out, (name, "counter", help), value.load(Ordering::Relaxed));
}

fn histogram(out: &mut String, name: &str, help: &str, histogram: &DurationHistogram) {
    head(out, name, "histogram", help);
    buckets(out, name, &[], &histogram.read());
}

/// Which version runs.
pub(super) fn write_build(out: &mut String) {
    head(out, "kv_build_info", "gauge", "Always 1; the label says which version runs.");
    line(out, "kv_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn write_pool(app: &App, out: &mut String) {
    let pool = app.store().pool_status();
    head(out, "kv_pool_connections", "gauge", "Database connections of the pool.");
    line(out, "kv_pool_connections", &[("state", "open")], pool.size);
    line(out, "kv_pool_connections", &[("state", "idle")], pool.available);
    line(out, "kv_pool_connections", &[("state", "in_use")], pool.size.saturating_sub(pool.available));
    line(out, "kv_pool_connections", &[("state", "allowed")], pool.max_size);
    single(out, ("kv_pool_waiting", "gauge", "Requests that wait for a database connection."), pool.waiting);
    let waits = app.store().pool_waits();
    histogram(
        out,
        "kv_pool_wait_seconds",
        "Time that requests waited for a database connection they got.",
        &waits.waits,
    );
    counter(out, "kv_pool_timeouts_total", "Requests that got no database connection in time.", &waits.timeouts);
    head(out, "kv_places_free", "gauge", "How many more requests of a kind may work at the same time.");
    line(out, "kv_places_free", &[("kind", "request")], app.in_flight().available_permits());
    line(out, "kv_places_free", &[("kind", "lock_wait")], app.lock_waits().available_permits());
    line(out, "kv_places_free", &[("kind", "proof")], app.proofs().free());
}

fn write_replicas(app: &App, out: &mut String) {
    let health = app.store().replica_health();
    head(out, "kv_replica_usable", "gauge", "1 while a read replica answers reads; numbered as they are configured.");
    for (number, replica) in health.iter().enumerate() {
        line(out, "kv_replica_usable", &[("replica", &number.to_string())], u8::from(replica.is_usable));
    }
    head(out, "kv_replica_lag_seconds", "gauge", "How far behind the primary a read replica is at most.");
    for (number, replica) in health.iter().enumerate() {
        if let Some(lag) = replica.lag {
            line(out, "kv_replica_lag_seconds", &[("replica", &number.to_string())], lag.as_secs_f64());
        }
    }
    let stats = app.store().replica_stats();
    head(out, "kv_replica_reads_total", "counter", "Reads that a replica might have answered, by who did and why.");
    for (server, reason, count) in [
        ("replica", "fresh", &stats.replica),
        ("primary", "lag", &stats.too_far_behind),
        ("primary", "failure", &stats.failed),
    ] {
        line(out, "kv_replica_reads_total", &[("server", server), ("reason", reason)], count.load(Ordering::Relaxed));
    }
}

fn write_stock(app: &App, out: &mut String) {
    let stats = app.store().stock().stats();
    for (name, help, value) in [
        ("kv_stock_batches_total", "Transactions of the stock writers.", &stats.batches),
        ("kv_stock_commands_total", "Commands decided in them.", &stats.commands),
        ("kv_stock_failed_batches_total", "Transactions of the stock writers that failed.", &stats.failed_batches),
        (
            "kv_stock_deadlocks_total",
            "Deadlocks and serialisation failures of batches; the aim is none.",
            &stats.deadlocks,
        ),
        (
            "kv_lock_fenced_out_total",
            "Changes of stock that were refused because their lock has been given to somebody else since.",
            &stats.fenced_out,
        ),
    ] {
        counter(out, name, help, value);
    }
    let largest = &stats.largest_batch;
    single(
        out,
        ("kv_stock_largest_batch", "gauge", "The most commands that shared one transaction."),
        largest.load(Ordering::Relaxed),
    );
}

fn write_conflicts(app: &App, out: &mut String) {
    const NAME: &str = "kv_database_retries_total";
    head(
        out,
        NAME,
        "counter",
        "Transactions that PostgreSQL rolled back in favour of others and that were begun anew.",
    );
    for conflict in Conflict::ALL {
        line(out, NAME, &[("code", conflict.code())], app.store().conflicts().retries(conflict));
    }
}

fn write_audit(app: &App, out: &mut String) {
    let help = "Entries of the audit log about refusals and locks that could not be written.";
    single(out, ("kv_audit_entries_lost_total", "counter", help), app.audit().lost());
}

fn write_locks(app: &App, out: &mut String) {
    const NAME: &str = "kv_lock_acquires_total";
    let stats = app.locks().stats();
    head(out, NAME, "counter", "Attempts to take a lock, by how they ended.");
    for (outcome, count) in [
        ("granted", &stats.granted),
        ("busy", &stats.busy),
        ("queue_full", &stats.queue_full),
        ("failed", &stats.failed),
    ] {
        line(out, NAME, &[("outcome", outcome)], count.load(Ordering::Relaxed));
    }
    single(
        out,
        ("kv_lock_waiting", "gauge", "Callers of this process that ask or wait in line for a lock."),
        stats.waiting.load(Ordering::Relaxed),
    );
    histogram(out, "kv_lock_wait_seconds", "Time until a lock was granted.", &stats.wait);
    histogram(out, "kv_lock_hold_seconds", "Time that a lock was held until it was given back here.", &stats.hold);
    counter(
        out,
        "kv_lock_lost_total",
        "Holders that were told at a renewal or a release that they had lost the lock.",
        &stats.lost,
    );
}

fn write_limits(app: &App, out: &mut String) {
    const NAME: &str = "kv_rate_limit_decisions_total";
    head(
        out,
        NAME,
        "counter",
        "Decisions of the rate limits: of requests, and of logins before their password is checked.",
    );
    decisions(out, NAME, "request", &app.limiter().stats().checks);
    decisions(out, NAME, "login", &app.login_failures().stats().peeks);
    single(
        out,
        (
            "kv_rate_limit_degraded",
            "gauge",
            "1 while this process counts requests alone, because Redis does not answer.",
        ),
        u8::from(app.limiter().is_degraded()),
    );
}

fn decisions(out: &mut String, name: &str, of: &str, counts: &DecisionCounts) {
    for (outcome, mode, count) in [
        ("allowed", "shared", &counts.allowed),
        ("limited", "shared", &counts.limited),
        ("allowed", "degraded", &counts.allowed_degraded),
        ("limited", "degraded", &counts.limited_degraded),
        ("failed", "shared", &counts.failed),
    ] {
        line(out, name, &[("of", of), ("outcome", outcome), ("mode", mode)], count.load(Ordering::Relaxed));
    }
}

/// The queue of all processes. One that does not answer in time has no lines, as a wrong number would be worse.
pub(super) async fn write_queue(queue: Option<&JobQueue>, out: &mut String) {
    let counts = match queue {
        None => None,
        Some(queue) => tokio::time::timeout(QUEUE_PATIENCE, queue.counts()).await.ok().and_then(Result::ok),
    };
    queue_families(out, counts.as_ref());
}

fn queue_families(out: &mut String, counts: Option<&QueueCounts>) {
    head(out, "kv_queue_up", "gauge", "1 when there is a job queue and it answered in time.");
    line(out, "kv_queue_up", &[], u8::from(counts.is_some()));
    let each = |out: &mut String, name: &str, help: &str, value: fn(&QueueCounts, Priority) -> f64| {
        head(out, name, "gauge", help);
        for priority in Priority::ALL {
            if let Some(counts) = counts {
                line(out, name, &[("queue", priority.as_str())], value(counts, priority));
            }
        }
    };
    each(out, "kv_queue_ready", "Jobs that are ready and wait for a worker.", |counts, priority| {
        counts.ready(priority).depth as f64
    });
    each(out, "kv_queue_oldest_age_seconds", "How long the oldest ready job has waited.", |counts, priority| {
        counts.ready(priority).oldest_age.unwrap_or_default().as_secs_f64()
    });
    each(out, "kv_queue_paused", "1 while claims pass the queue by.", |counts, priority| {
        f64::from(u8::from(counts.ready(priority).is_paused))
    });
    for (name, help, value) in [
        ("kv_queue_delayed", "Jobs that wait for their time.", counts.map(|counts| counts.delayed)),
        ("kv_queue_leased", "Jobs that some worker has.", counts.map(|counts| counts.leased)),
        ("kv_queue_dead", "Jobs that were given up.", counts.map(|counts| counts.dead)),
    ] {
        head(out, name, "gauge", help);
        if let Some(value) = value {
            line(out, name, &[], value);
        }
    }
}

/// What the process takes.
pub(super) fn write_process(out: &mut String) {
    let now = process::look();
    let families = [
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory of this process.",
            now.resident_bytes.map(|bytes| bytes as f64),
        ),
        ("process_open_fds", "gauge", "Open file descriptors.", now.open_fds.map(|count| count as f64)),
        ("process_max_fds", "gauge", "File descriptors that may be open.", now.max_fds.map(|count| count as f64)),
        ("process_cpu_seconds_total", "counter", "Processor time of this process.", Some(now.cpu.as_secs_f64())),
        (
            "process_start_time_seconds",
            "gauge",
            "When this process began, in seconds since 1970.",
            Some(now.started_unix_s),
        ),
    ];
    for (name, kind, help, value) in families {
        head(out, name, kind, help);
        if let Some(value) = value {
            line(out, name, &[], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_cumulative() {
        let waits = DurationHistogram::default();
        for took_ms in [1, 2, 90_000] {
            waits.record(Duration::from_millis(took_ms));
        }
        let mut text = String::new();
        histogram(&mut text, "w", "H.", &waits);
        for expected in [
            r#"w_bucket{le="0.001"} 1"#,
            r#"w_bucket{le="60"} 2"#,
            r#"w_bucket{le="+Inf"} 3"#,
            "w_count 3",
            "w_sum 90.003",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
        }
    }

    #[test]
    fn a_queue_that_does_not_answer_has_no_numbers() {
        let mut text = String::new();
        queue_families(&mut text, None);
        assert!(text.contains("kv_queue_up 0") && !text.contains("kv_queue_ready{"), "{text}");
        text.clear();
        queue_families(&mut text, Some(&QueueCounts::default()));
        assert!(text.contains("kv_queue_up 1") && text.contains("kv_queue_ready{queue=\"high\"} 0"), "{text}");
    }
}
