//! The tables of a stress run as cells, the same in every kind of report. The first row is the heading.

use stampede_model::run::LatencyMs;
use stampede_model::stress::pool::{Phase, PhaseRecord, PoolRecord};
use stampede_model::stress::steps::{Bend, StepEnd, StepRecord, StepsRecord};
use stampede_model::units::{show_ns, show_share, thousands, trimmed};

use crate::words::plain;

/// The phases of a run without connections.
pub(crate) fn phases(record: &PoolRecord) -> Vec<Vec<String>> {
    let heads = ["", "asked", "good", "503", "else", "503 share", "p50", "p99", "max"].map(str::to_owned);
    std::iter::once(heads.to_vec()).chain(record.phases.iter().map(phase)).collect()
}

fn phase(phase: &PhaseRecord) -> Vec<String> {
    let other = phase.asked.saturating_sub(phase.good).saturating_sub(phase.unavailable);
    let mut row = vec![phase_word(phase.phase).to_owned()];
    row.extend([phase.asked, phase.good, phase.unavailable, other].map(thousands));
    row.push(show_share(phase.unavailable_share()));
    let LatencyMs { p50, p99, max, .. } = phase.latency_ms;
    row.extend([p50, p99, max].map(|figure| ms(figure, phase.latency_ms)));
    row
}

/// A phase in a word.
pub(crate) const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Before => "before",
        Phase::During => "during",
        Phase::After => "after",
    }
}

/// What ended a phase's requests: statuses and failures with their counts.
pub(crate) fn ends(phase: &PhaseRecord) -> String {
    let statuses = phase.statuses.iter().map(|(status, count)| format!("{status} x {}", thousands(*count)));
    let failures = phase.failures.iter().map(|(kind, count)| format!("{} x {}", kind.label(), thousands(*count)));
    statuses.chain(failures).collect::<Vec<_>>().join(", ")
}

/// What was held, for how long, and what was left.
pub(crate) fn held(record: &PoolRecord) -> String {
    let (hold, moments) = (&record.hold, record.moments);
    format!(
        "held {} connections ({}, {}) for {}; {} of {} were in use before, {} free at the least",
        hold.held,
        plain(&hold.asked),
        plain(&hold.manner),
        show_ns(moments.released_ns.saturating_sub(moments.held_ns)),
        hold.used_before,
        hold.allowed,
        hold.free_least
    )
}

/// How the service came back.
pub(crate) fn recovery(record: &PoolRecord) -> String {
    let after = |ns: Option<u64>| ns.map_or("never".to_owned(), show_ns);
    let (first, settled) = (after(record.first_good_ns), after(record.settled_ns));
    format!("first good answer {first} after the release, only good ones from {settled} on")
}

/// The rates of a run, each with how it came out.
pub(crate) fn steps(record: &StepsRecord) -> Vec<Vec<String>> {
    let heads = ["asked/s", "good/s", "p50", "p95", "p99", "errors", ""].map(str::to_owned);
    std::iter::once(heads.to_vec()).chain(record.steps.iter().map(step)).collect()
}

fn step(step: &StepRecord) -> Vec<String> {
    let mut row = vec![trimmed(step.rate_per_s), format!("{:.1}", step.succeeded_per_s)];
    let LatencyMs { p50, p95, p99, .. } = step.latency_ms;
    row.extend([p50, p95, p99].map(|figure| ms(figure, step.latency_ms)));
    row.push(show_share(step.error_share));
    let end = match step.end() {
        StepEnd::Kept => "kept",
        StepEnd::Broken => "BROKEN",
        StepEnd::Unknown => "OPEN",
    };
    row.push(end.to_owned());
    row
}

/// Up to where the service held.
pub(crate) fn highest_held(record: &StepsRecord) -> String {
    match held_per_s(record) {
        Some(rate) => format!("highest rate held: {}/s", trimmed(rate)),
        None => "no rate was held".to_owned(),
    }
}

/// The highest rate that held.
pub(crate) const fn held_per_s(record: &StepsRecord) -> Option<f64> {
    match &record.bend {
        Bend::Nowhere { held_per_s } | Bend::At { held_per_s, .. } | Bend::Unknown { held_per_s, .. } => *held_per_s,
    }
}

fn ms(figure: Option<f64>, of: LatencyMs) -> String {
    let shown = figure.map_or("-".to_owned(), |ms| show_ns((ms * 1e6) as u64));
    // Only the largest are sure to be bounds; the record says how many have no end.
    if of.censored > 0 && figure == of.max { format!("≥ {shown}") } else { shown }
}
