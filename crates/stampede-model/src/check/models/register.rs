//! One value: read, write, compare-and-set.
//!
//! Values are whatever stands in the history, numbered in the order in which they appear; none at the start unless the heading
//! tells one.

use std::collections::HashMap;

use serde_json::Value;

use super::{Blame, Subject, bad_field, effective, kept, observed, unknown_word};
use crate::check::search::{Call, SequentialModel};
use crate::check::{Finding, Findings};
use crate::history::{BadField, Fields, Heading, Operation, Outcome};

/// The number of a value.
pub type ValueNumber = u32;

/// One answered call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    /// The value was read.
    Read(ValueNumber),
    /// It was written.
    Write(ValueNumber),
    /// It was the first and is the second.
    Swap(ValueNumber, ValueNumber),
    /// It was not this one.
    Conflict(ValueNumber),
}

/// A register.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// The number of the value at the start.
    pub initial: ValueNumber,
    names: Vec<String>,
}

impl SequentialModel for Register {
    type State = ValueNumber;
    type Op = RegisterOp;

    const COMMUTES: bool = false;

    fn initial(&self) -> ValueNumber {
        self.initial
    }

    fn step(&self, value: &ValueNumber, op: &RegisterOp) -> Option<ValueNumber> {
        match op {
            RegisterOp::Read(seen) => (seen == value).then_some(*value),
            RegisterOp::Write(written) => Some(*written),
            RegisterOp::Swap(from, to) => (from == value).then_some(*to),
            RegisterOp::Conflict(expected) => (expected != value).then_some(*value),
        }
    }

    fn is_no_op(&self, op: &RegisterOp) -> bool {
        match op {
            RegisterOp::Read(_) | RegisterOp::Conflict(_) => true,
            RegisterOp::Write(_) => false,
            RegisterOp::Swap(from, to) => from == to,
        }
    }
}

impl Subject for Register {
    fn read(
        heading: &Heading,
        operations: &[&Operation],
        doubts: &mut Findings,
    ) -> Option<(Self, Vec<Call<RegisterOp>>)> {
        let mut names = Names::default();
        let initial = names.number(heading.settings.get("initial").unwrap_or(&Value::Null));
        let calls = kept(operations, doubts, |operation| call_of(operation, &mut names));
        Some((Self { initial, names: names.texts }, calls))
    }

    fn blame(&self, _word: &str, op: &RegisterOp, _values: &[ValueNumber]) -> Blame {
        match op {
            RegisterOp::Read(_) => Blame::Reading("lost-update"),
            RegisterOp::Write(_) => Blame::Rule("not-linearizable"),
            RegisterOp::Swap(..) => Blame::Rule("lost-update"),
            RegisterOp::Conflict(_) => Blame::Rule("refused-without-cause"),
        }
    }

    fn instead(&self, op: &RegisterOp) -> &'static str {
        match op {
            RegisterOp::Read(_) => "one of these values",
            RegisterOp::Write(_) | RegisterOp::Conflict(_) => "success",
            RegisterOp::Swap(..) => "a conflict",
        }
    }

    fn size(&self, _op: &RegisterOp) -> (u64, &'static str) {
        (1, "writes")
    }

    fn say(&self, value: &ValueNumber) -> String {
        self.names.get(*value as usize).map_or_else(|| format!("value {value}"), Clone::clone)
    }
}

/// Values by number.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, ValueNumber>,
    texts: Vec<String>,
}

impl Names {
    fn number(&mut self, value: &Value) -> ValueNumber {
        let text = value.to_string();
        let next = self.texts.len() as ValueNumber;
        *self.numbers.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            next
        })
    }

    /// A value that has to be there; `null` is one.
    fn field(&mut self, fields: &Fields, name: &str) -> Result<ValueNumber, BadField> {
        let missing = || BadField::Missing { name: name.to_owned(), wanted: "a value" };
        let (_, value) = fields.iter().find(|(field, _)| *field == name).ok_or_else(missing)?;
        Ok(self.number(value))
    }
}

fn call_of(operation: &Operation, names: &mut Names) -> Result<Option<Call<RegisterOp>>, Finding> {
    let bad = |bad: BadField| bad_field(operation, &bad);
    match operation.op.as_str() {
        "read" if operation.outcome != Outcome::Ok => Ok(None),
        "read" => Ok(observed(operation, RegisterOp::Read(names.field(&operation.output, "value").map_err(bad)?))),
        "write" => Ok(effective(operation, RegisterOp::Write(names.field(&operation.input, "value").map_err(bad)?))),
        "cas" => {
            let from = names.field(&operation.input, "from").map_err(bad)?;
            let to = names.field(&operation.input, "to").map_err(bad)?;
            if operation.is_refused() {
                let is_conflict = operation.refused.as_deref() == Some("conflict");
                return Ok(observed(operation, RegisterOp::Conflict(from)).filter(|_| is_conflict));
            }
            Ok(effective(operation, RegisterOp::Swap(from, to)))
        }
        _ => Err(unknown_word(operation)),
    }
}
