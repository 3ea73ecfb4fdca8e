//! The summary of a run, as plain text: verdict first, then what it rests on.
//!
//! Invariant: everything shown follows from the run file; nothing is measured or judged here.

use crate::print::Append;
use stampede_model::histogram::Histogram;
use stampede_model::run::{ArrivalsRecord, RunFile};
use stampede_model::run_result::{Ending, LagOf, LoadResult};
use stampede_model::run_trust::little;
use stampede_model::schedule::Spacing;
use stampede_model::threshold::Judgement;
use stampede_model::units::{show_figure, show_ns, show_share, thousands};

/// The whole summary.
pub(super) fn render(run: &RunFile) -> String {
    let result = &run.result;
    let parts = [
        title(run),
        thresholds(run),
        counts(run),
        latency(result),
        statuses(result),
        failures(result),
        health(result) + &remarks(run),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

fn title(run: &RunFile) -> String {
    let plan = &run.plan;
    let model = match &plan.arrivals {
        ArrivalsRecord::Closed { connections } => {
            format!("closed model, {} connections", thousands((*connections).into()))
        }
        ArrivalsRecord::Open { schedule, max_in_flight, .. } => {
            let spacing = match schedule.spacing() {
                Spacing::Uniform => "uniform",
                Spacing::Poisson => "poisson",
            };
            format!("open model, {schedule} {spacing}, at most {} in flight", thousands((*max_in_flight).into()))
        }
    };
    let ending = match run.result.ending {
        Ending::Complete => "",
        Ending::Interrupted => " (interrupted)",
    };
    format!("{} {}: {model}{ending}\n", plan.method, plan.url)
}

fn thresholds(run: &RunFile) -> String {
    let width = run.thresholds.iter().map(|judged| judged.threshold.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for judged in &run.thresholds {
        let mark = match judged.judgement {
            Judgement::Pass => "PASS",
            Judgement::Fail => "FAIL",
            Judgement::Unknown => "OPEN",
        };
        text.append(format_args!("{mark}  {:<width$}  measured {}\n", judged.threshold, judged.measured));
    }
    text
}

fn counts(run: &RunFile) -> String {
    let result = &run.result;
    let counts = &result.counts;
    let mut text = format!(
        "asked {}, sent {}, answered {}, failed {}, not sent {}",
        thousands(counts.asked),
        thousands(counts.sent),
        thousands(counts.answered),
        thousands(counts.failed),
        thousands(counts.not_sent)
    );
    if counts.unfinished > 0 {
        text.append(format_args!(", unfinished {}", thousands(counts.unfinished)));
    }
    let asked = match &run.plan.arrivals {
        ArrivalsRecord::Open { schedule, .. } => format!("{schedule} asked, "),
        ArrivalsRecord::Closed { .. } => String::new(),
    };
    text.append(format_args!(
        "\n{asked}{:.1}/s answered in {}; success {}; {} received on {} connections\n",
        result.answered_per_s(),
        show_ns(result.elapsed_ns),
        show_share(result.success_share()),
        show_bytes(result.traffic.received_bytes),
        thousands(result.traffic.connections)
    ));
    text
}

const COLUMNS: [&str; 8] = ["min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
const WIDTH: usize = 11;

fn latency(result: &LoadResult) -> String {
    let latency = &result.latency;
    if latency.intent.count() == 0 && latency.failed.count() == 0 {
        return String::new();
    }
    let mut text = format!("{:<13}", "latency");
    for column in COLUMNS {
        text.append(format_args!("{column:>WIDTH$}"));
    }
    text.push('\n');
    text.push_str(&latency_row("service", &latency.service));
    text.push_str(&latency_row("from intent", &latency.intent));
    if latency.failed.count() > 0 {
        text.push_str(&latency_row("failed", &latency.failed));
    }
    if let (Some(intent), Some(service)) = (latency.intent.quantile(0.99), latency.service.quantile(0.99)) {
        let gap_ns = intent.ns.saturating_sub(service.ns);
        let own_ns = result.health.lag.quantile(0.99).map_or(0, |lag| lag.ns);
        // Small gaps mean nothing to any reader, and one that the generator's own lag explains says nothing of the server.
        if gap_ns > service.ns && gap_ns > 1_000_000 && gap_ns > 2 * own_ns {
            text.append(format_args!(
                "a tool that measures from the send alone would hide {} at p99\n",
                show_ns(gap_ns)
            ));
        }
    }
    if latency.intent.censored() > 0 {
        text.append(format_args!(
            "≥: {} requests had no end in sight; figures they touch are lower bounds\n",
            thousands(latency.intent.censored())
        ));
    }
    text
}

fn latency_row(name: &str, histogram: &Histogram) -> String {
    let quantiles = [0.5, 0.9, 0.95, 0.99, 0.999].map(|share| histogram.quantile(share));
    let figures = [histogram.min(), histogram.mean()].into_iter().chain(quantiles).chain([histogram.max()]);
    let mut text = format!("{name:<13}");
    for figure in figures {
        text.append(format_args!("{:>WIDTH$}", show_figure(figure)));
    }
    text.push('\n');
    text
}

fn statuses(result: &LoadResult) -> String {
    let mut text = String::new();
    for (status, count) in &result.statuses {
        text.append(format_args!("status {status}  {}\n", thousands(*count)));
    }
    text
}

fn failures(result: &LoadResult) -> String {
    let mut text = String::new();
    for failure in &result.failures {
        text.append(format_args!(
            "error  {} x {}, first at {}, last at {} ({})\n",
            thousands(failure.count),
            failure.kind,
            show_ns(failure.first_ns),
            show_ns(failure.last_ns),
            failure.example
        ));
    }
    text
}

fn health(result: &LoadResult) -> String {
    let health = &result.health;
    let lag = |share| show_figure(health.lag.quantile(share));
    let threads = if health.threads == 1 { "thread" } else { "threads" };
    let per_request = health
        .cpu_ns
        .checked_div(result.counts.sent)
        .map_or(String::new(), |ns| format!(" ({} per request)", show_ns(ns)));
    let law = little(result).map_or(String::new(), |expected| {
        format!(", in flight {} (Little: {})", one_decimal(health.in_flight_mean), one_decimal(expected))
    });
    format!(
        "generator: {} {threads}, CPU {}{per_request}, {} p50 {} p99 {}{law}\n",
        health.threads,
        show_share(health.cpu_share()),
        match health.lag_of {
            LagOf::Departures => "departure lag",
            LagOf::Ticks => "tick lag",
        },
        lag(0.5),
        lag(0.99)
    )
}

fn remarks(run: &RunFile) -> String {
    let mut text = String::new();
    for remark in &run.trust.remarks {
        text.append(format_args!("note: {remark}\n"));
    }
    text
}

fn one_decimal(value: f64) -> String {
    format!("{value:.1}")
}

fn show_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
