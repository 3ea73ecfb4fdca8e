//! The order that versions name, or values where every increment adds to them, and its replay.
//!
//! Invariants: with values as the order each increment fills the numbers from the value before it to its own, and no two fill
//! the same; what is left over must be the work of calls of unknown outcome.

use super::Counter;
use super::typed::CounterOp;
use crate::check::envelope::Spanned;
use crate::check::order::{Order, Visit, place};
use crate::check::words::range;
use crate::check::{Finding, Findings};

/// What names the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    ByVersion,
    ByValue,
}

/// What the order proves, besides what it refutes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// Every answered increment has its place, and the replay explains every answer.
    pub(super) is_whole: bool,
    /// Nothing is left for calls of unknown outcome up to the last read.
    pub(super) is_settled: bool,
    /// The value after the last increment was seen.
    pub(super) is_end_seen: bool,
}

/// Replays a counter in the order that its answers name, if they do.
pub(super) fn check(counter: &mut Counter<'_>, findings: &mut Findings) -> Proof {
    let Some(named) = named(&counter.ops) else { return Proof::default() };
    for op in &mut counter.ops {
        op.place = if named == Named::ByVersion { op.version } else { op.value };
    }
    let lacking: Vec<u64> =
        counter.ops.iter().filter(|op| op.is_done_update() && op.place.is_none()).map(|op| op.id).collect();
    if !lacking.is_empty() {
        let what = format!("{} answered increments name no version, though others do", lacking.len());
        findings.doubt(Finding::new("no-witness", counter.key, what).by(lacking.iter().take(6).copied()));
    }
    let order = Order::build(&counter.ops, counter.key, findings);
    if named == Named::ByVersion {
        order.check_gaps(&counter.ops, counter.key, findings);
    }
    let mut replay = Replay { counter, order: &order, named, is_complete: true };
    let values = replay.run(findings);
    let is_complete = replay.is_complete;
    let is_placed = named == Named::ByValue || place_reads(counter, &order, &values, findings);
    let last = order.len() - 1;
    let looks = || order.looks(last).iter().map(|&at| &counter.ops[at as usize]);
    Proof {
        is_whole: lacking.is_empty() && is_placed,
        is_settled: is_complete && lacking.is_empty() && looks().any(|op| op.call_ns > counter.last_end_ns()),
        is_end_seen: looks().chain(order.update(last).map(|at| &counter.ops[at])).any(|op| op.value.is_some()),
    }
}

fn named(ops: &[CounterOp]) -> Option<Named> {
    let mut done = ops.iter().filter(|op| op.is_done_update()).peekable();
    done.peek()?;
    if done.clone().any(|op| op.version.is_some()) {
        return Some(Named::ByVersion);
    }
    let is_rising = ops.iter().filter(|op| op.is_update).all(|op| op.by > 0);
    (is_rising && done.all(|op| op.value.is_some())).then_some(Named::ByValue)
}

struct Replay<'a, 'b> {
    counter: &'a Counter<'b>,
    order: &'a Order,
    named: Named,
    /// Whether nothing was left for calls of unknown outcome.
    is_complete: bool,
}

impl Replay<'_, '_> {
    /// The value after each slot, as far as it is known.
    fn run(&mut self, findings: &mut Findings) -> Vec<Option<i64>> {
        let begin = if self.order.may_begin_earlier() { None } else { self.counter.base };
        let mut values = Vec::with_capacity(self.order.len());
        self.is_complete &= begin.is_some();
        let first = match self.named {
            // Slot 0 is the start, which no answer needs to have named.
            Named::ByValue if !self.order.is_begin_seen() => begin,
            _ => self.seen(0, begin, findings),
        };
        values.push(first);
        for slot in 1..self.order.len() {
            let expected = values[slot - 1];
            let op = self.order.update(slot).map(|at| &self.counter.ops[at]);
            let expected = op.map_or(expected, |op| expected.map(|value| value + op.by));
            let is_gap = self.named == Named::ByValue || self.order.missing_before(slot) > 0;
            let shown = match op {
                Some(op) => op.value,
                None => self.order.looks(slot).first().and_then(|&at| self.counter.ops[at as usize].value),
            };
            if let (Some(expected), Some(shown)) = (expected, shown) {
                self.compare(slot, (expected, shown), is_gap, findings);
            }
            self.is_complete &= expected.is_some() && (!is_gap || expected == shown);
            let value = if is_gap { shown } else { shown.or(expected) };
            values.push(self.seen(slot, value, findings));
        }
        values
    }

