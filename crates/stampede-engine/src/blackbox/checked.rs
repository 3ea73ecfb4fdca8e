//! A workload as a row: its history is kept in memory and judged at once.

use std::io::{BufReader, Cursor};

use stampede_model::check::{self, Answer, Budget, Strength, WorkloadVerdict};
use stampede_model::history;
use stampede_model::target::{CheckedRow, Effort};
use stampede_model::units::thousands;
use stampede_model::verdict::{Ruling, Verdict};

use super::caller::Bench;
use super::error::RowError;
use super::workload::{Manner, Steering, run_workload};

/// Steps of an exact search: a row is small, and an acceptance run must end.
const SEARCH_STEPS: u64 = 20_000_000;
/// The choices of a row are always the same.
const SEED: u64 = 1;
/// Findings that are shown.
const SHOWN: usize = 5;

pub(super) async fn run(bench: &Bench<'_>, row: &CheckedRow, effort: Effort) -> Result<Ruling, RowError> {
    let workload = bench.target().workload_of(row, effort);
    let workload = workload.ok_or_else(|| RowError::Workload(format!("there is no `{}`", row.workload.as_ref())))?;
    let mut lines = Vec::new();
    let ran = run_workload(
        std::slice::from_ref(bench),
        &workload,
        (SEED, Manner::default()),
        &mut lines,
        &Steering::default(),
    )
    .await;
    let ran = ran.map_err(|error| RowError::Workload(error.to_string()))?;
    let history = history::read(BufReader::new(Cursor::new(lines)), row.workload.as_ref());
    let history = history.map_err(|error| RowError::Workload(error.to_string()))?;
    let verdict = check::judge(&history, Budget::of_steps(SEARCH_STEPS));
    Ok(rule(&verdict, (ran.unresolved, ran.skew_us)))
}

/// What the checkers' verdict means for the row: less than a proof is no pass.
fn rule(verdict: &WorkloadVerdict, (unresolved, skew_us): (u64, u64)) -> Ruling {
    let strength = verdict.strength;
    let ruled = match verdict.answer {
        Answer::Violated => Verdict::Violated,
        Answer::Holds if strength >= Strength::Exact && unresolved == 0 => Verdict::Pass,
        Answer::Holds | Answer::Unknown => Verdict::Unknown,
    };
    let findings = verdict.violations().chain(verdict.doubts());
    let evidence: Vec<String> =
        findings.map(|finding| format!("{}: {}", finding.rule, finding.what)).take(SHOWN).collect();
    let reason = match ruled {
        Verdict::Pass => String::new(),
        _ if evidence.is_empty() => format!("{strength}, {unresolved} unresolved"),
        _ => evidence[0].clone(),
    };
    let operations = thousands(verdict.operations);
    let figure = format!("{operations} operations, {strength}, {unresolved} unresolved (skew {skew_us} µs)");
    Ruling { verdict: ruled, figure, reason, evidence }
}
