//! A number that is added to, and read.

use super::{Blame, Subject, bad_field, effective, kept, observed, unknown_word};
use crate::check::search::{Call, SequentialModel};
use crate::check::{Finding, Findings};
use crate::history::{BadField, Heading, Operation, Outcome};

/// One answered call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CounterOp {
    /// It was added to.
    Add {
        /// How much.
        by: i64,
        /// The number afterwards, when it was told.
        seen: Option<i64>,
    },
    /// It was read.
    Read(i64),
}

/// A counter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter {
    /// The number at the start.
    pub initial: i64,
}

impl SequentialModel for Counter {
    type State = i64;
    type Op = CounterOp;

    const COMMUTES: bool = true;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn step(&self, value: &i64, op: &CounterOp) -> Option<i64> {
        match op {
            CounterOp::Add { by, seen } => {
                value.checked_add(*by).filter(|after| seen.is_none_or(|seen| seen == *after))
            }
            CounterOp::Read(seen) => (seen == value).then_some(*value),
        }
    }

    fn is_no_op(&self, op: &CounterOp) -> bool {
        matches!(op, CounterOp::Add { by: 0, .. } | CounterOp::Read(_))
    }
}

impl Subject for Counter {
    fn read(
        heading: &Heading,
        operations: &[&Operation],
        doubts: &mut Findings,
    ) -> Option<(Self, Vec<Call<CounterOp>>)> {
        match heading.settings.integer("initial") {
            Ok(initial) => Some((Self { initial: initial.unwrap_or(0) }, kept(operations, doubts, call_of))),
            Err(bad) => {
                let key = operations.first().map_or("", |operation| &operation.key);
                doubts.doubt(Finding::new("bad-field", key, format!("the heading's settings: {bad}")));
                None
            }
        }
    }

    fn blame(&self, _word: &str, op: &CounterOp, _values: &[i64]) -> Blame {
        match op {
            CounterOp::Add { .. } => Blame::Rule("lost-update"),
            CounterOp::Read(_) => Blame::Reading("lost-update"),
        }
    }

    fn instead(&self, op: &CounterOp) -> &'static str {
        match op {
            CounterOp::Add { .. } => "the sum of this and one of these",
            CounterOp::Read(_) => "one of these",
        }
    }

    fn size(&self, op: &CounterOp) -> (u64, &'static str) {
        match op {
            CounterOp::Add { by, .. } => (by.unsigned_abs(), "counts"),
            CounterOp::Read(_) => (0, "counts"),
        }
    }

    fn say(&self, value: &i64) -> String {
        value.to_string()
    }
}

fn call_of(operation: &Operation) -> Result<Option<Call<CounterOp>>, Finding> {
    let bad = |bad: BadField| bad_field(operation, &bad);
    match operation.op.as_str() {
        "read" if operation.outcome != Outcome::Ok => Ok(None),
        "read" => Ok(observed(operation, CounterOp::Read(operation.output.need_integer("value").map_err(bad)?))),
        "increment" => {
            let by = operation.input.integer("by").map_err(bad)?.unwrap_or(1);
            let is_told = operation.outcome == Outcome::Ok;
            let seen = if is_told { operation.output.integer("value").map_err(bad)? } else { None };
            Ok(effective(operation, CounterOp::Add { by, seen }))
        }
        _ => Err(unknown_word(operation)),
    }
}
