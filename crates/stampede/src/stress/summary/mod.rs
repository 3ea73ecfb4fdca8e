//! A stress run as text: verdict first, then figures, then what was found inside the server.
//!
//! Invariant: everything shown follows from the record; nothing is measured or judged here.

mod inside;
mod service;

use stampede_model::run_result::Ending;
use stampede_model::stress::{Figure, Grade, StressKind, StressRun, Unit};
use stampede_model::threshold::Judgement;
use stampede_model::units::show_ns;

use crate::print::Append;

/// The whole summary.
pub(super) fn render(run: &StressRun) -> String {
    let parts = [title(run), verdict(run), tools(run), figures(run), inside::render(run), service::render(run)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

fn title(run: &StressRun) -> String {
    let what = match run.kind {
        StressKind::Postgres => "PostgreSQL",
        StressKind::Redis => "Redis",
        StressKind::Pool => "without database connections:",
        StressKind::Http => "under rising rates:",
    };
    let ending = if run.ending == Ending::Interrupted { " (interrupted)" } else { "" };
    format!("stress {what} {}, {}{ending}\n", run.target, show_ns(run.elapsed_ns))
}

fn verdict(run: &StressRun) -> String {
    let mut text = String::new();
    let width = run.thresholds.iter().map(|judged| judged.threshold.chars().count()).max().unwrap_or(0);
    for judged in &run.thresholds {
        let mark = match judged.judgement {
            Judgement::Pass => "PASS",
            Judgement::Fail => "FAIL",
            Judgement::Unknown => "OPEN",
        };
        text.append(format_args!("{mark}  {:<width$}  measured {}\n", judged.threshold, judged.measured));
    }
    let judged = run.findings.iter().any(|finding| finding.grade != Grade::Note);
    if !judged && run.thresholds.is_empty() {
        text.push_str("PASS\n");
    }
    for finding in &run.findings {
        let mark = match finding.grade {
            Grade::Violation | Grade::Missed => "FAIL",
            Grade::Doubt => "OPEN",
            Grade::Note => "note",
        };
        text.append(format_args!("{mark}  {}\n", finding.text));
    }
    text
}

fn tools(run: &StressRun) -> String {
    let mut text = String::new();
    for tool in &run.tools {
        text.append(format_args!("$ {}\n", tool.command));
    }
    text
}

fn figures(run: &StressRun) -> String {
    let mut text = String::new();
    let width = run.figures.iter().map(|figure| figure.name.chars().count()).max().unwrap_or(0);
    for figure in &run.figures {
        text.append(format_args!("{:<width$}  {}\n", figure.name, shown(figure)));
    }
    for statement in run.tools.iter().flat_map(|tool| &tool.statements) {
        text.append(format_args!("{:>10}  {}\n", show_ns(statement.mean_ns), statement.statement));
    }
    text
}

fn shown(figure: &Figure) -> String {
    match figure.unit {
        Unit::PerSecond => format!("{:.1}/s", figure.value),
        _ => figure.shown(),
    }
}
