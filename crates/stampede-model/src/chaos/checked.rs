//! What checked load has shown of a system that was being broken: a count for each way in which it may fail its clients.
//!
//! Invariants: every violation of every workload is in exactly one row; a row that no workload looked at says so and counts
//! nothing; a lock's unanswered calls are no open matter once their leases are over.

use serde::{Deserialize, Serialize};

use crate::check::{Answer, CheckReport, CheckRun, WorkloadVerdict};
use crate::history::Model;

/// What the workloads of a campaign have shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckedReport {
    /// A count for each way of failing.
    pub rows: Vec<CheckedRow>,
    /// Each workload's verdict.
    pub run: CheckRun,
}

/// One way of failing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedRow {
    /// Which.
    pub way: Way,
    /// How often it was seen; `None` when no workload looks for it.
    pub count: Option<u64>,
    /// The first that was seen, or what else is to be known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The ways in which a system fails its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// More was sold than there was.
    Oversold,
    /// What was acknowledged is not there.
    Lost,
    /// What was asked for once took effect twice.
    Double,
    /// One tenant saw or reached what is another's.
    CrossTenant,
    /// The system itself finds its sums wrong.
    Invariants,
    /// Anything else that no correct system does.
    Other,
    /// What became of a write, nobody knows.
    Unresolved,
    /// A workload that could not be decided.
    Undecided,
}

impl Way {
    const ALL: [Self; 8] = [
        Self::Oversold,
        Self::Lost,
        Self::Double,
        Self::CrossTenant,
        Self::Invariants,
        Self::Other,
        Self::Unresolved,
        Self::Undecided,
    ];

    /// Its name in a table.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Oversold => "oversold units",
            Self::Lost => "lost acknowledged orders",
            Self::Double => "double effects",
            Self::CrossTenant => "cross-tenant rows",
            Self::Invariants => "invariants broken",
            Self::Other => "other violations",
            Self::Unresolved => "unresolved operations",
            Self::Undecided => "undecided workloads",
        }
    }

    /// Whether it proves the system wrong; the others leave it open.
    pub const fn is_violation(self) -> bool {
        !matches!(self, Self::Unresolved | Self::Undecided)
    }

    fn of_rule(rule: &str) -> Self {
        match rule {
            "oversold" | "negative-stock" | "units-made" => Self::Oversold,
            "lost-update" | "job-lost" => Self::Lost,
            "created-twice" | "effect-twice" | "job-twice" => Self::Double,
            "tenant-leak" | "foreign-id-accepted" | "cross-tenant-lock" | "not-as-absent" => Self::CrossTenant,
            "audit-failed" => Self::Invariants,
            _ => Self::Other,
        }
    }

    /// Whether a workload looks for it.
    fn is_looked_for(self, verdict: &WorkloadVerdict) -> bool {
        match self {
            Self::Oversold => matches!(verdict.model, Model::Stock | Model::Transactions),
            Self::Lost => !matches!(verdict.model, Model::Lock | Model::RateLimit | Model::Tenants),
            Self::Double => matches!(verdict.model, Model::Idempotency | Model::Queue),
            Self::CrossTenant => verdict.model == Model::Tenants,
            Self::Invariants => verdict.reports.iter().any(|report| report.check == crate::check::AUDIT),
            Self::Other | Self::Unresolved | Self::Undecided => true,
        }
    }
}

impl CheckedReport {
    /// Counts what a run of workloads has shown.
    pub fn of(run: CheckRun) -> Self {
        let rows = Way::ALL.into_iter().map(|way| row(way, &run)).collect();
        Self { rows, run }
    }

    /// Whether a system that is right can have shown this.
    pub fn is_violated(&self) -> bool {
        self.any(true)
    }

    /// Whether something stayed open.
    pub fn is_open(&self) -> bool {
        self.any(false)
    }

    fn any(&self, is_violation: bool) -> bool {
        self.rows.iter().any(|row| row.way.is_violation() == is_violation && row.count.is_some_and(|count| count > 0))
    }
}

fn row(way: Way, run: &CheckRun) -> CheckedRow {
    if !run.workloads.iter().any(|verdict| way.is_looked_for(verdict)) {
        let note = "no workload looks for it".to_owned();
        return CheckedRow { way, count: None, note };
    }
    let (count, note) = match way {
        Way::Unresolved => unresolved(run),
        Way::Undecided => undecided(run),
        _ => violations(way, run),
    };
    CheckedRow { way, count: Some(count), note }
}

fn violations(way: Way, run: &CheckRun) -> (u64, String) {
    let all = || run.workloads.iter().flat_map(|verdict| verdict.reports.iter().map(move |report| (verdict, report)));
    let count = all().map(|(_, report)| counted(way, report)).sum();
    let first = all().find_map(|(verdict, report)| {
        let finding = report.violations.iter().find(|finding| Way::of_rule(&finding.rule) == way)?;
        Some(format!("{}: {}, {}", verdict.id, finding.rule, finding.what))
    });
    (count, first.unwrap_or_default())
}

