//! Leaving out what cannot excuse a violation, as long as the judge still finds it.
//!
//! Halving: all candidates at once, then halves of what stayed, down to single ones. The first step is the usual end.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::is_self_contained;
use crate::check::Finding;
use crate::history::{Operation, Outcome};

/// What was left, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reduced {
    /// Places in the history, rising.
    pub(super) left: Vec<usize>,
    /// How often the judge was asked.
    pub(super) judged: u32,
}

struct Reducer<'a, 'j> {
    operations: &'a [Operation],
    finding: &'a Finding,
    is_left: Vec<bool>,
    judge: &'j mut dyn FnMut(&[Operation]) -> Option<Finding>,
    judged: u32,
    budget: u32,
}

/// Leaves out what can be left out.
pub(super) fn reduce(
    operations: &[Operation],
    finding: &Finding,
    judge: &mut dyn FnMut(&[Operation]) -> Option<Finding>,
    budget: u32,
) -> Reduced {
    let is_left = vec![true; operations.len()];
    let mut reducer = Reducer { operations, finding, is_left, judge, judged: 0, budget };
    // A judge that does not find it in the whole history cannot say that a part still shows it.
    if reducer.has_budget() && reducer.is_found(operations) {
        let named: HashSet<u64> = finding.operations.iter().copied().collect();
        reducer.drop_keys(&named);
        reducer.drop_operations(&named);
    }
    let left = (0..operations.len()).filter(|at| reducer.is_left[*at]).collect();
    Reduced { left, judged: reducer.judged }
}

/// Whether leaving it out takes an obligation from the system and gives it no guilt.
fn is_idle(operation: &Operation) -> bool {
    const READS: [&str; 5] = ["read", "exists", "read-guarded", "snapshot", "see"];
    const CHANGES: [&str; 11] = [
        "reserve",
        "release",
        "confirm",
        "receive",
        "adjust",
        "acquire",
        "renew",
        "write",
        "cas",
        "increment",
        "order",
    ];
    let op = operation.op.as_str();
    READS.contains(&op) || (operation.outcome == Outcome::Fail && CHANGES.contains(&op))
}

impl Reducer<'_, '_> {
    fn has_budget(&self) -> bool {
        self.judged < self.budget
    }

    fn is_found(&mut self, operations: &[Operation]) -> bool {
        self.judged += 1;
        let found = (self.judge)(operations);
        found.is_some_and(|found| found.rule == self.finding.rule && found.key == self.finding.key)
    }

    /// Keys that the finding says nothing about.
    fn drop_keys(&mut self, named: &HashSet<u64>) {
        let of_named = self.operations.iter().filter(|operation| named.contains(&operation.id));
        let mut keys: BTreeSet<&str> = of_named.map(|operation| operation.key.as_str()).collect();
        keys.insert(&self.finding.key);
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, operation) in self.operations.iter().enumerate() {
            if !keys.contains(operation.key.as_str()) {
                groups.entry(&operation.key).or_default().push(at);
            }
        }
        self.halve(groups.into_values().collect());
    }

    /// Operations that excuse nothing: each process' together, then one by one.
    fn drop_operations(&mut self, named: &HashSet<u64>) {
        let may_drop_all = is_self_contained(self.finding);
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, operation) in self.operations.iter().enumerate() {
            if self.is_left[at] && !named.contains(&operation.id) && (may_drop_all || is_idle(operation)) {
                groups.entry(operation.process).or_default().push(at);
            }
        }
        let groups: Vec<Vec<usize>> = groups.into_values().collect();
        self.halve(groups.clone());
        let single: Vec<Vec<usize>> =
            groups.into_iter().flatten().filter(|at| self.is_left[*at]).map(|at| vec![at]).collect();
        self.halve(single);
    }

    fn halve(&mut self, mut groups: Vec<Vec<usize>>) {
        let mut size = groups.len();
        while size > 0 && !groups.is_empty() {
            let mut stayed = Vec::new();
            for part in groups.chunks(size) {
                if !self.drop(part) {
                    stayed.extend_from_slice(part);
                }
            }
            (groups, size) = (stayed, size / 2);
        }
    }

    /// Leaves these out if the judge still finds it without them.
    fn drop(&mut self, part: &[Vec<usize>]) -> bool {
        if !self.has_budget() {
            return false;
        }
        part.iter().flatten().for_each(|at| self.is_left[*at] = false);
        let left = self.operations.iter().zip(&self.is_left).filter(|(_, is_left)| **is_left);
        let left: Vec<Operation> = left.map(|(operation, _)| operation.clone()).collect();
        let is_found = self.is_found(&left);
        if !is_found {
            part.iter().flatten().for_each(|at| self.is_left[*at] = true);
        }
        is_found
    }
}
