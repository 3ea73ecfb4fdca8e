//! Whether the answers on each key can be explained by one order of the calls, by search.
//!
//! Each key by itself: a history of several objects has an order if the history of each has one (locality).
//! Invariants: a violation names the first return that no order explains; a search that was given up, a field that cannot be
//! read and an outcome that nobody knows are doubts, and never a pass.
//! Absent on purpose: what needs no search. Versions, fences and sums are cheaper elsewhere, and see more.

use std::collections::{BTreeMap, BTreeSet};

use super::models::counter::Counter;
use super::models::lock::Lock;
use super::models::register::Register;
use super::models::stock::Stock;
use super::models::{Blame, Subject};
use super::search::{Budget, Call, Duty, GivenUp, Impossible, Outcome as Answer, Settings, solve};
use super::{CheckReport, Finding, Findings, Rule, Strength};
use crate::history::{Heading, Model, Operation, Outcome};

/// The check's name in its report.
pub const NAME: &str = "exact";
/// Operations named by one finding.
const NAMED: usize = 8;
/// Wrong reads that are left out to see whether the error lasts.
const LEFT_OUT: usize = 32;

/// Searches each key of a history of stock, lock, register or counter; `budget` is for all keys together. Other models have no
/// search, and their report is unknown.
pub fn check(heading: &Heading, operations: &[Operation], budget: Budget) -> CheckReport {
    match heading.model {
        Model::Stock => check_as::<Stock>(heading, operations, budget),
        Model::Lock => check_as::<Lock>(heading, operations, budget),
        Model::Register => check_as::<Register>(heading, operations, budget),
        Model::Counter => check_as::<Counter>(heading, operations, budget),
        Model::RateLimit | Model::Tenants | Model::Idempotency | Model::Queue | Model::Transactions => {
            Findings::default().conclude(NAME, Strength::Nothing, 0, 0)
        }
    }
}

fn check_as<L: Subject>(heading: &Heading, operations: &[Operation], budget: Budget) -> CheckReport {
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        keys.entry(&operation.key).or_default().push(operation);
    }
    let count = keys.len() as u64;
    let mut check = Check { budget, findings: Findings::default(), searched: 0, unknown: Unknown::default() };
    for (key, operations) in keys {
        if let Some((model, calls)) = L::read(heading, &operations, &mut check.findings) {
            check.key(&model, key, &operations, calls);
        }
    }
    let Check { findings, searched, unknown, .. } = check;
    let could_hide = unknown.could_hide();
    findings.conclude(NAME, Strength::Exact, searched, count).with_indeterminate(unknown.count, could_hide)
}

/// Outcomes that nobody knows.
#[derive(Clone, Copy, Default)]
struct Unknown {
    count: u64,
    size: u64,
    unit: &'static str,
}

impl Unknown {
    fn could_hide(&self) -> String {
        format!("an error of up to {} {}", self.size, self.unit)
    }
}

/// A check under way.
struct Check {
    budget: Budget,
    findings: Findings,
    searched: u64,
    unknown: Unknown,
}

impl Check {
    fn key<L: Subject>(&mut self, model: &L, key: &str, operations: &[&Operation], calls: Vec<Call<L::Op>>) {
        self.searched += operations.len() as u64;
        self.doubt_unknown(model, key, operations, &calls);
        let solved = solve(model, calls.clone(), Settings::within(self.budget));
        self.budget.steps = self.budget.steps.saturating_sub(solved.spent.steps);
        match solved.outcome {
            Answer::Explained => {}
            Answer::Unknown(why) => {
                let why = match why {
                    GivenUp::Steps => "the budget of steps was used up",
                    GivenUp::Bytes => "the budget of memory was used up",
                    GivenUp::Crowd => "too many calls were pending at once",
                };
                let what = format!(
                    "no order was found and none ruled out: {why}; fewer clients on a key, or moments without calls, make it easier"
                );
                self.findings.doubt(Finding::new("budget", key, what));
            }
            Answer::Impossible(impossible) => self.violation(model, key, operations, (calls, impossible)),
        }
    }

