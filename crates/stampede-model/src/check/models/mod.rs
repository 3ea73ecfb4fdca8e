//! The objects whose histories can be searched, and how a history's operations become their calls.
//!
//! Invariants: an operation that says nothing of the state (a failure without a reason, a read without an answer) is no call; a
//! field that is missing or of another type is a doubt that names the operation, never a guess.
//! Absent on purpose: leases, fences, reservations by id. Those have rules of their own that need no search.

pub mod counter;
pub mod lock;
pub mod register;
pub mod stock;

use super::search::{Call, Duty, SequentialModel};
use super::{Finding, Findings, Rule};
use crate::history::{BadField, Heading, Operation, Outcome};

/// What an impossible answer is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// A rule.
    Rule(Rule),
    /// A read: `stale-read` when the rest of the history can be explained without it, this rule when the error lasts.
    Reading(Rule),
}

/// A model whose calls can be read from a history.
pub(super) trait Subject: SequentialModel + Sized {
    /// The object and its calls, from the operations on one key; what cannot be read is a doubt. None when so little can be read
    /// that a search would prove nothing.
    fn read(heading: &Heading, operations: &[&Operation], doubts: &mut Findings)
    -> Option<(Self, Vec<Call<Self::Op>>)>;

    /// What it is called that `op`, in the history's word, was impossible when the object was in one of `states`.
    fn blame(&self, word: &str, op: &Self::Op, states: &[Self::State]) -> Blame;

    /// Whether `op` is a read.
    fn is_reading(&self, op: &Self::Op) -> bool {
        matches!(self.blame("", op, &[self.initial()]), Blame::Reading(_))
    }

    /// What would have been a possible answer to `op`, in words before a list of states.
    fn instead(&self, op: &Self::Op) -> &'static str;

    /// How large an error an `op` of unknown outcome can hide, and in what.
    fn size(&self, op: &Self::Op) -> (u64, &'static str);

    /// A state in words.
    fn say(&self, state: &Self::State) -> String;

    /// The operation that led to `state`, by id, where that can be told.
    fn origin(&self, _state: &Self::State) -> Option<u64> {
        None
    }
}

/// The call of an operation that took effect, or may have; none of one that did not.
fn effective<O>(operation: &Operation, op: O) -> Option<Call<O>> {
    let duty = match operation.outcome {
        Outcome::Ok => Duty::Must,
        Outcome::Info => Duty::May,
        Outcome::Fail => return None,
    };
    Some(call(operation, duty, op))
}

/// The call of an answer that says something of the state: a read, a refusal. None when there was no answer.
fn observed<O>(operation: &Operation, op: O) -> Option<Call<O>> {
    let has_answer = operation.outcome == Outcome::Ok || operation.is_refused();
    has_answer.then(|| call(operation, Duty::Must, op))
}

fn call<O>(operation: &Operation, duty: Duty, op: O) -> Call<O> {
    Call { id: operation.id, call_ns: operation.call_ns, return_ns: operation.end_ns(), duty, op }
}

/// A doubt about a field of `operation`.
fn bad_field(operation: &Operation, bad: &BadField) -> Finding {
    doubt("bad-field", operation, bad)
}

/// A doubt about `operation`.
fn doubt(rule: Rule, operation: &Operation, why: impl std::fmt::Display) -> Finding {
    let Operation { id, op, key, .. } = operation;
    Finding::new(rule, key, format!("operation {id} (`{op}`): {why}; it is left out")).by([*id])
}

/// A doubt about an operation that the model does not have.
fn unknown_word(operation: &Operation) -> Finding {
    doubt("bad-field", operation, "the model has no such operation")
}

/// Keeps what could be read.
fn kept<O>(
    operations: &[&Operation],
    doubts: &mut Findings,
    mut read: impl FnMut(&Operation) -> Result<Option<Call<O>>, Finding>,
) -> Vec<Call<O>> {
    let mut calls = Vec::with_capacity(operations.len());
    for operation in operations {
        match read(operation) {
            Ok(call) => calls.extend(call),
            Err(finding) => doubts.doubt(finding),
        }
    }
    calls
}
