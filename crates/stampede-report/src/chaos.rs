//! A run of faults as a table: what was broken, what clients saw of it, how soon they were served again, and what checked load has
//! shown meanwhile.
//!
//! Invariant: nothing here decides; every figure comes from the report.

use std::fmt::Write;

use stampede_model::chaos::{ChaosReport, CheckedReport, CheckedRow, FaultReport};
use stampede_model::units::{show_duration, show_ns, thousands};

use crate::table::{Side, aligned};

pub(crate) const HEADER: [&str; 9] =
    ["at", "fault", "on", "lasted", "failed", "longest silence", "recovered after", "after the undo", "limit"];
const SIDES: [Side; 9] =
    [Side::Right, Side::Left, Side::Left, Side::Right, Side::Right, Side::Right, Side::Right, Side::Right, Side::Left];

/// The whole run as a page.
pub fn html(report: &ChaosReport) -> String {
    crate::html::chaos_page(report)
}

/// The whole run for a terminal.
pub fn text(report: &ChaosReport) -> String {
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    rows.extend(report.faults.iter().map(row));
    let mut text = format!("\n{}", aligned(&rows, &SIDES));
    for fault in &report.faults {
        // Writing to a String cannot fail, here and below.
        if let Some(why) = &fault.refused {
            let _infallible = write!(text, "\n{} on {} was not injected: {why}\n", fault.fault, fault.on);
        } else if !fault.verified {
            let _infallible = write!(text, "\n{} on {} is NOT UNDONE: {}\n", fault.fault, fault.on, fault.note);
        }
        if fault.seen.bad() > 0 {
            let kinds = fault.seen.errors.iter().map(|(kind, times)| format!("{kind} {}", thousands(*times)));
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            let _infallible = write!(text, "\n{} on {}: {kinds}\n", fault.fault, fault.on);
        }
    }
    let steady = &report.steady;
    let after = match steady.after_ms {
        Some(ms) => format!("well again {} after the end", show_duration(std::time::Duration::from_millis(ms))),
        None => "NOT well at the end".to_owned(),
    };
    let _infallible = write!(
        text,
        "\nsteady state ({}): {} of {} answers during the run, {after}\n",
        steady.question,
        thousands(steady.well),
        thousands(steady.well + steady.unwell)
    );
    if let (None, Some(trouble)) = (steady.after_ms, &steady.last_trouble) {
        let _infallible = writeln!(text, "last answer: {trouble}");
    }
    if let Some(checked) = &report.checked {
        text += &checked_text(checked);
    }
    if let Some(why) = &report.checked_trouble {
        let _infallible = writeln!(text, "checked load could not be judged: {why}");
    }
    if let Some(why) = &report.aborted {
        let _infallible = writeln!(text, "given up: {why}");
    }
    if report.samples_left_out > 0 {
        let left_out = thousands(report.samples_left_out);
        let _infallible = writeln!(text, "the stopwatches did not see {left_out} requests: more than are kept");
    }
    let _infallible = writeln!(
        text,
        "{} requests succeeded, {} failed; seed {}",
        thousands(report.succeeded),
        thousands(report.failed),
        report.seed
    );
    text
}

fn checked_text(checked: &CheckedReport) -> String {
    let mut text = String::from("\nchecked load\n");
    for verdict in &checked.run.workloads {
        let _infallible = writeln!(text, "  {}", crate::check::line(verdict));
    }
    let mut rows = vec![["", "seen", ""].map(str::to_owned).to_vec()];
    rows.extend(checked.rows.iter().map(|row| vec![row.way.words().to_owned(), count(row), row.note.clone()]));
    text.push('\n');
    text += &aligned(&rows, &[Side::Left, Side::Right, Side::Left]);
    text
}

/// How often something was seen.
pub(crate) fn count(row: &CheckedRow) -> String {
    row.count.map_or("not checked".to_owned(), thousands)
}

/// The cells of a fault, as [`HEADER`] has them.
pub(crate) fn row(fault: &FaultReport) -> Vec<String> {
    let judged = fault.expected.judge(&fault.seen);
    let limits: Vec<String> = judged
        .into_iter()
        .map(|(limit, kept)| if kept { format!("{limit} kept") } else { format!("{limit} MISSED") })
        .collect();
    let limit = match (&fault.refused, limits.is_empty()) {
        (Some(_), _) => "not injected".to_owned(),
        (None, true) => "-".to_owned(),
        (None, false) => limits.join("; "),
    };
    let never = |time: Option<u64>| time.map_or("not seen".to_owned(), show_ns);
    vec![
        show_ns(fault.injected_ns),
        fault.fault.clone(),
        fault.on.clone(),
        show_ns(fault.undone_ns.saturating_sub(fault.injected_ns)),
        thousands(fault.seen.bad()),
        show_ns(fault.seen.longest_dark_ns),
        never(fault.seen.recovered_after_ns),
        never(fault.seen.after_undo_ns),
        limit,
    ]
}

#[cfg(test)]
mod tests {
    use stampede_model::chaos::{CHAOS_FORMAT, CHAOS_VERSION, Expected, Recovery, SteadyReport};
    use stampede_model::failure::FailureKind;
    use stampede_model::timeline::Timeline;

    use super::*;

    #[test]
    fn what_was_missed_and_what_was_not_undone_is_told() {
        let second = 1_000_000_000;
        let fault = FaultReport {
            fault: "kill".into(),
            on: "api-1".into(),
            injected_ns: 5 * second,
            undone_ns: 6 * second,
            refused: None,
            verified: false,
            note: "api-1 is down".into(),
            seen: Recovery {
                recovered_after_ns: Some(7 * second),
                after_undo_ns: Some(6 * second),
                errors: [(FailureKind::Reset, 12)].into(),
                ..Recovery::default()
            },
            expected: Expected { recovery_ns: Some(5 * second), ..Expected::default() },
        };
        let report = ChaosReport {
            format: CHAOS_FORMAT.into(),
            version: CHAOS_VERSION,
            target: "t".into(),
            url: "u".into(),
            seed: 7,
            started_unix_ms: 0,
            elapsed_ms: 0,
            aborted: None,
            steady: SteadyReport::default(),
            succeeded: 1_000,
            failed: 12,
            samples_left_out: 0,
            faults: vec![fault],
            checked: None,
            checked_trouble: Some("no answer".into()),
            timeline: Timeline::default(),
        };
        let text = text(&report);
        for word in [
            "7.00 s",
            "5.00 s MISSED",
            "NOT UNDONE: api-1 is down",
            "12",
            "NOT well",
            "seed 7",
            "could not be judged: no answer",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
