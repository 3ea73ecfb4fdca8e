//! Compiled texts: literals and slots, rendered into a buffer that is used again.
//!
//! Invariants: nothing is parsed or looked up by name while rendering; a value in a URL cannot change its shape, a value in
//! a JSON text cannot end it; constants are part of the literals.

mod write;

use serde_json::Value;

use super::plan::Feed;
use write::fill;
pub(super) use write::{json_escape, percent_encode, write_value};

/// What a slot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A variable of the virtual user, by its number.
    Variable(usize),
    /// A column of the row that was drawn from a feed.
    Column {
        /// The feed.
        feed: usize,
        /// The column.
        column: usize,
    },
    /// The virtual user's number.
    User,
    /// The iteration's number.
    Iteration,
    /// A new UUID.
    Uuid,
    /// Milliseconds since 1970.
    NowMs,
    /// A whole number between two, both included.
    Random {
        /// Smallest.
        from: i64,
        /// Largest.
        to: i64,
    },
}

/// How a value is written where its slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is; other values than text as JSON.
    Bare,
    /// Percent-encoded.
    Url,
    /// As a part of a JSON text.
    JsonText,
    /// As a whole JSON value.
    JsonValue,
    /// The same in a history: a text that is a whole number is that number.
    Recorded,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Slot(Slot, Form),
}

/// A compiled text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// Where random numbers and the time come from.
pub trait Dice {
    /// A whole number between two, both included.
    fn between(&mut self, from: i64, to: i64) -> i64;
    /// 128 random bits.
    fn bits(&mut self) -> u128;
    /// Milliseconds since 1970.
    fn now_ms(&mut self) -> u64;
}

/// What one virtual user knows at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The user's number, from 1.
    pub user: u64,
    /// The iteration's number, from 0.
    pub iteration: u64,
    /// Its variables.
    pub variables: Vec<Value>,
    /// The rows that were drawn, one place per feed.
    pub rows: Vec<usize>,
}

impl Template {
    pub(super) fn literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Literal(last)) => *last = format!("{last}{text}").into(),
            _ => self.parts.push(Part::Literal(text.into())),
        }
    }

    pub(super) fn slot(&mut self, slot: Slot, form: Form) {
        self.parts.push(Part::Slot(slot, form));
    }

    pub(super) fn append(&mut self, other: &Self) {
        for part in &other.parts {
            match part {
                Part::Literal(text) => self.literal(text),
                Part::Slot(slot, form) => self.slot(*slot, *form),
            }
        }
    }

    /// What it consists of besides slots.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(&**text),
            Part::Slot(..) => None,
        })
    }

    /// The literal it begins with.
    pub(super) fn first_literal(&self) -> Option<&str> {
        match self.parts.first() {
            Some(Part::Literal(text)) => Some(text),
            _ => None,
        }
    }

    /// The same without the first bytes of the literal it begins with.
    pub(super) fn without_start(&self, length: usize) -> Self {
        let mut rest = Self::default();
        rest.literal(self.first_literal().and_then(|text| text.get(length..)).unwrap_or(""));
        for part in self.parts.iter().skip(1) {
            rest.parts.push(part.clone());
        }
        rest
    }

    /// The two, one after the other.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.append(other);
        self
    }

    /// The same behind `text`.
    pub(super) fn behind(&self, text: &str) -> Self {
        let mut whole = Self::default();
        whole.literal(text);
        whole.append(self);
        whole
    }

    /// The same for a history: values as [`Form::Recorded`].
    pub(super) fn recorded(mut self) -> Self {
        for part in &mut self.parts {
            if let Part::Slot(_, form @ Form::JsonValue) = part {
                *form = Form::Recorded;
            }
        }
        self
    }

    /// The text, if it is always the same.
    pub fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Its slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(slot, _) => Some(*slot),
            Part::Literal(_) => None,
        })
    }

    /// Appends the text with every slot filled.
    pub fn render(&self, out: &mut String, feeds: &[Feed], frame: &Frame, dice: &mut impl Dice) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Slot(slot, form) => fill(out, (*slot, *form), feeds, frame, dice),
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
