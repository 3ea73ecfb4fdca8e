//! One operation on a register.

use std::collections::HashMap;

use crate::check::attempts::Attempt;
use crate::check::by_key::unknown_word;
use crate::check::envelope::Spanned;
use crate::check::order::{Role, Versioned};
use crate::history::{BadField, Outcome};

/// A value's number.
pub(super) type ValueId = u32;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// It saw this value.
    Read(ValueId),
    /// It sets this value.
    Write(ValueId),
    /// It sets the second value if the first one is there.
    Cas(ValueId, ValueId),
    /// It was refused because the value was another than this.
    Conflict(ValueId),
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegisterOp {
    pub(super) id: u64,
    pub(super) call_ns: u64,
    pub(super) end_ns: u64,
    pub(super) act: Act,
    /// Whether nobody knows whether it took effect.
    pub(super) is_open: bool,
    pub(super) version: Option<i64>,
}

/// The values of a history, each with a number.
#[derive(Debug, Default)]
pub(super) struct Values {
    numbers: HashMap<String, ValueId>,
    texts: Vec<String>,
}

impl Values {
    pub(super) fn number(&mut self, text: String) -> ValueId {
        let next = self.texts.len() as ValueId;
        *self.numbers.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            next
        })
    }

    /// A value as a finding shows it, cut when it is long.
    pub(super) fn text(&self, value: ValueId) -> String {
        /// Characters that are shown.
        const SHOWN: usize = 40;
        let text = self.texts.get(value as usize).map_or("", String::as_str);
        let shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() { format!("`{shown}..`") } else { format!("`{shown}`") }
    }
}

impl RegisterOp {
    pub(super) fn read(attempt: &Attempt<'_>, values: &mut Values) -> Result<Option<Self>, BadField> {
        let operation = attempt.operation;
        let (input, output) = (&operation.input, &operation.output);
        let is_conflict = operation.refused.as_deref() == Some("conflict");
        let act = match (operation.op.as_str(), operation.outcome) {
            ("read", Outcome::Ok) => Act::Read(values.number(output.need_text("value")?)),
            ("cas", Outcome::Fail) if is_conflict => Act::Conflict(values.number(input.need_text("from")?)),
            ("write", Outcome::Ok | Outcome::Info) => Act::Write(values.number(input.need_text("value")?)),
            ("cas", Outcome::Ok | Outcome::Info) => {
                Act::Cas(values.number(input.need_text("from")?), values.number(input.need_text("to")?))
            }
            ("read" | "write" | "cas", _) => return Ok(None),
            (other, _) => return Err(unknown_word(other)),
        };
        let is_open = operation.outcome == Outcome::Info;
        let is_named = operation.outcome == Outcome::Ok;
        let version = if is_named { output.integer("version")? } else { None };
        Ok(Some(Self { id: operation.id, call_ns: attempt.call_ns, end_ns: attempt.end_ns, act, is_open, version }))
    }

    /// The value that it sets.
    pub(super) fn sets(&self) -> Option<ValueId> {
        match self.act {
            Act::Write(value) | Act::Cas(_, value) => Some(value),
            Act::Read(_) | Act::Conflict(_) => None,
        }
    }

    /// The value that it surely saw.
    pub(super) fn saw(&self) -> Option<ValueId> {
        match self.act {
            Act::Read(value) => Some(value),
            Act::Cas(from, _) if !self.is_open => Some(from),
            _ => None,
        }
    }

    pub(super) fn is_done_update(&self) -> bool {
        self.sets().is_some() && !self.is_open
    }
}

impl Spanned for RegisterOp {
    fn call_ns(&self) -> u64 {
        self.call_ns
    }

    fn end_ns(&self) -> u64 {
        self.end_ns
    }
}

impl Versioned for RegisterOp {
    fn id(&self) -> u64 {
        self.id
    }

    fn role(&self) -> Role {
        match (self.version, self.sets()) {
            (Some(version), Some(_)) => Role::Update(version),
            (Some(version), None) => Role::Look(version),
            (None, Some(_)) => Role::Filler,
            (None, None) => Role::Other,
        }
    }
}
