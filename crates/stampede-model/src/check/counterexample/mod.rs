//! A violation as a few operations that a person can follow: who asked what, when, what was answered, and which answer no
//! correct system can have given.
//!
//! A history is made smaller before it is shown, and a smaller history may be wrong for another reason than the whole one:
//! without the delivery that put a unit on the shelf, the honest sale of that unit looks like an oversold one. So only what
//! cannot excuse anything is left out ([`shrink`]):
//! - operations of keys that no named operation touches, because every checker decides key by key;
//! - reads, and refused or failed attempts to change something. They have no effect, so any order that explains the whole
//!   explains the rest of it: if the rest has none, the whole had none. They go by process first, then one by one;
//! - everything else only where the rule is [self-contained](SELF_CONTAINED): the named operations contradict each other
//!   whatever else happened.
//!
//! Whatever has an effect stays, and so do calls under a limit, creations and jobs even when they failed: some rules count
//! attempts. What is shown is not what is left: it is the operations that the finding names, and the nearest before and after.
//!
//! Invariants: the judge is asked at most as often as the caller allows; after each step it still finds the same rule at the
//! same key; the same history gives the same counterexample; the finding's operations are shown, the first
//! [`MOST_SHOWN`] of them at least.
//! Absent on purpose: bars and pages. How it looks is the report's business.

mod chosen;
mod held;
mod reduce;
mod request;
mod words;

use serde::{Deserialize, Serialize};

use super::Finding;
use crate::history::{Fields, Operation, Outcome};

pub use request::Request;

/// Operations of a counterexample; more is a table to be searched, not something to follow.
pub const MOST_SHOWN: usize = 12;
/// Counterexamples of one workload: one for each rule that was broken, up to so many.
pub const MOST_COUNTEREXAMPLES: usize = 6;

/// Rules whose named operations contradict each other whatever else happened: nothing that is left out could excuse them.
const SELF_CONTAINED: [&str; 8] = [
    "tenant-leak",
    "foreign-id-accepted",
    "fence-order",
    "stale-write-accepted",
    "replay-differs",
    "negative-stock",
    "server-error",
    "deadlock",
];

/// Whether a finding needs no more than the operations that it names.
fn is_self_contained(finding: &Finding) -> bool {
    SELF_CONTAINED.contains(&finding.rule.as_str()) && !finding.operations.is_empty()
}

/// A violation made readable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counterexample {
    /// The rule that was broken.
    pub rule: String,
    /// The object.
    pub key: String,
    /// What happened.
    pub what: String,
    /// What would have been allowed instead.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub allowed: String,
    /// When the first shown operation was called, nanoseconds on the history's clock.
    pub began_ns: u64,
    /// The operations that matter, in the order of their calls.
    pub operations: Vec<Shown>,
    /// Operations that the finding names and that are not shown.
    #[serde(default)]
    pub unshown: u64,
    /// Operations of the whole history.
    pub of: u64,
    /// Operations that were left when nothing more could be left out.
    pub left: u64,
    /// How often the judge was asked.
    pub judged: u32,
}

/// What an operation is to the contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Its answer is the one that cannot be.
    Impossible,
    /// It is why.
    Contradicts,
    /// It shows the state before or after.
    Context,
}

/// One operation of a counterexample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Its number in the history.
    pub id: u64,
    /// Who did it: `client 3`, `the ledger`.
    pub who: String,
    /// The object it touched.
    pub key: String,
    /// What it is to the contradiction.
    pub part: Part,
    /// Nanoseconds after the first shown call; none for a row of a ledger, which is no call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_ns: Option<u64>,
    /// Nanoseconds after the first shown call; none when it never ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_ns: Option<u64>,
    /// Until when a granted lock was held at least, nanoseconds after the first shown call: the holder's release, or the end
    /// of the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until_ns: Option<u64>,
    /// What its end proves.
    pub outcome: Outcome,
    /// What was asked: `reserved 1 unit`.
    pub asked: String,
    /// What was answered: `answered 201, version 17, 4 available left`.
    pub answered: String,
    /// The words of a label: `reserve 1 unit: 201, version 17`.
    pub label: String,
    /// How to find the request again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// With what it was asked.
    #[serde(rename = "in", default, skip_serializing_if = "Fields::is_empty")]
    pub input: Fields,
    /// Its key of idempotency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl Shown {
    fn of(operation: &Operation, part: Part, began_ns: u64, operations: &[Operation]) -> Self {
        let is_timed = chosen::is_timed(operation);
        let since = |ns: u64| ns.saturating_sub(began_ns);
        Self {
            id: operation.id,
            who: words::who(operation),
            key: operation.key.clone(),
            part,
            call_ns: is_timed.then(|| since(operation.call_ns)),
            return_ns: operation.return_ns.filter(|_| is_timed).map(since),
            held_until_ns: held::until_ns(operation, operations).map(since),
            outcome: operation.outcome,
            asked: words::asked(operation),
            answered: words::answered(operation),
            label: words::label(operation),
            note: operation.note.clone(),
            input: operation.input.clone(),
            idempotency_key: operation.idempotency_key.clone(),
        }
    }

    /// The whole sentence.
    pub fn sentence(&self) -> String {
        format!("{} {}: {}", self.who, self.asked, self.answered)
    }

    /// The request as far as its note tells it.
    pub fn request(&self) -> Option<Request<'_>> {
        Request::of(&self.note)
    }
}

/// Makes the counterexample of `finding`. `is_still` is the judge: what it finds in fewer operations, if anything; it is
/// asked at most `budget_calls` times.
pub fn shrink(
    operations: &[Operation],
    finding: &Finding,
    is_still: &mut dyn FnMut(&[Operation]) -> Option<Finding>,
    budget_calls: u32,
) -> Counterexample {
    let reduced = reduce::reduce(operations, finding, is_still, budget_calls);
    let chosen = chosen::choose(operations, finding);
    let timed = chosen.shown.iter().map(|(at, _)| &operations[*at]).filter(|one| chosen::is_timed(one));
    let began_ns = timed.map(|operation| operation.call_ns).min().unwrap_or(0);
    Counterexample {
        rule: finding.rule.clone(),
        key: finding.key.clone(),
        what: finding.what.clone(),
        allowed: finding.allowed.clone(),
        began_ns,
        operations: chosen
            .shown
            .iter()
            .map(|&(at, part)| Shown::of(&operations[at], part, began_ns, operations))
            .collect(),
        unshown: chosen.unshown,
        of: operations.len() as u64,
        left: reduced.left.len() as u64,
        judged: reduced.judged,
    }
}

/// The counterexamples of a history: the first violation of each rule. `judge` tells the violations of any history.
pub fn explain<'a>(
    operations: &[Operation],
    violations: impl IntoIterator<Item = &'a Finding>,
    judge: &mut dyn FnMut(&[Operation]) -> Vec<Finding>,
    budget_calls: u32,
) -> Vec<Counterexample> {
    let mut of_rules: Vec<&Finding> = Vec::new();
    for finding in violations {
        if of_rules.len() < MOST_COUNTEREXAMPLES && of_rules.iter().all(|known| known.rule != finding.rule) {
            of_rules.push(finding);
        }
    }
    let each = u32::try_from(of_rules.len()).unwrap_or(u32::MAX).max(1);
    let one = |finding: &Finding| {
        let is_same = |found: &Finding| found.rule == finding.rule && found.key == finding.key;
        let mut is_still = |left: &[Operation]| judge(left).into_iter().find(is_same);
        shrink(operations, finding, &mut is_still, budget_calls / each)
    };
    of_rules.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests;
