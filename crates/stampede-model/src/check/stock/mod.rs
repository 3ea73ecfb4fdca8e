//! Units of stock under simultaneous updates: nothing sold twice, no update lost, no refusal without cause.
//!
//! A level is checked by each answer for itself (`rules`), by the calls' intervals (`bounds`), by the versions that the system
//! names (`witness`), by what became of each reservation (`lives`) and by the ledger (`audit`).
//! Invariants: a violation holds for every order that a correct system can have chosen, and for every fate of the calls of
//! unknown outcome; those are counted, and unless versions or ledger account for them they are a doubt.
//! Absent on purpose: a search through orders. What only a search finds is for the exact check.

mod audit;
mod bounds;
mod convert;
mod lives;
mod misses;
mod open;
#[cfg(test)]
mod properties;
mod replay;
mod rules;
mod synthetic;
#[cfg(test)]
mod tests;
mod typed;
mod witness;

#[cfg(test)]
pub(crate) use synthetic::Dice;
pub use synthetic::{Fault, Plan, Shows, synthetic};
pub use typed::{Fate, Figure, Figures, Kind, Level, Row, StockOp};

use super::envelope::Spanned;
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{Heading, Operation};

/// The check's name.
const NAME: &str = "stock";

/// Checks every level of a history of the model stock.
///
/// The heading's `initial` is what was available on each level at first; without it a read before the first update says so.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let mut findings = Findings::default();
    let converted = convert::convert(heading, operations, &mut findings);
    judge(&converted.levels, (operations.len() as u64, converted.keys), findings)
}

/// Checks one level in every way.
pub fn check_level(level: &Level) -> CheckReport {
    judge(std::slice::from_ref(level), (level.ops().len() as u64, 1), Findings::default())
}

fn judge(levels: &[Level], (operations, keys): (u64, u64), mut findings: Findings) -> CheckReport {
    let mut strength = Strength::Witness;
    let mut open = open::Open::default();
    for level in levels {
        strength = strength.min(judge_level(level, &mut findings, &mut open));
    }
    let report = findings.conclude(NAME, strength, operations, keys);
    report.with_indeterminate(open.count(), open.could_hide())
}

/// The check of one level by versions alone: the order that the system named, replayed.
pub fn by_witness(level: &Level) -> CheckReport {
    let mut findings = Findings::default();
    rules::check(level, &mut findings);
    let proof = witness::check(level, &mut findings);
    let strength = if proof.is_whole { Strength::Witness } else { Strength::Rules };
    findings.conclude(NAME, strength, level.ops().len() as u64, 1)
}

/// The check of one level by the calls' intervals alone.
pub fn by_bounds(level: &Level) -> CheckReport {
    let mut findings = Findings::default();
    rules::check(level, &mut findings);
    bounds::check(level, &mut findings);
    findings.conclude(NAME, Strength::Bounds, level.ops().len() as u64, 1)
}

fn judge_level(level: &Level, findings: &mut Findings, open: &mut open::Open) -> Strength {
    rules::check(level, findings);
    bounds::check(level, findings);
    lives::check(level, findings);
    let proof = witness::check(level, findings);
    let is_audited = audit::check(level, findings);
    let is_updated = level.ops().iter().any(StockOp::is_done_update);
    if is_updated && level.last_read().is_none() && !proof.is_end_seen {
        let what = "no read began after the last update had been answered: an error may hide behind what was pending";
        let last = level.ops().iter().filter(|op| op.is_done_update()).max_by_key(|op| op.end_ns());
        let finding = Finding::new("no-quiescent-read", level.key(), what).by(last.map(StockOp::id));
        findings.doubt(finding.allowed("a read after everything had been answered"));
    }
    open.add(level, proof.is_settled || is_audited, findings);
    if proof.is_whole { Strength::Witness } else { Strength::Bounds }
}
