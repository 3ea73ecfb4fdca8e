//! How a service took the loss of its connections, or rising rates.

use stampede_model::run::LatencyMs;
use stampede_model::stress::StressRun;
use stampede_model::stress::pool::{Phase, PhaseRecord, PoolRecord};
use stampede_model::stress::steps::{Bend, StepEnd, StepsRecord};
use stampede_model::units::{show_ns, show_share, thousands, trimmed};

use crate::print::Append;

pub(super) fn render(run: &StressRun) -> String {
    let mut text = String::new();
    if let Some(record) = &run.pool {
        pool(&mut text, record);
    }
    if let Some(record) = &run.steps {
        steps(&mut text, record);
    }
    text
}

fn pool(text: &mut String, record: &PoolRecord) {
    let hold = &record.hold;
    let moments = record.moments;
    text.append(format_args!(
        "held {} connections ({}, {}) for {}; {} of {} were in use before, {} free at the least\n",
        hold.held,
        hold.asked,
        hold.manner,
        show_ns(moments.released_ns.saturating_sub(moments.held_ns)),
        hold.used_before,
        hold.allowed,
        hold.free_least
    ));
    text.append(format_args!(
        "{:<8}{:>8}{:>8}{:>8}{:>8}{:>10}{:>12}{:>12}{:>12}\n",
        "", "asked", "good", "503", "else", "503 share", "p50", "p99", "max"
    ));
    record.phases.iter().for_each(|phase| row(text, phase));
    for phase in &record.phases {
        let statuses = phase.statuses.iter().map(|(status, count)| format!("{status} x {}", thousands(*count)));
        let failures = phase.failures.iter().map(|(kind, count)| format!("{} x {}", kind.label(), thousands(*count)));
        let all: Vec<String> = statuses.chain(failures).collect();
        text.append(format_args!("{:<8}{}\n", word(phase.phase), all.join(", ")));
    }
    let after = |ns: Option<u64>| ns.map_or("never".to_owned(), show_ns);
    text.append(format_args!(
        "first good answer {} after the release, only good ones from {} on\n",
        after(record.first_good_ns),
        after(record.settled_ns)
    ));
}

fn row(text: &mut String, phase: &PhaseRecord) {
    let other = phase.asked - phase.good - phase.unavailable;
    text.append(format_args!(
        "{:<8}{:>8}{:>8}{:>8}{:>8}{:>10}{:>12}{:>12}{:>12}\n",
        word(phase.phase),
        thousands(phase.asked),
        thousands(phase.good),
        thousands(phase.unavailable),
        thousands(other),
        show_share(phase.unavailable_share()),
        ms(phase.latency_ms.p50, phase.latency_ms),
        ms(phase.latency_ms.p99, phase.latency_ms),
        ms(phase.latency_ms.max, phase.latency_ms)
    ));
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Before => "before",
        Phase::During => "during",
        Phase::After => "after",
    }
}

fn ms(figure: Option<f64>, of: LatencyMs) -> String {
    let shown = figure.map_or("-".to_owned(), |ms| show_ns((ms * 1e6) as u64));
    // Only the largest are sure to be bounds; the record says how many have no end.
    if of.censored > 0 && figure == of.max { format!("≥ {shown}") } else { shown }
}

fn steps(text: &mut String, record: &StepsRecord) {
    text.append(format_args!(
        "{:>10}{:>12}{:>12}{:>12}{:>12}{:>10}  {}\n",
        "asked/s", "good/s", "p50", "p95", "p99", "errors", ""
    ));
    for step in &record.steps {
        let mark = match step.end() {
            StepEnd::Kept => "kept",
            StepEnd::Broken => "BROKEN",
            StepEnd::Unknown => "OPEN",
        };
        text.append(format_args!(
            "{:>10}{:>12.1}{:>12}{:>12}{:>12}{:>10}  {mark}\n",
            trimmed(step.rate_per_s),
            step.succeeded_per_s,
            ms(step.latency_ms.p50, step.latency_ms),
            ms(step.latency_ms.p95, step.latency_ms),
            ms(step.latency_ms.p99, step.latency_ms),
            show_share(step.error_share)
        ));
        for doubt in &step.trust.doubts {
            text.append(format_args!("{:>10}  not trustworthy: {doubt}\n", ""));
        }
    }
    let held = match &record.bend {
        Bend::Nowhere { held_per_s } | Bend::At { held_per_s, .. } | Bend::Unknown { held_per_s, .. } => held_per_s,
    };
    match held {
        Some(rate) => text.append(format_args!("highest rate held: {}/s\n", trimmed(*rate))),
        None => text.push_str("no rate was held\n"),
    }
}
