//! What the self-test prints.

use std::fmt::Write as _;
use std::time::Duration;

use stampede_faulty::{Area, Bug};
use stampede_model::check::WorkloadVerdict;

use super::{accuses, took};

/// One server that was checked.
#[derive(Debug)]
pub(super) struct Row {
    bug: Option<&'static Bug>,
    area: Area,
    seed: u64,
    pub(super) operations: u64,
    pub(super) took: Duration,
    /// The rule and the workload that named the bug, or accused a sound server.
    named: Option<(String, String)>,
    /// What was found instead.
    wrong: Option<String>,
    /// Doubts of a sound server: weaker than it should be, and no accusation.
    doubts: Vec<String>,
}

impl Row {
    pub(super) fn new(bug: Option<&'static Bug>, area: Area, seed: u64) -> Self {
        Self { bug, area, seed, operations: 0, took: Duration::ZERO, named: None, wrong: None, doubts: Vec::new() }
    }

    /// Takes a verdict in.
    pub(super) fn note(&mut self, verdict: &WorkloadVerdict) {
        if accuses(verdict) {
            let fits = |rule: &str| self.bug.is_none_or(|bug| bug.rules.contains(&rule));
            let named = verdict.violations().find(|finding| fits(&finding.rule));
            self.named = named.map(|finding| (finding.rule.clone(), verdict.id.clone()));
            if named.is_none() {
                let first = verdict.violations().next();
                self.wrong = first.map(|finding| format!("{} ({})", finding.rule, finding.what));
            }
        }
        for doubt in verdict.doubts() {
            let text = format!("{}: {}", verdict.id, doubt.rule);
            if self.bug.is_none() && !self.doubts.contains(&text) {
                self.doubts.push(text);
            }
        }
    }

    pub(super) fn is_decided(&self) -> bool {
        self.named.is_some()
    }

    /// Whether the tester did what it should.
    pub(super) fn is_good(&self) -> bool {
        self.bug.is_some() == self.named.is_some()
    }
}

/// One line for one server.
pub(super) fn line(row: &Row) -> String {
    let verdict = if row.is_good() { "PASS" } else { "FAIL" };
    let name = row.bug.map_or_else(|| format!("sound {}", row.area.name()), |bug| bug.id.to_owned());
    let what = match (&row.named, &row.wrong, row.bug) {
        (Some((rule, workload)), _, Some(_)) => format!("named {rule} by {workload}"),
        (Some((rule, workload)), _, None) => format!("accused of {rule} by {workload}"),
        (None, Some(wrong), Some(_)) => format!("only called {wrong}"),
        (None, _, Some(_)) => "not found".to_owned(),
        (None, _, None) if row.doubts.is_empty() => "nothing found".to_owned(),
        (None, _, None) => format!("nothing found; doubts: {}", row.doubts.join(", ")),
    };
    format!("{verdict}  {name:<28} {what} ({} operations, {}, seed {})\n", row.operations, took(row.took), row.seed)
}

/// The bugs there are.
pub(super) fn list(bugs: &[&Bug]) -> String {
    let mut text = String::new();
    for bug in bugs {
        // Writing to a String cannot fail.
        writeln!(text, "{:<28} {:<12} {}", bug.id, bug.area.name(), bug.says).ok();
    }
    text
}

/// The sums.
pub(super) fn summary(rows: &[Row], elapsed: Duration) -> String {
    let (bugs, sound): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.bug.is_some());
    let found = bugs.iter().filter(|row| row.is_good()).count();
    let cleared = sound.iter().filter(|row| row.is_good()).count();
    let slowest = bugs.iter().filter(|row| row.is_good()).max_by_key(|row| row.took);
    let mut text = format!(
        "\n{found} of {} planted bugs named, {cleared} of {} sound servers not accused, in {}\n",
        bugs.len(),
        sound.len(),
        took(elapsed)
    );
    if let Some(slowest) = slowest {
        let name = slowest.bug.map_or("", |bug| bug.id);
        writeln!(text, "the slowest was {name}: {} operations, {}", slowest.operations, took(slowest.took)).ok();
    }
    text
}