/// Those beyond the ones that are kept with their words count with the first rule of their report.
fn counted(way: Way, report: &CheckReport) -> u64 {
    let kept = report.violations.iter().filter(|finding| Way::of_rule(&finding.rule) == way).count() as u64;
    let is_first = report.first_violation().is_some_and(|finding| Way::of_rule(&finding.rule) == way);
    let more = report.violation_count.saturating_sub(report.violations.len() as u64);
    kept + if is_first { more } else { 0 }
}

fn unresolved(run: &CheckRun) -> (u64, String) {
    let is_lasting = |verdict: &&WorkloadVerdict| verdict.model != Model::Lock;
    let open = |verdict: &WorkloadVerdict| verdict.unresolved.saturating_sub(verdict.unanswered_reads);
    let lasting = run.workloads.iter().filter(is_lasting).map(open).sum();
    let settled: u64 = run.workloads.iter().map(|verdict| verdict.resolved).sum();
    let leases: u64 = run.workloads.iter().filter(|verdict| !is_lasting(verdict)).map(open).sum();
    let reads: u64 = run.workloads.iter().map(|verdict| verdict.unanswered_reads).sum();
    let note = format!("{settled} were unknown at first and were settled; {reads} reads got no answer");
    match leases {
        0 => (lasting, note),
        _ => (lasting, format!("{note}; {leases} calls to locks got none, and their leases are over")),
    }
}

fn undecided(run: &CheckRun) -> (u64, String) {
    let open = |verdict: &&WorkloadVerdict| verdict.answer == Answer::Unknown;
    let first = run.workloads.iter().find(open).map(|verdict| {
        let doubt = verdict.doubts().next();
        let why = doubt.map_or("nothing was decided".to_owned(), |doubt| format!("{}, {}", doubt.rule, doubt.what));
        format!("{}: {why}", verdict.id)
    });
    (run.workloads.iter().filter(open).count() as u64, first.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CHECK_FORMAT, CHECK_VERSION, Finding, Findings, Strength};

    fn verdict(model: Model, rules: &[&'static str]) -> WorkloadVerdict {
        let mut findings = Findings::default();
        for rule in rules {
            findings.violation(Finding::new(rule, "k", "what was seen"));
        }
        let report = findings.conclude(model.as_str(), Strength::Witness, 100, 1);
        WorkloadVerdict {
            id: model.to_string(),
            model,
            answer: report.answer,
            strength: report.strength,
            operations: 100,
            unresolved: 0,
            unanswered_reads: 0,
            resolved: 0,
            skew_us: 0,
            reports: vec![report],
            counterexamples: Vec::new(),
            history: None,
            elapsed_ms: 0,
        }
    }

    fn report(workloads: Vec<WorkloadVerdict>) -> CheckedReport {
        CheckedReport::of(CheckRun {
            format: CHECK_FORMAT.to_owned(),
            version: CHECK_VERSION,
            target: "t".to_owned(),
            file: String::new(),
            url: String::new(),
            started_unix_ms: 0,
            elapsed_ms: 0,
            seed: 0,
            workloads,
        })
    }

    fn count(report: &CheckedReport, way: Way) -> Option<u64> {
        report.rows.iter().find(|row| row.way == way).unwrap().count
    }

    #[test]
    fn every_violation_is_in_one_row_and_what_nobody_looked_for_is_not_zero() {
        let many = vec!["oversold"; 9];
        let seen =
            report(vec![verdict(Model::Stock, &many), verdict(Model::Tenants, &["tenant-leak", "interference"])]);
        assert_eq!(count(&seen, Way::Oversold), Some(9));
        assert_eq!((count(&seen, Way::CrossTenant), count(&seen, Way::Other)), (Some(1), Some(1)));
        assert_eq!((count(&seen, Way::Double), count(&seen, Way::Invariants)), (None, None));
        assert!(seen.is_violated() && !seen.is_open());
        assert!(seen.rows[0].note.contains("stock: oversold"), "{:?}", seen.rows[0]);
    }

    #[test]
    fn writes_without_an_outcome_are_open_and_reads_and_leases_are_not() {
        let mut stock = verdict(Model::Stock, &[]);
        (stock.unresolved, stock.unanswered_reads, stock.resolved) = (5, 5, 3);
        let mut lock = verdict(Model::Lock, &[]);
        lock.unresolved = 4;
        let seen = report(vec![stock.clone(), lock.clone()]);
        assert!(!seen.is_violated() && !seen.is_open(), "{:?}", seen.rows);
        assert!(seen.rows[6].note.contains("3 were unknown") && seen.rows[6].note.contains("4 calls to locks"));
        stock.unresolved = 6;
        let seen = report(vec![stock, lock.clone()]);
        assert_eq!(count(&seen, Way::Unresolved), Some(1));
        lock.answer = Answer::Unknown;
        assert!(report(vec![lock]).is_open());
    }
}
