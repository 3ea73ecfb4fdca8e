//! Whether a run met the trouble it is about: calls that overlapped on one object, units that were refused, an expiry.
//!
//! A run without contention or refusals proves nothing about either, so it is unknown and not green. Models whose own checkers look
//! for their kind of trouble (lock, rate limit, queue) are not looked at here.

use std::collections::BTreeMap;

use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{Heading, Model, Operation, Outcome};

/// Fewer operations than this say little.
const FEW: usize = 50;

/// The report of what was never reached; none when the model has nothing of the kind.
pub(super) fn check(heading: &Heading, operations: &[Operation]) -> Option<CheckReport> {
    let is_of_state = matches!(heading.model, Model::Stock | Model::Register | Model::Counter | Model::Transactions);
    // A recorded history of somebody else may be as short as a bug report.
    if !is_of_state || heading.workload.is_empty() {
        return None;
    }
    let mut findings = Findings::default();
    if operations.len() < FEW {
        let what = format!("{} operations are too few to have met anything", operations.len());
        findings.doubt(Finding::new("too-few-operations", "", what));
    }
    if !has_contention(operations) {
        let what = "no two calls on one object overlapped: nothing was tried at the same time";
        findings.doubt(Finding::new("never-contended", "", what));
    }
    if heading.model == Model::Stock
        && !operations.iter().any(|operation| operation.refused.as_deref() == Some("insufficient"))
    {
        let what = "no reservation was refused: the stock never ran out, so overselling was never possible";
        findings.doubt(Finding::new("never-refused", "", what));
    }
    if findings.is_doubtful() {
        return Some(findings.conclude("sometimes", Strength::Nothing, operations.len() as u64, 0));
    }
    None
}

/// Whether two effective calls on one object overlapped.
fn has_contention(operations: &[Operation]) -> bool {
    let mut until: BTreeMap<&str, u64> = BTreeMap::new();
    operations.iter().filter(|operation| operation.outcome == Outcome::Ok && operation.op != "movement").any(
        |operation| {
            let end_ns = operation.end_ns();
            let busy = until.entry(&operation.key).or_insert(0);
            let overlaps = operation.call_ns < *busy;
            *busy = (*busy).max(end_ns);
            overlaps
        },
    )
}
