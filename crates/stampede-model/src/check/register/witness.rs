//! The order that versions name, replayed: each version has the value that its update set.

use super::typed::{Act, RegisterOp, ValueId, Values};
use super::{Proof, Register};
use crate::check::order::{Misplaced, Order, Visit, place};
use crate::check::{Finding, Findings};

/// Replays a register in the order of its versions, if any answered update names one.
pub(super) fn check(register: &Register<'_>, values: &Values, findings: &mut Findings) -> Proof {
    let ops = register.ops.as_slice();
    let lacking: Vec<u64> =
        ops.iter().filter(|op| op.is_done_update() && op.version.is_none()).map(|op| op.id).collect();
    let named = ops.iter().filter(|op| op.is_done_update()).count() - lacking.len();
    if named == 0 {
        return Proof::default();
    }
    if !lacking.is_empty() {
        let what = format!("{} answered updates name no version, though others do", lacking.len());
        findings.doubt(Finding::new("no-witness", register.key, what).by(lacking.iter().take(6).copied()));
    }
    let order = Order::build(ops, register.key, findings);
    let missing = order.check_gaps(ops, register.key, findings);
    let replay = Replay { register, order: &order, values };
    let states = replay.run(findings);
    let is_placed = replay.place_visits(&states, findings);
    let last = order.len() - 1;
    let is_end_seen = order.looks(last).iter().any(|&at| ops[at as usize].call_ns > register.last_end_ns());
    let is_begin_known = order.is_begin_seen() || !order.may_begin_earlier();
    Proof {
        is_whole: lacking.is_empty() && is_placed,
        is_settled: missing == 0 && lacking.is_empty() && is_end_seen && is_begin_known,
    }
}

struct Replay<'a> {
    register: &'a Register<'a>,
    order: &'a Order,
    values: &'a Values,
}

impl Replay<'_> {
    /// The value of each slot, as far as it is known.
    fn run(&self, findings: &mut Findings) -> Vec<Option<ValueId>> {
        let mut states: Vec<Option<ValueId>> = Vec::with_capacity(self.order.len());
        for slot in 0..self.order.len() {
            let before = slot.checked_sub(1).and_then(|slot| states[slot]);
            let state = match self.order.update(slot).map(|at| &self.register.ops[at]) {
                Some(op) => {
                    self.check_swap(slot, op, before, findings);
                    op.sets()
                }
                None if slot == 0 && !self.order.may_begin_earlier() => {
                    self.register.initial.or_else(|| self.first_seen(0))
                }
                None => self.first_seen(slot),
            };
            self.check_looks(slot, state, findings);
            states.push(state);
        }
        states
    }

    fn first_seen(&self, slot: usize) -> Option<ValueId> {
        self.order.looks(slot).first().and_then(|&at| self.register.ops[at as usize].saw())
    }

    /// A swap must have found the value of the version right before it.
    fn check_swap(&self, slot: usize, op: &RegisterOp, before: Option<ValueId>, findings: &mut Findings) {
        let (Act::Cas(from, _), Some(before)) = (op.act, before) else { return };
        if from == before || self.order.missing_before(slot) > 0 {
            return;
        }
        let what = format!(
            "version {} swapped out {}, but version {} was {}: an update between was overwritten",
            self.order.version(slot),
            self.values.text(from),
            self.order.version(slot - 1),
            self.values.text(before)
        );
        let ids = std::iter::once(op.id).chain(self.who(slot - 1));
        findings.violation(Finding::new("lost-update", self.register.key, what).by(ids).allowed("a conflict"));
    }

    fn check_looks(&self, slot: usize, state: Option<ValueId>, findings: &mut Findings) {
        let Some(state) = state else { return };
        for &at in self.order.looks(slot) {
            let op = &self.register.ops[at as usize];
            if let Some(saw) = op.saw().filter(|saw| *saw != state) {
                let what = format!(
                    "a read shows {} as version {}, which is {}",
                    self.values.text(saw),
                    self.order.version(slot),
                    self.values.text(state)
                );
                let ids = std::iter::once(op.id).chain(self.who(slot).filter(|id| *id != op.id));
                let finding = Finding::new("not-linearizable", self.register.key, what).by(ids);
                findings.violation(finding.allowed(self.values.text(state)));
            }
        }
    }

    fn who(&self, slot: usize) -> Option<u64> {
        let at = self.order.update(slot).or_else(|| self.order.looks(slot).first().map(|&at| at as usize))?;
        Some(self.register.ops[at].id)
    }

    /// Finds a state for each conflict and for each read without a version. Answers whether all was tried.
    fn place_visits(&self, states: &[Option<ValueId>], findings: &mut Findings) -> bool {
        let ops = self.register.ops.as_slice();
        let is_visit = |&at: &u32| ops[at as usize].sets().is_none() && ops[at as usize].version.is_none();
        let visits: Vec<Visit> = (0..ops.len() as u32).filter(is_visit).map(|at| Visit { at, slot: None }).collect();
        let begins_late = self.order.may_begin_earlier();
        let fits = |at: usize, slot: usize| match (ops[at].act, states[slot]) {
            (Act::Read(saw), Some(state)) if slot > 0 || !begins_late => saw == state,
            (Act::Conflict(from), Some(state)) if slot > 0 || !begins_late => from != state,
            _ => true,
        };
        let Some(misplaced) = place(self.order, ops, &visits, fits, |slot| self.order.is_hidden_before(slot)) else {
            let what = "too many updates stood beside each read and conflict to try all";
            findings.doubt(Finding::new("budget", self.register.key, what));
            return false;
        };
        for one in misplaced {
            findings.violation(self.unexplained(states, &one));
        }
        true
    }

    fn unexplained(&self, states: &[Option<ValueId>], one: &Misplaced) -> Finding {
        let op = &self.register.ops[one.at as usize];
        let (first, last) = one.within;
        let text = |value: Option<ValueId>| value.map_or_else(String::new, |value| self.values.text(value));
        let (rule, what, allowed) = if let Act::Conflict(from) = op.act {
            let from = text(Some(from));
            let what = format!(
                "a swap of {from} was refused as a conflict, but {from} was there all the time from its call to its answer"
            );
            ("refused-without-cause", what, "success".to_owned())
        } else {
            let is_old = states[..first].contains(&op.saw());
            let rule = if is_old || one.after.is_some() { "stale-read" } else { "not-linearizable" };
            let what = format!("a read answered {}, which no version current meanwhile was", text(op.saw()));
            (rule, what, text(states[last]))
        };
        let mut ids: Vec<u64> = std::iter::once(op.id).chain(self.who(first)).chain(self.who(last)).collect();
        ids.dedup();
        Finding::new(rule, self.register.key, what).by(ids).allowed(allowed)
    }
}
