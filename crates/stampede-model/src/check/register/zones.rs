//! Values that were written once each name the order by themselves, without versions.
//!
//! A value's zone reaches from the first end to the last call among the operations that wrote or saw it. When that end is
//! before that call, the value surely stood there all the while, and nothing else can have; otherwise it needs one moment within.
//! Invariants: a violation is one for every order; for reads and writes alone the rules are complete (Gibbons and Korach,
//! "Testing shared memories", 1997). O(n log n).
//! Absent on purpose: values that were written more than once; nobody can tell whose a read saw.

use std::collections::BTreeMap;

use super::Register;
use super::typed::{Act, RegisterOp, ValueId, Values};
use crate::check::{Finding, Findings};

/// Everything that wrote or saw one value.
#[derive(Clone, Copy, Debug)]
struct Zone {
    value: ValueId,
    /// The first end, and whose it was; the beginning for the initial value.
    first_end: (u64, Option<u32>),
    /// The last call, and whose it was.
    last_call: (u64, Option<u32>),
}

/// What is known of one value.
#[derive(Clone, Debug, Default)]
struct Trace {
    writers: Vec<u32>,
    sights: Vec<u32>,
    is_initial: bool,
}

/// Holds every value against the others. Answers whether nothing was left out, so that an order surely exists.
pub(super) fn check(register: &Register<'_>, values: &Values, findings: &mut Findings) -> bool {
    let ops = register.ops.as_slice();
    let traces = traces(register);
    let zoning = Zoning { register, values };
    let mut zones = Vec::new();
    let mut unwritten: Option<(ValueId, u32)> = None;
    let mut is_complete = true;
    for (&value, trace) in &traces {
        if trace.writers.is_empty() && !trace.is_initial {
            let Some(&sight) = trace.sights.first() else { continue };
            // Without a known beginning one value may have been there at first.
            match unwritten {
                None if register.initial.is_none() => unwritten = Some((value, sight)),
                _ => findings.violation(zoning.unwritten(value, sight)),
            }
            is_complete = false;
            continue;
        }
        if trace.writers.len() + usize::from(trace.is_initial) > 1 {
            is_complete = false;
            continue;
        }
        zoning.check_swaps(value, trace, findings);
        zoning.check_early(value, trace, findings);
        zones.extend(zone(ops, value, trace));
    }
    zoning.check_zones(&zones, findings);
    zoning.check_conflicts(&zones, findings);
    is_complete && ops.iter().all(|op| matches!(op.act, Act::Read(_) | Act::Write(_)))
}

fn traces(register: &Register<'_>) -> BTreeMap<ValueId, Trace> {
    let mut traces: BTreeMap<ValueId, Trace> = BTreeMap::new();
    for (at, op) in register.ops.iter().enumerate() {
        if let Some(value) = op.sets() {
            traces.entry(value).or_default().writers.push(at as u32);
        }
        if let Some(value) = op.saw() {
            traces.entry(value).or_default().sights.push(at as u32);
        }
    }
    if let Some(initial) = register.initial {
        traces.entry(initial).or_default().is_initial = true;
    }
    traces
}

/// The zone of a value that surely was there.
fn zone(ops: &[RegisterOp], value: ValueId, trace: &Trace) -> Option<Zone> {
    let is_sure =
        trace.is_initial || !trace.sights.is_empty() || trace.writers.iter().any(|&at| !ops[at as usize].is_open);
    let all = || trace.writers.iter().chain(&trace.sights).copied();
    let ends = all().map(|at| (ops[at as usize].end_ns, Some(at)));
    let calls = all().map(|at| (ops[at as usize].call_ns, Some(at)));
    let begin = trace.is_initial.then_some((0, None));
    let first_end = ends.chain(begin).min_by_key(|(end_ns, _)| *end_ns)?;
    let last_call = calls.chain(begin).max_by_key(|(call_ns, _)| *call_ns)?;
    is_sure.then_some(Zone { value, first_end, last_call })
}

struct Zoning<'a> {
    register: &'a Register<'a>,
    values: &'a Values,
}

