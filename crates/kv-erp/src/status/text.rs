//! The status for a terminal: a line for each part of the service.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Status;
use super::prometheus::{Family, Series};

/// All lines.
pub(super) fn render(status: &Status) -> String {
    let find = Find(&status.families);
    let mut out = String::new();
    let state = status.unready.as_ref().map_or_else(|| "ready".to_owned(), |why| format!("NOT READY ({why})"));
    let started_s = find.total("process_start_time_seconds", &[]);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    // Writing to a String cannot fail.
    writeln!(out, "kv-erp {} at {}: {state}, up {}", find.version(), status.url, span((now_s - started_s).max(0.0)))
        .ok();
    for (name, text) in [
        ("requests", requests(&find)),
        ("pool", pool(&find)),
        ("stock", stock(&find)),
        ("locks", locks(&find)),
        ("limits", limits(&find)),
        ("queue", queue(&find)),
        ("process", process(&find)),
    ] {
        writeln!(out, "{name:<9} {text}").ok();
    }
    out
}

struct Find<'a>(&'a [Family]);

impl Find<'_> {
    fn family(&self, name: &str) -> Option<&Family> {
        self.0.iter().find(|family| family.name == name)
    }

    fn total(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.family(name).map_or(0.0, |family| family.total(labels))
    }

    fn count(&self, name: &str, labels: &[(&str, &str)]) -> String {
        grouped(self.total(name, labels))
    }

    fn version(&self) -> &str {
        let family = self.family("kv_build_info");
        family.and_then(|family| family.samples.first()?.label("version")).unwrap_or("(unknown version)")
    }

    /// All series of a histogram as one.
    fn whole(&self, name: &str) -> Option<Series> {
        let series = self.family(name)?.histograms();
        let mut all = series.into_iter();
        let first = all.next()?;
        Some(all.fold(first, |mut whole, next| {
            whole.buckets.iter_mut().zip(next.buckets).for_each(|(sum, more)| *sum += more);
            whole.sum += next.sum;
            whole.count += next.count;
            whole
        }))
    }

    /// `half within 5 ms, 99 % within 100 ms`.
    fn quantiles(&self, name: &str) -> String {
        let Some(series) = self.whole(name).filter(|series| series.count > 0) else { return "none yet".to_owned() };
        let bound = |part: f64| match series.quantile_bound(part) {
            Some(bound) if bound.is_finite() => format!("within {}", span(bound)),
            _ => "beyond all bounds".to_owned(),
        };
        format!("half {}, 99 % {}", bound(0.5), bound(0.99))
    }
}

fn requests(find: &Find<'_>) -> String {
    const NAME: &str = "kv_http_requests_total";
    let failed: f64 = ["500", "503"].iter().map(|status| find.total(NAME, &[("status", status)])).sum();
    format!(
        "{} answered, {} failed, {} over a limit; {}",
        find.count(NAME, &[]),
        grouped(failed),
        find.count("kv_rate_limited_total", &[]),
        find.quantiles("kv_http_request_duration_seconds")
    )
}

fn pool(find: &Find<'_>) -> String {
    let state = |state: &str| find.count("kv_pool_connections", &[("state", state)]);
    format!(
        "{} in use, {} idle, {} allowed; {} waiting, {} in vain; waits: {}",
        state("in_use"),
        state("idle"),
        state("allowed"),
        find.count("kv_pool_waiting", &[]),
        find.count("kv_pool_timeouts_total", &[]),
        find.quantiles("kv_pool_wait_seconds")
    )
}

fn stock(find: &Find<'_>) -> String {
    format!(
        "{} commands in {} transactions, {} failed, {} deadlocks",
        find.count("kv_stock_commands_total", &[]),
        find.count("kv_stock_batches_total", &[]),
        find.count("kv_stock_failed_batches_total", &[]),
        find.count("kv_stock_deadlocks_total", &[])
    )
}

fn locks(find: &Find<'_>) -> String {
    let ended = |outcome: &str| find.count("kv_lock_acquires_total", &[("outcome", outcome)]);
    format!(
        "{} granted, {} busy, {} waiting; {} lost, {} fenced out; waits: {}; held: {}",
        ended("granted"),
        ended("busy"),
        find.count("kv_lock_waiting", &[]),
        find.count("kv_lock_lost_total", &[]),
        find.count("kv_lock_fenced_out_total", &[]),
        find.quantiles("kv_lock_wait_seconds"),
        find.quantiles("kv_lock_hold_seconds")
    )
}

fn limits(find: &Find<'_>) -> String {
    let decided =
        |outcome: &str| find.count("kv_rate_limit_decisions_total", &[("of", "request"), ("outcome", outcome)]);
    let mode = if find.total("kv_rate_limit_degraded", &[]) > 0.0 {
        "DEGRADED: counted by this process alone"
    } else {
        "shared"
    };
    format!("{} allowed, {} limited; {mode}", decided("allowed"), decided("limited"))
}

fn queue(find: &Find<'_>) -> String {
    if find.total("kv_queue_up", &[]) < 1.0 {
        return "none, or it did not answer".to_owned();
    }
    let each = ["high", "default", "low"].map(|queue| {
        let labels = [("queue", queue)];
        let age_s = find.total("kv_queue_oldest_age_seconds", &labels);
        let age = if age_s > 0.0 { format!(" (oldest {})", span(age_s)) } else { String::new() };
        let paused = if find.total("kv_queue_paused", &labels) > 0.0 { " PAUSED" } else { "" };
        format!("{queue} {}{age}{paused}", find.count("kv_queue_ready", &labels))
    });
    let rest =
        ["delayed", "leased", "dead"].map(|state| format!("{} {state}", find.count(&format!("kv_queue_{state}"), &[])));
    format!("ready: {}; {}", each.join(", "), rest.join(", "))
}

fn process(find: &Find<'_>) -> String {
    format!(
        "{:.0} MiB, {} of {} descriptors, {} of processor time",
        find.total("process_resident_memory_bytes", &[]) / f64::from(1024 * 1024),
        find.count("process_open_fds", &[]),
        find.count("process_max_fds", &[]),
        span(find.total("process_cpu_seconds_total", &[]))
    )
}

/// A whole number in groups of three.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// A time for people.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{} ms", (s * 1e4).round() / 10.0),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::prometheus::parse;

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!(["999", "1,000", "12,345,678"], [999.0, 1_000.0, 12_345_678.0].map(grouped));
        assert_eq!(
            ["0.1 ms", "25 ms", "3 s", "20 min", "5.0 h", "3.0 d"],
            [1e-4, 0.025, 3.0, 1_200.0, 18_000.0, 259_200.0].map(span)
        );
    }

    #[test]
    fn what_is_not_well_is_in_capitals() {
        let text = "# HELP kv_rate_limit_degraded D.\n# TYPE kv_rate_limit_degraded gauge\nkv_rate_limit_degraded 1\n\
            # HELP kv_queue_up Q.\n# TYPE kv_queue_up gauge\nkv_queue_up 1\n\
            # HELP kv_queue_paused P.\n# TYPE kv_queue_paused gauge\nkv_queue_paused{queue=\"low\"} 1\n";
        let status = Status { url: "http://h".to_owned(), unready: Some("draining".to_owned()), families: parse(text) };
        let shown = render(&status);
        for part in ["NOT READY (draining)", "DEGRADED", "low 0 PAUSED"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }
}
