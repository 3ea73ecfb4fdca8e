//! Which values the calls' intervals alone rule out.

use super::Counter;
use super::typed::CounterOp;
use crate::check::envelope::{Change, Reach, Watch, by_end, sweep};
use crate::check::words::range;
use crate::check::{Finding, Findings};

/// Impossible answers of a counter that are named.
const KEPT_MISSES: usize = 64;

struct Miss {
    at: usize,
    least: i64,
    most: i64,
    shown: i64,
    /// Updates that had ended shortly before.
    beside: Vec<u64>,
}

struct Pass<'a> {
    ops: &'a [CounterOp],
    misses: Vec<Miss>,
    recent: Vec<u64>,
    /// The latest call of a read that showed the only possible value.
    last_exact_call_ns: Option<u64>,
}

/// Holds every value that was answered against what it can have been.
pub(super) fn check(counter: &Counter<'_>, findings: &mut Findings) {
    let Some(start) = counter.base else { return };
    let ops = counter.ops.as_slice();
    let mut pass = Pass { ops, misses: Vec::new(), recent: Vec::new(), last_exact_call_ns: None };
    sweep(ops, &by_end(ops), start, &mut pass);
    for miss in &pass.misses {
        findings.violation(pass.finding(counter.key, miss));
    }
}

impl Watch<CounterOp> for Pass<'_> {
    fn change(&self, op: &CounterOp) -> Change {
        if op.is_open { Change::Perhaps(op.by) } else { Change::Sure(op.by) }
    }

    fn asks(&self, op: &CounterOp) -> bool {
        op.value.is_some()
    }

    fn reached(&mut self, at: usize, reach: Reach) {
        let op = &self.ops[at];
        let Some(shown) = op.value else { return };
        let (least, most) = (reach.least + op.by.max(0), reach.most + op.by.min(0));
        if (least..=most).contains(&shown) {
            if least == most && !op.is_update {
                self.last_exact_call_ns = self.last_exact_call_ns.max(Some(op.call_ns));
            }
        } else if self.misses.len() < KEPT_MISSES {
            let beside = self.recent.iter().rev().copied().collect();
            self.misses.push(Miss { at, least, most, shown, beside });
        }
    }

    fn ended(&mut self, at: usize, _: i64) {
        /// Updates that are named beside an impossible answer.
        const BESIDE: usize = 4;
        if self.ops[at].is_done_update() {
            if self.recent.len() == BESIDE {
                self.recent.remove(0);
            }
            self.recent.push(self.ops[at].id);
        }
    }
}

impl Pass<'_> {
    fn finding(&self, key: &str, miss: &Miss) -> Finding {
        let op = &self.ops[miss.at];
        let is_belied = !op.is_update && self.last_exact_call_ns.is_some_and(|call_ns| call_ns > op.end_ns);
        let (rule, why) = if is_belied {
            ("stale-read", "a later read is right again, so this one showed an old value")
        } else if self.lacks(op, miss) {
            ("lost-update", "increments that were answered are not in it")
        } else {
            ("not-linearizable", "no increments add up to it")
        };
        let what = format!("{} answered {}: {why}", op.words(), miss.shown);
        let ids = std::iter::once(op.id).chain(miss.beside.iter().copied());
        Finding::new(rule, key, what).by(ids).allowed(range(miss.least, miss.most))
    }

    /// Whether the increments that had ended before move the value by as much as it is off, the other way.
    fn lacks(&self, op: &CounterOp, miss: &Miss) -> bool {
        let off = if miss.shown > miss.most { miss.shown - miss.most } else { miss.shown - miss.least };
        let before = self.ops.iter().filter(|one| one.is_done_update() && one.end_ns <= op.end_ns && one.id != op.id);
        let moved: i64 = before.map(|one| one.by).filter(|by| by.signum() == -off.signum()).sum();
        moved.abs() >= off.abs()
    }
}
