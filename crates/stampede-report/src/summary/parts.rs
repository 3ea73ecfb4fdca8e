//! The parts of the summary, each a text that ends with a line end, or is empty when there is nothing to say.

use std::fmt::Write;

use stampede_model::histogram::Histogram;
use stampede_model::run::RunFile;
use stampede_model::run_result::{Counts, Event, FailureCount, LagOf, Latencies, LoadResult, Meeting};
use stampede_model::run_trust::little;
use stampede_model::units::{show_figure, show_ns, show_share, thousands, trimmed};

use super::Paint;
use crate::table::{Side, aligned};
use crate::{phases, stress, words};

/// Events shown; the report has them all.
const MOST_EVENTS: usize = 20;
const COLUMNS: [&str; 8] = ["min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
const WIDTH: usize = 11;

pub(super) fn title(run: &RunFile) -> String {
    let ending = words::ending(run.result.ending).map_or(String::new(), |ending| format!(" ({ending})"));
    format!("{}: {}{ending}\n", words::target(run), words::model(run))
}

pub(super) fn banner(run: &RunFile, paint: Paint) -> String {
    let mut text = String::new();
    for doubt in &run.trust.doubts {
        let _infallible = writeln!(text, "{}: {}", paint.word("NOT TRUSTWORTHY"), words::plain(&doubt.to_string()));
    }
    text
}

pub(super) fn thresholds(run: &RunFile, paint: Paint) -> String {
    let named: Vec<String> = run.thresholds.iter().map(words::threshold).collect();
    let width = named.iter().map(|threshold| threshold.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (judged, threshold) in run.thresholds.iter().zip(named) {
        let mark = paint.word(words::mark(judged.judgement));
        let measured = words::plain(&judged.measured);
        let _infallible = writeln!(text, "{mark}  {threshold:<width$}  measured {measured}");
    }
    text + &stress::lines(&run.stress, paint)
}

pub(super) fn counts(run: &RunFile) -> String {
    let result = &run.result;
    let Counts { asked, sent, answered, failed, unfinished, not_sent, .. } = result.counts;
    let [asked, sent, answered, failed, not_sent] = [asked, sent, answered, failed, not_sent].map(thousands);
    let mut text = format!("asked {asked}, sent {sent}, answered {answered}, failed {failed}, not sent {not_sent}");
    if unfinished > 0 {
        let _infallible = write!(text, ", unfinished {}", thousands(unfinished));
    }
    let rate = words::asked_per_s(run).map_or(String::new(), |rate| format!("{}/s asked, ", trimmed(rate)));
    let _infallible = writeln!(
        text,
        "\n{rate}{:.1}/s answered in {}; success {}; {} received on {} connections",
        result.answered_per_s(),
        show_ns(result.elapsed_ns),
        show_share(result.success_share()),
        words::bytes(result.traffic.received_bytes),
        thousands(result.traffic.connections)
    );
    text
}

pub(super) fn latency(result: &LoadResult) -> String {
    let latency = &result.latency;
    if latency.intent.count() == 0 && latency.failed.count() == 0 {
        return String::new();
    }
    let mut text = heading("latency");
    text.push_str(&latency_row("service", &latency.service));
    text.push_str(&latency_row("from intent", &latency.intent));
    if latency.failed.count() > 0 {
        text.push_str(&latency_row("failed", &latency.failed));
    }
    if let Some(gap) = hidden(result) {
        let _infallible = writeln!(text, "{gap}");
    }
    if latency.intent.censored() > 0 {
        let _infallible = writeln!(
            text,
            "≥: {} requests had no end in sight; figures they touch are lower bounds",
            thousands(latency.intent.censored())
        );
    }
    text
}

/// What a closed-loop tool would have hidden, when it is worth a line.
pub(crate) fn hidden(result: &LoadResult) -> Option<String> {
    let intent = result.latency.intent.quantile(0.99)?;
    let service = result.latency.service.quantile(0.99)?;
    let gap_ns = intent.ns.saturating_sub(service.ns);
    let own_ns = result.health.lag.quantile(0.99).map_or(0, |lag| lag.ns);
    // Small gaps mean nothing to any reader, and one that the generator's own lag explains says nothing of the server.
    let matters = gap_ns > service.ns && gap_ns > 1_000_000 && gap_ns > 2 * own_ns;
    matters.then(|| format!("a tool that measures from the send alone would hide {} at p99", show_ns(gap_ns)))
}

fn heading(name: &str) -> String {
    let mut text = format!("{name:<13}");
    for column in COLUMNS {
        let _infallible = write!(text, "{column:>WIDTH$}");
    }
    text.push('\n');
    text
}

fn latency_row(name: &str, histogram: &Histogram) -> String {
    let quantiles = [0.5, 0.9, 0.95, 0.99, 0.999].map(|share| histogram.quantile(share));
    let figures = [histogram.min(), histogram.mean()].into_iter().chain(quantiles).chain([histogram.max()]);
    let mut text = format!("{name:<13}");
    for figure in figures {
        let _infallible = write!(text, "{:>WIDTH$}", show_figure(figure));
    }
    text.push('\n');
    text
}

/// Each step in a row, in the order in which Locust prints them.
pub(super) fn steps(result: &LoadResult) -> String {
    let heads = ["type", "name", "# reqs", "# fails", "avg", "min", "max", "med", "p95", "p99", "req/s", "failures/s"];
    let per_s = |count: u64| format!("{:.1}", count as f64 * 1e9 / result.elapsed_ns.max(1) as f64);
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for step in &result.steps {
        let intent = &step.latency.intent;
        let [med, p95, p99] = [0.5, 0.95, 0.99].map(|share| intent.quantile(share));
        let lost = step.counts.asked.saturating_sub(step.counts.succeeded);
        let name = [&step.method, &step.name].map(|text| words::plain(text).into_owned());
        let mut row = name.to_vec();
        row.extend([thousands(step.counts.asked), thousands(lost)]);
        row.extend([intent.mean(), intent.min(), intent.max(), med, p95, p99].map(show_figure));
        row.extend([per_s(step.counts.answered), per_s(lost)]);
        rows.push(row);
    }
    let mut sides = vec![Side::Left, Side::Left];
    sides.resize(heads.len(), Side::Right);
    aligned(&rows, &sides)
}

pub(super) fn statuses(result: &LoadResult) -> String {
    let mut text = String::new();
    for (status, count) in &result.statuses {
        let _infallible = writeln!(text, "status {status}  {}", thousands(*count));
    }
    text
}

pub(super) fn failures(failures: &[FailureCount]) -> String {
    let mut text = String::new();
    for failure in failures {
        let _infallible = writeln!(
            text,
            "error  {} x {}, first at {}, last at {} ({})",
            thousands(failure.count),
            failure.kind,
            show_ns(failure.first_ns),
            show_ns(failure.last_ns),
            words::plain(&failure.example)
        );
    }
    text
}

pub(super) fn phases(latency: &Latencies) -> String {
    let measured = phases::measured(latency);
    if measured.is_empty() {
        return String::new();
    }
    measured.into_iter().fold(heading("phase"), |text, (name, histogram)| text + &latency_row(name, histogram))
}

pub(super) fn meetings(meetings: &[Meeting]) -> String {
    if meetings.is_empty() {
        return String::new();
    }
    let mut rows = vec![["together", "at", "users", "skew"].map(str::to_owned).to_vec()];
    for meeting in meetings.iter().take(MOST_EVENTS) {
        let name = words::plain(&meeting.name).into_owned();
        let users = thousands(u64::from(meeting.users));
        rows.push(vec![name, show_ns(meeting.at_ns), users, show_ns(meeting.skew_ns)]);
    }
    let table = aligned(&rows, &[Side::Left, Side::Right, Side::Right, Side::Right]);
    table + &more(meetings.len(), "meetings")
}

pub(super) fn events(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events.iter().take(MOST_EVENTS) {
        let (kind, what) = (words::tag(&event.kind), words::plain(&event.text));
        let _infallible = writeln!(text, "event  {:>8}  {kind}: {what}", show_ns(event.at_ns));
    }
    text + &more(events.len(), "events")
}

fn more(count: usize, what: &str) -> String {
    if count > MOST_EVENTS { format!("({} more {what} in the report)\n", count - MOST_EVENTS) } else { String::new() }
}

pub(super) fn health(run: &RunFile) -> String {
    let mut text = format!("generator: {}\n", health_line(&run.result));
    for remark in &run.trust.remarks {
        let _infallible = writeln!(text, "note: {}", words::plain(remark));
    }
    text
}

/// The generator in a line.
pub(crate) fn health_line(result: &LoadResult) -> String {
    let health = &result.health;
    let lag = |share| show_figure(health.lag.quantile(share));
    let threads = if health.threads == 1 { "thread" } else { "threads" };
    let per_request = health
        .cpu_ns
        .checked_div(result.counts.sent)
        .map_or(String::new(), |ns| format!(" ({} per request)", show_ns(ns)));
    let law = little(result)
        .map_or(String::new(), |expected| format!(", in flight {:.1} (Little: {expected:.1})", health.in_flight_mean));
    let lag_of = match health.lag_of {
        LagOf::Departures => "departure lag",
        LagOf::Ticks => "tick lag",
    };
    format!(
        "{} {threads}, CPU {}{per_request}, {lag_of} p50 {} p99 {}{law}",
        health.threads,
        show_share(health.cpu_share()),
        lag(0.5),
        lag(0.99)
    )
}