    /// An unknown outcome can stand for whatever is missing, so "holds" would say too much.
    fn doubt_unknown<L: Subject>(&mut self, model: &L, key: &str, operations: &[&Operation], calls: &[Call<L::Op>]) {
        let unknown: BTreeSet<u64> = operations
            .iter()
            .filter(|operation| operation.outcome == Outcome::Info)
            .map(|operation| operation.id)
            .collect();
        let mut ids = BTreeSet::new();
        let mut here = Unknown::default();
        for call in calls.iter().filter(|call| call.duty == Duty::May && unknown.contains(&call.id)) {
            if ids.insert(call.id) {
                let (size, unit) = model.size(&call.op);
                here = Unknown { count: here.count + 1, size: here.size.saturating_add(size), unit };
            }
        }
        if here.count == 0 {
            return;
        }
        let Unknown { count, size, unit } = here;
        self.unknown =
            Unknown { count: self.unknown.count + count, size: self.unknown.size.saturating_add(size), unit };
        let what =
            format!("{count} calls have an outcome that nobody knows; {} could hide behind them", here.could_hide());
        self.findings.doubt(Finding::new("indeterminate", key, what).by(ids.into_iter().take(NAMED)));
    }

    fn violation<L: Subject>(
        &mut self,
        model: &L,
        key: &str,
        operations: &[&Operation],
        (calls, impossible): (Vec<Call<L::Op>>, Impossible<L::State>),
    ) {
        let Impossible { operation: id, pending, states, .. } = &impossible;
        let op = calls.iter().find(|call| call.id == *id && call.duty == Duty::Must).map(|call| call.op.clone());
        let operation = operations.iter().find(|operation| operation.id == *id);
        let (Some(op), Some(operation)) = (op, operation) else {
            // Ids that are there twice; the history is wrong all the same.
            let what = format!("no order of the calls explains operation {id}");
            self.findings.violation(Finding::new("not-linearizable", key, what).by([*id]));
            return;
        };
        let rule = match model.blame(&operation.op, &op, states) {
            Blame::Rule(rule) => rule,
            Blame::Reading(lasting) => self.reading(model, calls, *id, lasting),
        };
        let others = pending.iter().copied().filter(|other| other != id);
        let mut named: Vec<u64> = vec![*id];
        for other in states.iter().filter_map(|state| model.origin(state)).chain(others) {
            if named.len() < NAMED && !named.contains(&other) {
                named.push(other);
            }
        }
        let said: Vec<String> = states.iter().map(|state| model.say(state)).collect();
        let allowed = format!("{}: {}", model.instead(&op), said.join(" or "));
        self.findings.violation(Finding::new(rule, key, told(operation)).by(named).allowed(allowed));
    }

    /// Whether reads are wrong by themselves, or the object is from `wrong` on.
    fn reading<L: Subject>(&mut self, model: &L, mut calls: Vec<Call<L::Op>>, wrong: u64, lasting: Rule) -> Rule {
        let mut wrong = wrong;
        let mut ended_ns = 0;
        for _ in 0..LEFT_OUT {
            let Some(at) = calls.iter().position(|call| call.id == wrong) else { return lasting };
            ended_ns = calls[at].return_ns.max(ended_ns);
            calls.remove(at);
            let solved = solve(model, calls.clone(), Settings::within(self.budget));
            self.budget.steps = self.budget.steps.saturating_sub(solved.spent.steps);
            match solved.outcome {
                Answer::Explained => {
                    // Only a right read afterwards shows that the object itself is right.
                    let is_later = |call: &Call<L::Op>| call.call_ns > ended_ns && model.is_reading(&call.op);
                    return if calls.iter().any(is_later) { "stale-read" } else { lasting };
                }
                Answer::Unknown(_) => return "not-linearizable",
                Answer::Impossible(next) => {
                    let op = calls.iter().find(|call| call.id == next.operation).map(|call| &call.op);
                    if !op.is_some_and(|op| model.is_reading(op)) {
                        return lasting;
                    }
                    wrong = next.operation;
                }
            }
        }
        lasting
    }
}

/// What an operation did and saw, and that it cannot have.
fn told(operation: &Operation) -> String {
    let json = |fields| serde_json::to_string(fields).unwrap_or_default();
    let Operation { id, op, input, output, refused, note, .. } = operation;
    let answer =
        refused.as_ref().map_or_else(|| format!("answered {}", json(output)), |word| format!("refused as {word}"));
    let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
    format!("operation {id} `{op} {}` was {answer}{note}, and no order of the calls explains it", json(input))
}

#[cfg(test)]
mod tests;
