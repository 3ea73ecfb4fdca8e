//! A run of `stampede check` as data: every workload with what each tier said, and the verdict that follows.

use serde::{Deserialize, Serialize};

use super::{Answer, CheckReport, Counterexample, Finding, Strength};
use crate::history::Model;

/// What stands in `format`.
pub const CHECK_FORMAT: &str = "stampede.check";
/// The only version this build reads and writes.
pub const CHECK_VERSION: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRun {
    /// Always [`CHECK_FORMAT`].
    pub format: String,
    /// Always [`CHECK_VERSION`].
    pub version: u32,
    /// The target's name, or the history's file.
    pub target: String,
    /// The target file, for running it again; empty when recorded histories were judged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Where it answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// When the run began, milliseconds since 1970 (UTC).
    pub started_unix_ms: i64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// The seed of its choices.
    pub seed: u64,
    /// Each workload.
    pub workloads: Vec<WorkloadVerdict>,
}

/// One workload with what the checkers said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadVerdict {
    /// Its name.
    pub id: String,
    /// What its keys are.
    pub model: Model,
    /// How it came out.
    pub answer: Answer,
    /// How strong a "holds" is.
    pub strength: Strength,
    /// Operations of its history.
    pub operations: u64,
    /// Outcomes that stayed unknown.
    pub unresolved: u64,
    /// Of these the reads: they cannot have changed anything.
    #[serde(default)]
    pub unanswered_reads: u64,
    /// Outcomes that were unknown at first and are known.
    pub resolved: u64,
    /// Between the first and the last send of a round, the largest, in microseconds.
    pub skew_us: u64,
    /// What each tier said.
    pub reports: Vec<CheckReport>,
    /// The counterexamples to be shown: one for each rule that was broken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counterexamples: Vec<Counterexample>,
    /// Where its history is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

impl WorkloadVerdict {
    /// Every violation of every tier.
    pub fn violations(&self) -> impl Iterator<Item = &Finding> {
        self.reports.iter().flat_map(|report| &report.violations)
    }

    /// Every doubt of every tier.
    pub fn doubts(&self) -> impl Iterator<Item = &Finding> {
        self.reports.iter().flat_map(|report| &report.doubts)
    }
}

impl CheckRun {
    /// The gravest of its workloads; unknown without any.
    pub fn answer(&self) -> Answer {
        self.workloads.iter().map(|workload| workload.answer).max().unwrap_or(Answer::Unknown)
    }
}
