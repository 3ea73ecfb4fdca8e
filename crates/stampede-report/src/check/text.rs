//! A check's run for a terminal.

use std::fmt::Write;
use std::time::Duration;

use stampede_model::check::counterexample::Counterexample;
use stampede_model::check::{Answer, CheckRun, Finding, WorkloadVerdict};
use stampede_model::units::{show_duration, thousands};

use super::{advice, timeline, words};
use crate::table::{Side, aligned};
use crate::words::plain;

/// The sides of the table's columns.
const SIDES: [Side; 7] = [Side::Left, Side::Left, Side::Left, Side::Right, Side::Left, Side::Right, Side::Right];

/// One workload.
pub(super) fn line(verdict: &WorkloadVerdict) -> String {
    let took = show_duration(Duration::from_millis(verdict.elapsed_ms));
    let violations = words::violation_count(verdict);
    let mut line = format!(
        "{:<7} {:<18} {}, {}, {}, unresolved {}, {} (took {took})",
        words::word(verdict.answer),
        plain(&verdict.id),
        verdict.model,
        verdict.strength,
        words::counted(verdict.operations, "operation"),
        words::unresolved(verdict),
        words::counted(violations, "violation"),
    );
    let why = match verdict.answer {
        Answer::Holds => None,
        Answer::Violated => verdict.violations().next(),
        Answer::Unknown => verdict.doubts().next(),
    };
    if let Some(why) = why {
        let _infallible = write!(line, "\n        {}: {}", words::of_key(&why.rule, &why.key), plain(&why.what));
    }
    line
}

/// The whole run.
pub(super) fn render(run: &CheckRun) -> String {
    let mut text = table(run);
    for verdict in &run.workloads {
        for hidden in words::could_hide(verdict) {
            let _infallible = writeln!(text, "{}: the unresolved ones could hide {hidden}", plain(&verdict.id));
        }
    }
    for verdict in &run.workloads {
        text.push_str(&violations(run, verdict));
    }
    text.push_str(&doubts(run));
    let _infallible = write!(text, "\n{} ({})\n", words::summary(run), words::circumstances(run));
    text
}

/// The verdict of each workload.
fn table(run: &CheckRun) -> String {
    const HEADER: [&str; 7] = ["Verdict", "Workload", "Checked", "Operations", "Strength", "Unresolved", "Violations"];
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    rows.extend(run.workloads.iter().map(|verdict| {
        vec![
            words::word(verdict.answer).to_owned(),
            plain(&verdict.id).into_owned(),
            verdict.model.to_string(),
            thousands(verdict.operations),
            verdict.strength.to_string(),
            words::unresolved(verdict),
            thousands(words::violation_count(verdict)),
        ]
    }));
    aligned(&rows, &SIDES)
}

fn violations(run: &CheckRun, verdict: &WorkloadVerdict) -> String {
    let mut text = String::new();
    for example in &verdict.counterexamples {
        let _infallible =
            write!(text, "\nFAIL {}: {}\n", plain(&verdict.id), words::of_key(&example.rule, &example.key));
        text.push_str(&told(example));
    }
    for finding in words::without_picture(verdict) {
        let name = words::of_key(&finding.rule, &finding.key);
        let _infallible = write!(text, "\nFAIL {}: {name}\n{}", plain(&verdict.id), sentences(finding));
    }
    let told = verdict.violations().count() as u64;
    let more = words::violation_count(verdict).saturating_sub(told);
    if more > 0 {
        let _infallible =
            write!(text, "\n{}: {} more violations are counted, not told\n", plain(&verdict.id), thousands(more));
    }
    if !text.is_empty() {
        text.push('\n');
        for (why, command) in words::again(run, verdict) {
            let _infallible = writeln!(text, "{why}:\n    {command}");
        }
    }
    text
}

/// A counterexample: bars, sentences, what happened, what would have been allowed.
fn told(example: &Counterexample) -> String {
    let mut text = String::new();
    for line in timeline::bars(example) {
        let _infallible = writeln!(text, "  {line}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    for line in timeline::sentences(example) {
        let _infallible = writeln!(text, "  {line}");
    }
    if example.unshown > 0 {
        let _infallible = writeln!(text, "    and {} more operations that are part of it", thousands(example.unshown));
    }
    let _infallible = writeln!(text, "\n  What happened: {}", plain(&example.what));
    if !example.allowed.is_empty() {
        let _infallible = writeln!(text, "  What would have been allowed: {}", plain(&example.allowed));
    }
    let _infallible = writeln!(text, "  {}", origin(example));
    text
}

/// How much was left out.
pub(crate) fn origin(example: &Counterexample) -> String {
    let (shown, of) = (example.operations.len() as u64, example.of);
    if shown == of {
        return "These are all operations of the history.".to_owned();
    }
    let mut text = format!("Shown: {} of the history's {}", thousands(shown), words::counted(of, "operation"));
    if example.left < of {
        let left = thousands(example.left);
        let _infallible = write!(text, "; the rule is still broken when only {left} of them are left");
    }
    text + "."
}

fn sentences(finding: &Finding) -> String {
    let mut text = format!("  What happened: {}\n", plain(&finding.what));
    if !finding.allowed.is_empty() {
        let _infallible = writeln!(text, "  What would have been allowed: {}", plain(&finding.allowed));
    }
    if !finding.operations.is_empty() {
        let ids: Vec<String> = finding.operations.iter().take(12).map(|id| format!("#{id}")).collect();
        let _infallible = writeln!(text, "  Operations of the history: {}", ids.join(", "));
    }
    text
}

fn doubts(run: &CheckRun) -> String {
    let mut text = String::new();
    for verdict in &run.workloads {
        for doubt in verdict.doubts() {
            let name = words::of_key(&doubt.rule, &doubt.key);
            let _infallible = write!(text, "\nIN DOUBT {}: {name}: {}\n", plain(&verdict.id), plain(&doubt.what));
            if let Some(advice) = advice(&doubt.rule) {
                let _infallible = writeln!(text, "  hint: {advice}");
            }
        }
    }
    text
}
