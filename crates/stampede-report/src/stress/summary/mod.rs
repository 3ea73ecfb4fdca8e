//! A stress run as text: verdict first, then figures, then what was found inside the server.
//!
//! Invariant: everything shown follows from the record; nothing is measured or judged here.

mod inside;
mod json;
mod service;

use std::fmt::Write;

use stampede_model::stress::postgres::PostgresSample;
use stampede_model::stress::redis::RedisSample;
use stampede_model::stress::{Figure, Grade, ServerSample, StressRun, Unit};
use stampede_model::units::show_ns;

use crate::summary::{Detail, Paint, joined};
use crate::words::{self, Outcome};

pub(crate) use json::{Brief, document};

/// The summary, its verdicts coloured as `paint` says; it ends with a line end, or is empty.
pub fn render(run: &StressRun, detail: Detail, paint: Paint) -> String {
    match detail {
        Detail::None => String::new(),
        Detail::Json => json::figures(run),
        Detail::Short => joined([title(run), verdict(run, paint), tools(run), figures(run)]),
        Detail::Full => joined([
            title(run),
            verdict(run, paint),
            tools(run),
            figures(run),
            inside::render(run),
            service::render(run),
        ]),
    }
}

/// A line with the verdict of each stress run beside a load run.
pub(crate) fn lines(runs: &[StressRun], paint: Paint) -> String {
    let mut text = String::new();
    for run in runs {
        let _infallible = writeln!(text, "{}  {}", paint.word(Outcome::of_stress(run).word()), words::stressed(run));
    }
    text
}

/// The looks at each kind of server.
pub(crate) fn samples(run: &StressRun) -> (Vec<PostgresSample>, Vec<RedisSample>) {
    let (mut postgres, mut redis) = (Vec::new(), Vec::new());
    for sample in &run.samples {
        match sample {
            ServerSample::Postgres(sample) => postgres.push(sample.clone()),
            ServerSample::Redis(sample) => redis.push(sample.clone()),
        }
    }
    (postgres, redis)
}

/// A figure as it is shown.
pub(crate) fn chief(figure: &Figure) -> String {
    match figure.unit {
        Unit::PerSecond => format!("{:.1}/s", figure.value),
        _ => figure.shown(),
    }
}

fn title(run: &StressRun) -> String {
    let ending = words::ending(run.ending).map_or(String::new(), |ending| format!(" ({ending})"));
    format!("{}, {}{ending}\n", words::stressed(run), show_ns(run.elapsed_ns))
}

fn verdict(run: &StressRun, paint: Paint) -> String {
    let mut text = String::new();
    let named: Vec<String> = run.thresholds.iter().map(words::threshold).collect();
    let width = named.iter().map(|threshold| threshold.chars().count()).max().unwrap_or(0);
    for (judged, threshold) in run.thresholds.iter().zip(named) {
        let (mark, measured) = (paint.word(words::mark(judged.judgement)), words::plain(&judged.measured));
        let _infallible = writeln!(text, "{mark}  {threshold:<width$}  measured {measured}");
    }
    let judged = run.findings.iter().any(|finding| finding.grade != Grade::Note);
    if !judged && run.thresholds.is_empty() {
        let _infallible = writeln!(text, "{}", paint.word("PASS"));
    }
    for finding in &run.findings {
        let (mark, what) = (paint.word(words::grade(finding.grade)), words::plain(&finding.text));
        let _infallible = writeln!(text, "{mark}  {what}");
    }
    text
}

fn tools(run: &StressRun) -> String {
    let mut text = String::new();
    for tool in &run.tools {
        let _infallible = writeln!(text, "$ {}", words::plain(&tool.command));
    }
    text
}

fn figures(run: &StressRun) -> String {
    let mut text = String::new();
    let names: Vec<_> = run.figures.iter().map(|figure| words::plain(&figure.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (figure, name) in run.figures.iter().zip(names) {
        let _infallible = writeln!(text, "{name:<width$}  {}", chief(figure));
    }
    for statement in run.tools.iter().flat_map(|tool| &tool.statements) {
        let (mean, text_of) = (show_ns(statement.mean_ns), words::plain(&statement.statement));
        let _infallible = writeln!(text, "{mean:>10}  {text_of}");
    }
    text
}
