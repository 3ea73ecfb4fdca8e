//! From records to a verdict. Pure: the same records give the same verdict anywhere.
//!
//! Invariants: every check is sound, a violation is proven by the records it names; what the records leave open is
//! [`Verdict::Unknown`] and never a pass; a proven violation stands whatever else is open.

mod bounds;
mod course;
mod crash;
mod ledger;
mod limit;
mod load;
mod lock;
mod lock_rules;
mod run;
mod stock;

use serde::{Deserialize, Serialize};

pub use course::{Bursts, Course, Looks, ReplicaUse, Uptime, judge_leak, judge_uptime};
pub use crash::{
    CrashHistory, FollowUps, Kept, KeptWrite, judge_follow_ups, judge_kept, judge_recovery, judge_vanished,
};
pub use limit::judge_limit;
pub use load::judge_load;
pub use lock::judge_exclusive;
pub use lock_rules::judge_lock_rules;
pub use run::{ACCEPT_FORMAT, ACCEPT_VERSION, AcceptRun, BadRunFile, RowReport, RunEnd};
pub use stock::{StockDemand, judge_stock};

/// How a row came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What was demanded holds.
    Pass,
    /// A correctness rule is broken.
    Violated,
    /// A limit of speed or errors is broken.
    Missed,
    /// The records do not say.
    Unknown,
    /// The row could not be run.
    NotRun,
}

impl Verdict {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Violated | Self::Missed => "FAIL",
            Self::Unknown => "UNKNOWN",
            Self::NotRun => "ERROR",
        }
    }
}

/// A row's verdict with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// How it came out.
    pub verdict: Verdict,
    /// What was measured, in one line.
    pub figure: String,
    /// Why it is not a pass; empty for one.
    pub reason: String,
    /// The first few violations, else the first few doubts.
    pub evidence: Vec<String>,
}

/// Violations and doubts as checks find them; memory stays bounded however many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    violations: Pile,
    doubts: Pile,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pile {
    first: Vec<String>,
    count: usize,
}

const EVIDENCE: usize = 5;

impl Pile {
    fn add(&mut self, text: String) {
        self.count += 1;
        // The same finding of seventy calls is one line, so that it does not push the others out.
        if self.first.len() < EVIDENCE && !self.first.contains(&text) {
            self.first.push(text);
        }
    }

    fn absorb(&mut self, other: Self) {
        let untold = other.count - other.first.len();
        other.first.into_iter().for_each(|text| self.add(text));
        self.count += untold;
    }

    fn reason(&self) -> String {
        match (self.first.first(), self.count) {
            (None, _) => String::new(),
            (Some(first), 1) => first.clone(),
            (Some(first), count) => format!("{first} (and {} more)", count - 1),
        }
    }
}

impl Findings {
    pub(crate) fn violation(&mut self, text: impl Into<String>) {
        self.violations.add(text.into());
    }

    pub(crate) fn doubt(&mut self, text: impl Into<String>) {
        self.doubts.add(text.into());
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.violations.absorb(other.violations);
        self.doubts.absorb(other.doubts);
    }

    pub(crate) fn conclude(self, figure: String) -> Ruling {
        let (verdict, pile) = match (self.violations.count, self.doubts.count) {
            (0, 0) => (Verdict::Pass, self.violations),
            (0, _) => (Verdict::Unknown, self.doubts),
            _ => (Verdict::Violated, self.violations),
        };
        Ruling { verdict, figure, reason: pile.reason(), evidence: pile.first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proven_violation_outweighs_any_doubt() {
        let mut findings = Findings::default();
        findings.doubt("slow");
        assert_eq!(findings.clone().conclude(String::new()).verdict, Verdict::Unknown);
        findings.violation("oversold");
        let ruling = findings.conclude("figure".into());
        assert_eq!((ruling.verdict, ruling.reason.as_str()), (Verdict::Violated, "oversold"));
    }

    #[test]
    fn evidence_is_bounded_and_counted() {
        let mut findings = Findings::default();
        for number in 0..1_000 {
            findings.violation(format!("violation {number}"));
        }
        let ruling = findings.conclude(String::new());
        assert_eq!(ruling.evidence.len(), EVIDENCE);
        assert_eq!(ruling.reason, "violation 0 (and 999 more)");
    }

    #[test]
    fn the_same_finding_again_leaves_room_for_others() {
        let mut findings = Findings::default();
        for _ in 0..70 {
            findings.violation("a header is missing");
        }
        let mut others = Findings::default();
        others.violation("one too many passed");
        findings.absorb(others);
        let ruling = findings.conclude(String::new());
        assert_eq!(ruling.evidence, ["a header is missing", "one too many passed"]);
        assert_eq!(ruling.reason, "a header is missing (and 70 more)");
    }
}
