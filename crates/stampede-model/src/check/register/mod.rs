//! One value under simultaneous reads, writes and swaps: no update lost, no old value shown, no conflict without cause.
//!
//! Versions name the order; values that were written once each do so too, with or without versions.
//! Invariants: a violation is one for every order and every fate of the calls of unknown outcome.
//! Absent on purpose: a search through orders, for values that were written more than once.

#[cfg(test)]
mod tests;
mod typed;
mod witness;
mod zones;

use typed::{RegisterOp, ValueId, Values};

use super::by_key::by_key;
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{Heading, Operation};

/// One register.
#[derive(Debug)]
struct Register<'a> {
    key: &'a str,
    ops: Vec<RegisterOp>,
    /// The value before the first update, when it is known.
    initial: Option<ValueId>,
}

/// What the order proves, besides what it refutes.
#[derive(Clone, Copy, Debug, Default)]
struct Proof {
    /// Every answered update named its version, and the replay explains every answer.
    is_whole: bool,
    /// Every version is accounted for up to a read at the end.
    is_settled: bool,
}

/// Checks every register of a history of the model register.
///
/// The heading's `initial` is each one's value at first; without it a read before the first update says so.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let mut findings = Findings::default();
    let mut values = Values::default();
    let initial = heading.settings.text("initial").unwrap_or_else(|bad| {
        findings.doubt(Finding::new("bad-field", "", format!("the heading's {bad}")));
        None
    });
    let initial = initial.map(|initial| values.number(initial));
    let groups = by_key(operations, &mut findings, |attempt| RegisterOp::read(attempt, &mut values));
    let (mut strength, mut open, mut unsettled) = (Strength::Witness, 0, 0);
    for group in groups.groups {
        let register = Register::new(group.key, group.ops, initial);
        let (one, is_settled) = judge(&register, &values, &mut findings);
        strength = strength.min(one);
        let count = register.ops.iter().filter(|op| op.is_open).count() as u64;
        open += count;
        unsettled += if is_settled { 0 } else { count };
    }
    let could_hide = match unsettled {
        0 => "nothing: the versions account for every one".to_owned(),
        _ => format!("the loss of {unsettled} updates, or one that came late"),
    };
    findings.conclude("register", strength, operations.len() as u64, groups.keys).with_indeterminate(open, could_hide)
}

impl<'a> Register<'a> {
    fn new(key: &'a str, mut ops: Vec<RegisterOp>, initial: Option<ValueId>) -> Self {
        ops.sort_by_key(|op| (op.call_ns, op.id));
        let first_ns = ops.iter().filter(|op| op.sets().is_some()).map(|op| op.call_ns).min().unwrap_or(u64::MAX);
        let is_read = |op: &RegisterOp| op.sets().is_none() && op.saw().is_some();
        let before = ops.iter().filter(|op| is_read(op) && op.end_ns < first_ns);
        let seen = before.min_by_key(|op| op.end_ns).and_then(RegisterOp::saw);
        Self { key, ops, initial: initial.or(seen) }
    }

    /// When the last answered update had been.
    fn last_end_ns(&self) -> u64 {
        self.ops.iter().filter(|op| op.is_done_update()).map(|op| op.end_ns).max().unwrap_or(0)
    }
}

fn judge(register: &Register<'_>, values: &Values, findings: &mut Findings) -> (Strength, bool) {
    let is_complete = zones::check(register, values, findings);
    let proof = witness::check(register, values, findings);
    let ended_ns = register.last_end_ns();
    let is_read = register.ops.iter().any(|op| op.sets().is_none() && op.saw().is_some() && op.call_ns > ended_ns);
    let last = register.ops.iter().filter(|op| op.is_done_update()).max_by_key(|op| op.end_ns);
    if let (Some(last), false) = (last, is_read || proof.is_whole) {
        let what = "no read began after the last update had been answered: whether it is there, nobody saw";
        let finding = Finding::new("no-quiescent-read", register.key, what).by([last.id]);
        findings.doubt(finding.allowed("a read after everything had been answered"));
    }
    let open: Vec<u64> = register.ops.iter().filter(|op| op.is_open).map(|op| op.id).collect();
    if !open.is_empty() && !proof.is_settled {
        let what =
            format!("the outcome of {} updates is unknown: a lost one could pass for one that never was", open.len());
        let finding = Finding::new("indeterminate", register.key, what).by(open.into_iter().take(6));
        findings.doubt(finding.allowed("asking the system for each by its key of idempotency"));
    }
    let strength = match (proof.is_whole, is_complete) {
        (true, _) => Strength::Witness,
        (false, true) => Strength::Exact,
        (false, false) => Strength::Bounds,
    };
    (strength, proof.is_settled)
}
