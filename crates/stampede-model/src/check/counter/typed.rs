//! One operation on a counter.

use crate::check::attempts::Attempt;
use crate::check::by_key::unknown_word;
use crate::check::envelope::Spanned;
use crate::check::order::{Role, Versioned};
use crate::history::{BadField, Outcome};

/// An increment, or a read when it adds nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct CounterOp {
    pub(super) id: u64,
    pub(super) call_ns: u64,
    pub(super) end_ns: u64,
    pub(super) by: i64,
    pub(super) is_update: bool,
    /// Whether nobody knows whether it took effect.
    pub(super) is_open: bool,
    /// The value after it.
    pub(super) value: Option<i64>,
    pub(super) version: Option<i64>,
    /// What names its place in the order: its version, or its value where values do.
    pub(super) place: Option<i64>,
}

impl CounterOp {
    pub(super) fn read(attempt: &Attempt<'_>) -> Result<Option<Self>, BadField> {
        let operation = attempt.operation;
        let is_update = match operation.op.as_str() {
            "increment" => true,
            "read" => false,
            other => return Err(unknown_word(other)),
        };
        if operation.outcome == Outcome::Fail || (operation.outcome == Outcome::Info && !is_update) {
            return Ok(None);
        }
        let by = if is_update { operation.input.need_integer("by")? } else { 0 };
        if is_update && by == 0 {
            // Whether it makes a version, nobody can tell.
            let wanted = "a whole number other than 0";
            return Err(BadField::Type { name: "by".to_owned(), found: "0".to_owned(), wanted });
        }
        let is_open = operation.outcome == Outcome::Info;
        let mut op = Self {
            id: operation.id,
            call_ns: attempt.call_ns,
            end_ns: attempt.end_ns,
            by,
            is_update,
            is_open,
            value: None,
            version: None,
            place: None,
        };
        if !is_open {
            op.value = if is_update {
                operation.output.integer("value")?
            } else {
                Some(operation.output.need_integer("value")?)
            };
            op.version = operation.output.integer("version")?;
        }
        Ok(Some(op))
    }

    pub(super) fn is_done_update(&self) -> bool {
        self.is_update && !self.is_open
    }

    pub(super) fn words(&self) -> String {
        if self.is_update { format!("an increment by {}", self.by) } else { "a read".to_owned() }
    }
}

impl Spanned for CounterOp {
    fn call_ns(&self) -> u64 {
        self.call_ns
    }

    fn end_ns(&self) -> u64 {
        self.end_ns
    }
}

impl Versioned for CounterOp {
    fn id(&self) -> u64 {
        self.id
    }

    fn role(&self) -> Role {
        match self.place {
            Some(place) if self.is_update => Role::Update(place),
            Some(place) => Role::Look(place),
            None if self.is_update => Role::Filler,
            None => Role::Other,
        }
    }
}