    fn compare(&self, slot: usize, (expected, shown): (i64, i64), is_gap: bool, findings: &mut Findings) {
        let until_ns = self.order.latest_ns(slot);
        let open = self.counter.ops.iter().filter(|op| op.is_update && op.place.is_none() && op.call_ns <= until_ns);
        let is_explained = if expected == shown {
            true
        } else if is_gap {
            let (low, high) = open.fold((0, 0), |(low, high), op| (low + op.by.min(0), high + op.by.max(0)));
            (low..=high).contains(&(shown - expected))
        } else {
            false
        };
        if is_explained {
            return;
        }
        let op = self.who(slot);
        let before = slot.checked_sub(1).map(|slot| self.who(slot));
        let rule = match (op, before.flatten()) {
            (Some(op), _) if op.is_update && (shown < expected) == (op.by > 0) => "lost-update",
            (_, Some(before)) if shown - expected == -before.by => "lost-update",
            _ => "not-linearizable",
        };
        let words = op.map_or_else(String::new, CounterOp::words);
        let what = format!("{words} answered {shown}, but the increments up to it make {expected}");
        let ids = op.into_iter().chain(before.flatten()).map(|op| op.id);
        findings.violation(Finding::new(rule, self.counter.key, what).by(ids).allowed(expected.to_string()));
    }

    /// Every look at a slot must show its value.
    fn seen(&self, slot: usize, value: Option<i64>, findings: &mut Findings) -> Option<i64> {
        let mut value = value;
        for &at in self.order.looks(slot) {
            let op = &self.counter.ops[at as usize];
            let (Some(known), Some(shown)) = (value, op.value) else {
                value = value.or(op.value);
                continue;
            };
            if known != shown {
                let maker = self.order.update(slot).map(|at| self.counter.ops[at].id);
                let what = format!("a read answered {shown}, but the increments up to its version make {known}");
                let finding =
                    Finding::new("not-linearizable", self.counter.key, what).by(std::iter::once(op.id).chain(maker));
                findings.violation(finding.allowed(known.to_string()));
            }
        }
        value
    }

    fn who(&self, slot: usize) -> Option<&CounterOp> {
        let at = self.order.update(slot).or_else(|| self.order.looks(slot).first().map(|&at| at as usize))?;
        Some(&self.counter.ops[at])
    }
}

/// Finds a state for each read without a version. Answers whether all was tried.
fn place_reads(counter: &Counter<'_>, order: &Order, values: &[Option<i64>], findings: &mut Findings) -> bool {
    let ops = counter.ops.as_slice();
    let is_visit = |&at: &u32| !ops[at as usize].is_update && ops[at as usize].version.is_none();
    let visits: Vec<Visit> = (0..ops.len() as u32).filter(is_visit).map(|at| Visit { at, slot: None }).collect();
    let begins_late = order.may_begin_earlier();
    let fits =
        |at: usize, slot: usize| (slot == 0 && begins_late) || values[slot].is_none() || values[slot] == ops[at].value;
    let Some(misplaced) = place(order, ops, &visits, fits, |slot| order.is_hidden_before(slot)) else {
        findings.doubt(Finding::new("budget", counter.key, "too many increments stood beside each read to try all"));
        return false;
    };
    for one in misplaced {
        let op = &ops[one.at as usize];
        let is_old = values[..one.within.0].contains(&op.value);
        let rule = if is_old || one.after.is_some() { "stale-read" } else { "not-linearizable" };
        let shown = op.value.unwrap_or(0);
        let what = format!(
            "a read answered {shown}, which was not the value of any version current from its call to its answer"
        );
        let beside =
            [order.update(one.within.0), order.update(one.within.1)].into_iter().flatten().map(|at| ops[at].id);
        let mut ids: Vec<u64> = std::iter::once(op.id).chain(beside).collect();
        ids.dedup();
        let versions = range(order.version(one.within.0), order.version(one.within.1));
        let allowed = format!("the value of version {versions}");
        findings.violation(Finding::new(rule, counter.key, what).by(ids).allowed(allowed));
    }
    true
}

impl Counter<'_> {
    /// When the last answered increment had been.
    pub(super) fn last_end_ns(&self) -> u64 {
        self.ops.iter().filter(|op| op.is_done_update()).map(Spanned::end_ns).max().unwrap_or(0)
    }
}
