//! A number that is added to by many at once: no increment lost, none counted twice, no old value shown.
//!
//! The order is named by versions; where there are none, by the values themselves if all increments are positive and answered
//! with the value after them. Without either only the calls' intervals are left.
//! Invariants: as for stock; see there.
//! Absent on purpose: limits of the number. Overflow is the system's to refuse.

mod bounds;
#[cfg(test)]
mod tests;
mod typed;
mod witness;

use typed::CounterOp;

use super::by_key::by_key;
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{Heading, Operation};

/// One counter.
#[derive(Debug)]
struct Counter<'a> {
    key: &'a str,
    ops: Vec<CounterOp>,
    /// The value before the first increment, when it is known.
    base: Option<i64>,
}

/// Checks every counter of a history of the model counter.
///
/// The heading's `initial` is each one's value at first; without it a read before the first increment says so, else it was 0.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let mut findings = Findings::default();
    let initial = heading.settings.integer("initial").unwrap_or_else(|bad| {
        findings.doubt(Finding::new("bad-field", "", format!("the heading's {bad}")));
        None
    });
    let groups = by_key(operations, &mut findings, CounterOp::read);
    let (mut strength, mut open) = (Strength::Witness, Open::default());
    for group in groups.groups {
        let mut counter = Counter::new(group.key, group.ops, initial);
        strength = strength.min(judge(&mut counter, &mut findings, &mut open));
    }
    let report = findings.conclude("counter", strength, operations.len() as u64, groups.keys);
    report.with_indeterminate(open.count, open.could_hide())
}

/// Increments of unknown outcome.
#[derive(Default)]
struct Open {
    count: u64,
    unsettled: u64,
    by: i64,
}

impl Open {
    fn could_hide(&self) -> String {
        match (self.count, self.unsettled) {
            (0, _) => String::new(),
            (_, 0) => "nothing: the order accounts for every one".to_owned(),
            _ => format!("increments of together {} that were lost or counted twice", self.by),
        }
    }
}

impl<'a> Counter<'a> {
    fn new(key: &'a str, mut ops: Vec<CounterOp>, initial: Option<i64>) -> Self {
        ops.sort_by_key(|op| (op.call_ns, op.id));
        let first_ns = ops.iter().filter(|op| op.is_update).map(|op| op.call_ns).min().unwrap_or(u64::MAX);
        let before = ops.iter().filter(|op| !op.is_update && op.end_ns < first_ns);
        let seen = before.min_by_key(|op| op.end_ns).and_then(|op| op.value);
        let base = initial.or(seen).or(Some(0));
        Self { key, ops, base }
    }
}

fn judge(counter: &mut Counter<'_>, findings: &mut Findings, open: &mut Open) -> Strength {
    bounds::check(counter, findings);
    let proof = witness::check(counter, findings);
    let ended_ns = counter.last_end_ns();
    let is_read = counter.ops.iter().any(|op| !op.is_update && op.call_ns > ended_ns);
    let final_update = counter.ops.iter().filter(|op| op.is_done_update()).max_by_key(|op| op.end_ns);
    if let (Some(op), false) = (final_update, is_read || proof.is_end_seen) {
        let what =
            "no read began after the last increment had been answered: a lost one may hide behind what was pending";
        let finding = Finding::new("no-quiescent-read", counter.key, what).by([op.id]);
        findings.doubt(finding.allowed("a read after everything had been answered"));
    }
    let lost: Vec<&CounterOp> = counter.ops.iter().filter(|op| op.is_open).collect();
    open.count += lost.len() as u64;
    if !lost.is_empty() && !proof.is_settled {
        let by: i64 = lost.iter().map(|op| op.by.abs()).sum();
        open.unsettled += lost.len() as u64;
        open.by += by;
        let what = format!(
            "the outcome of {} increments of together {by} is unknown: as much could be lost unseen",
            lost.len()
        );
        let finding = Finding::new("indeterminate", counter.key, what).by(lost.iter().take(6).map(|op| op.id));
        findings.doubt(finding.allowed("asking the system for each by its key of idempotency"));
    }
    if proof.is_whole { Strength::Witness } else { Strength::Bounds }
}