impl Zoning<'_> {
    fn op(&self, at: u32) -> &RegisterOp {
        &self.register.ops[at as usize]
    }

    fn unwritten(&self, value: ValueId, sight: u32) -> Finding {
        let what = format!("{} was seen, which nobody had written", self.values.text(value));
        let finding = Finding::new("not-linearizable", self.register.key, what).by([self.op(sight).id]);
        finding.allowed("a value that somebody wrote")
    }

    /// A value that was written once can be swapped out once.
    fn check_swaps(&self, value: ValueId, trace: &Trace, findings: &mut Findings) {
        let swaps: Vec<u64> = trace
            .sights
            .iter()
            .map(|&at| self.op(at))
            .filter(|op| op.sets().is_some_and(|to| to != value))
            .map(|op| op.id)
            .collect();
        if swaps.len() > 1 {
            let what = format!(
                "{} was written once, but {} swaps of it succeeded: one overwrote the other",
                self.values.text(value),
                swaps.len()
            );
            let finding = Finding::new("lost-update", self.register.key, what).by(swaps.into_iter().take(6));
            findings.violation(finding.allowed("one success, and a conflict for the others"));
        }
    }

    /// Nobody sees a value before it is written.
    fn check_early(&self, value: ValueId, trace: &Trace, findings: &mut Findings) {
        let Some(writer) = trace.writers.first().map(|&at| self.op(at)) else { return };
        for op in trace.sights.iter().map(|&at| self.op(at)).filter(|op| op.end_ns < writer.call_ns) {
            let what = format!("{} was seen before the call that wrote it", self.values.text(value));
            let finding = Finding::new("not-linearizable", self.register.key, what).by([op.id, writer.id]);
            findings.violation(finding.allowed("a value written before"));
        }
    }

    fn check_zones(&self, zones: &[Zone], findings: &mut Findings) {
        let mut standing: Vec<&Zone> = zones.iter().filter(|zone| zone.first_end.0 < zone.last_call.0).collect();
        standing.sort_by_key(|zone| zone.first_end.0);
        // Up to each, which of them stands longest.
        let mut longest: Vec<&Zone> = Vec::with_capacity(standing.len());
        for &zone in &standing {
            let before = longest.last().copied();
            if let Some(before) = before.filter(|before| zone.first_end.0 < before.last_call.0) {
                findings.violation(self.clash(before, zone));
            }
            longest.push(before.filter(|before| before.last_call.0 >= zone.last_call.0).unwrap_or(zone));
        }
        for zone in zones.iter().filter(|zone| zone.first_end.0 >= zone.last_call.0) {
            let begun = standing.partition_point(|other| other.first_end.0 < zone.last_call.0);
            let over = begun.checked_sub(1).map(|at| longest[at]).filter(|over| zone.first_end.0 < over.last_call.0);
            if let Some(over) = over {
                findings.violation(self.clash(over, zone));
            }
        }
    }

    /// Two values that surely stood there at one time.
    fn clash(&self, one: &Zone, other: &Zone) -> Finding {
        let last = one.last_call.1.map(|at| self.op(at));
        let rule = match last.map(|op| op.act) {
            Some(Act::Read(_)) => "stale-read",
            Some(Act::Cas(from, _)) if from == one.value => "lost-update",
            _ => "not-linearizable",
        };
        let (value, between) = (self.values.text(one.value), self.values.text(other.value));
        let what = format!("{value} was there before and after a moment at which {between} must have been there");
        let ids = [one.last_call.1, other.first_end.1, one.first_end.1, other.last_call.1];
        let mut named: Vec<u64> = Vec::new();
        for id in ids.into_iter().flatten().map(|at| self.op(at).id) {
            if !named.contains(&id) {
                named.push(id);
            }
        }
        Finding::new(rule, self.register.key, what).by(named).allowed(format!("{between} or a value written later"))
    }

    /// A swap is not refused while its value stands there all the time.
    fn check_conflicts(&self, zones: &[Zone], findings: &mut Findings) {
        for op in &self.register.ops {
            let Act::Conflict(from) = op.act else { continue };
            let Ok(at) = zones.binary_search_by_key(&from, |zone| zone.value) else { continue };
            let zone = &zones[at];
            if zone.first_end.0 < op.call_ns && op.end_ns < zone.last_call.0 {
                let value = self.values.text(from);
                let what = format!(
                    "a swap of {value} was refused as a conflict, but {value} was there before its call and after its answer"
                );
                let ids = [zone.first_end.1, zone.last_call.1].into_iter().flatten().map(|at| self.op(at).id);
                let finding = Finding::new("refused-without-cause", self.register.key, what);
                findings.violation(finding.by(std::iter::once(op.id).chain(ids)).allowed("success"));
            }
        }
    }
}
