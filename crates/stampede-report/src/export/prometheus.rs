//! Prometheus' text format: what a push gateway or a file collector takes.
//!
//! Invariants: each family stands together under one HELP and one TYPE; buckets ascend, are cumulative and end in `+Inf`,
//! which equals the count; times are seconds; requests without an end are in the histograms with what is known of them
//! and in a counter of their own.

use std::fmt::Write;

use stampede_model::histogram::Histogram;
use stampede_model::run::RunFile;
use stampede_model::run_result::{Counts, StepResult};
use stampede_model::threshold::Judgement;

use super::WHOLE;

/// Upper ends of the buckets in microseconds: 1-2-5 from 100 µs to 100 s.
const BUCKETS_US: [u64; 19] = [
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
];

/// One series' source, with its labels already in text.
struct Source<'a> {
    labels: String,
    step: std::borrow::Cow<'a, StepResult>,
}

/// The whole text.
pub(super) fn render(run: &RunFile) -> String {
    let sources = sources(run);
    let mut text = String::new();
    requests(&mut text, &sources);
    answers(&mut text, &sources);
    let name = "stampede_request_duration_seconds";
    family(&mut text, name, "histogram", "From the intended start to the last byte.");
    for source in &sources {
        histogram(&mut text, name, &source.labels, &source.step.latency.intent);
    }
    let name = "stampede_service_duration_seconds";
    family(&mut text, name, "histogram", "From the send to the last byte.");
    for source in &sources {
        histogram(&mut text, name, &source.labels, &source.step.latency.service);
    }
    whole(&mut text, run);
    text
}

/// The steps; a run without steps is one.
fn sources(run: &RunFile) -> Vec<Source<'_>> {
    let labels = |step: &StepResult| format!("step=\"{}\",method=\"{}\"", label(&step.name), label(&step.method));
    let result = &run.result;
    if !result.steps.is_empty() {
        let steps = result.steps.iter();
        return steps.map(|step| Source { labels: labels(step), step: std::borrow::Cow::Borrowed(step) }).collect();
    }
    let all = StepResult {
        name: WHOLE.to_owned(),
        method: run.plan.method.clone(),
        counts: result.counts,
        latency: result.latency.clone(),
        statuses: result.statuses.clone(),
        failures: result.failures.clone(),
        ..StepResult::default()
    };
    vec![Source { labels: labels(&all), step: std::borrow::Cow::Owned(all) }]
}

fn requests(text: &mut String, sources: &[Source<'_>]) {
    let name = "stampede_requests_total";
    family(text, name, "counter", "Requests by how they ended; together what the plan asked for.");
    for source in sources {
        let Counts { succeeded, failed, unfinished, not_sent, .. } = source.step.counts;
        for (end, count) in
            [("succeeded", succeeded), ("failed", failed), ("unfinished", unfinished), ("not_sent", not_sent)]
        {
            line(text, name, &format!("{},outcome=\"{end}\"", source.labels), count);
        }
    }
    let name = "stampede_requests_censored_total";
    family(text, name, "counter", "Requests whose end was not seen; they count in the histograms with what is known.");
    for source in sources {
        line(text, name, &source.labels, source.step.latency.intent.censored());
    }
}

fn answers(text: &mut String, sources: &[Source<'_>]) {
    let name = "stampede_answers_total";
    family(text, name, "counter", "Complete answers by status code.");
    for source in sources {
        for (status, count) in &source.step.statuses {
            line(text, name, &format!("{},status=\"{status}\"", source.labels), count);
        }
    }
    let name = "stampede_failures_total";
    family(text, name, "counter", "Failed requests by kind.");
    for source in sources {
        for failure in &source.step.failures {
            let kind = crate::words::tag(&failure.kind).replace(' ', "_");
            line(text, name, &format!("{},kind=\"{kind}\"", source.labels), failure.count);
        }
    }
}

fn histogram(text: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    for us in BUCKETS_US {
        let within = histogram.count() - histogram.count_above(us * 1_000);
        line(text, &format!("{name}_bucket"), &format!("{labels},le=\"{}\"", us as f64 / 1e6), within);
    }
    line(text, &format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), histogram.count());
    line(text, &format!("{name}_sum"), labels, histogram.sum_ns() as f64 / 1e9);
    line(text, &format!("{name}_count"), labels, histogram.count());
}

fn whole(text: &mut String, run: &RunFile) {
    let result = &run.result;
    let trusted = if run.trust.stands() { 1.0 } else { 0.0 };
    let gauges = [
        ("stampede_run_start_timestamp_seconds", "When the run began.", run.started_unix_ns as f64 / 1e9),
        ("stampede_run_duration_seconds", "How long it took.", result.elapsed_ns as f64 / 1e9),
        ("stampede_answers_per_second", "Complete answers per second of the whole run.", result.answered_per_s()),
        ("stampede_success_ratio", "Successes over asked requests.", result.success_share()),
        ("stampede_received_bytes", "Bytes read from the sockets.", result.traffic.received_bytes as f64),
        ("stampede_sent_bytes", "Bytes written to the sockets.", result.traffic.sent_bytes as f64),
        ("stampede_connections", "Connections established.", result.traffic.connections as f64),
        ("stampede_generator_cpu_ratio", "CPU time per generator thread and second.", result.health.cpu_share()),
        ("stampede_generator_trusted", "1 when the generator is not in doubt.", trusted),
    ];
    for (name, help, value) in gauges {
        family(text, name, "gauge", help);
        line(text, name, "", value);
    }
    let name = "stampede_threshold_kept";
    family(text, name, "gauge", "1 kept, 0 broken, NaN when the measurement leaves it open.");
    for judged in &run.thresholds {
        let kept = match judged.judgement {
            Judgement::Pass => "1",
            Judgement::Fail => "0",
            Judgement::Unknown => "NaN",
        };
        let step = label(judged.step.as_deref().unwrap_or(WHOLE));
        line(text, name, &format!("threshold=\"{}\",step=\"{step}\"", label(&judged.threshold)), kept);
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _infallible = writeln!(text, "{name}{labels} {value}");
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
