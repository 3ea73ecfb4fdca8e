//! Words that all forms of a check's report share.

use std::fmt::Write as _;

use std::time::Duration;

use stampede_model::check::counterexample::{Counterexample, Shown};
use stampede_model::check::{Answer, CheckRun, Finding, WorkloadVerdict};
use stampede_model::units::{show_duration, thousands};

use crate::words::plain;

/// A verdict.
pub(crate) const fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Holds => "PASS",
        Answer::Violated => "FAIL",
        Answer::Unknown => "UNKNOWN",
    }
}

/// `3 of 4 workloads hold, 1 violated`.
pub(crate) fn summary(run: &CheckRun) -> String {
    let count = |answer| run.workloads.iter().filter(|workload| workload.answer == answer).count();
    let mut text = format!("{} of {} workloads hold", count(Answer::Holds), run.workloads.len());
    for (answer, word) in [(Answer::Violated, "violated"), (Answer::Unknown, "unknown")] {
        if count(answer) > 0 {
            let _infallible = write!(text, ", {} {word}", count(answer));
        }
    }
    text
}

/// Where, how long and with which seed.
pub(crate) fn circumstances(run: &CheckRun) -> String {
    let mut parts = Vec::new();
    if !run.url.is_empty() {
        parts.push(plain(&run.url).into_owned());
    }
    if run.started_unix_ms > 0 {
        parts.push(crate::words::started(started_unix_ns(run)));
    }
    parts.push(show_duration(Duration::from_millis(run.elapsed_ms)));
    if !run.url.is_empty() {
        parts.push(format!("seed {}", run.seed));
    }
    parts.join(", ")
}

/// When it began; 0 when that is not known.
pub(crate) fn started_unix_ns(run: &CheckRun) -> u64 {
    u64::try_from(run.started_unix_ms).unwrap_or(0).saturating_mul(1_000_000)
}

/// Outcomes that stayed unknown, and how many became known afterwards: `3 (2 resolved)`.
pub(crate) fn unresolved(verdict: &WorkloadVerdict) -> String {
    match verdict.resolved {
        0 => thousands(verdict.unresolved),
        resolved => format!("{} ({} resolved)", thousands(verdict.unresolved), thousands(resolved)),
    }
}

/// `1 violation`, `1,200 violations`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{} {thing}s", thousands(count)) }
}

/// How many violations were found, those without words counted too.
pub(crate) fn violation_count(verdict: &WorkloadVerdict) -> u64 {
    verdict.reports.iter().map(|report| report.violation_count).sum()
}

/// What the outcomes that nobody knows could hide, tier by tier.
pub(crate) fn could_hide(verdict: &WorkloadVerdict) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for report in verdict.reports.iter().filter(|report| !report.could_hide.is_empty()) {
        let text = plain(&report.could_hide).into_owned();
        if !told.contains(&text) {
            told.push(text);
        }
    }
    told
}

/// Violations that no counterexample tells.
pub(crate) fn without_picture(verdict: &WorkloadVerdict) -> Vec<&Finding> {
    let is_told = |finding: &Finding| {
        verdict
            .counterexamples
            .iter()
            .any(|one| one.rule == finding.rule && one.key == finding.key && one.what == finding.what)
    };
    verdict.violations().filter(|finding| !is_told(finding)).collect()
}

/// `oversold at sku-1`.
pub(crate) fn of_key(rule: &str, key: &str) -> String {
    if key.is_empty() { plain(rule).into_owned() } else { format!("{} at {}", plain(rule), plain(key)) }
}

/// When an operation was called, after the first one: one unit for all, so that they can be compared.
pub(crate) fn since(one: &Shown, example: &Counterexample) -> String {
    let last_ns = example.operations.iter().filter_map(|one| one.call_ns).max().unwrap_or(0);
    match one.call_ns {
        None => "–".to_owned(),
        Some(0) => "0".to_owned(),
        Some(ns) if last_ns < 10_000_000_000 => format!("+{:.3} ms", ns as f64 / 1e6),
        Some(ns) => format!("+{:.3} s", ns as f64 / 1e9),
    }
}

/// Commands that show it again: the same schedule, and the same record if it was kept.
pub(crate) fn again(run: &CheckRun, verdict: &WorkloadVerdict) -> Vec<(&'static str, String)> {
    let quote = super::script::quoted;
    let mut commands = Vec::new();
    if !run.file.is_empty() {
        let command = format!(
            "stampede check {} --only {} --seed {} -n {}",
            quote(&run.file),
            quote(&verdict.id),
            run.seed,
            verdict.operations.max(1)
        );
        commands.push((
            "The same schedule again (the choices repeat with the seed, the system's timing does not)",
            command,
        ));
    }
    if let Some(history) = &verdict.history {
        commands.push(("The same record judged again", format!("stampede check --history {}", quote(history))));
    }
    commands
}
