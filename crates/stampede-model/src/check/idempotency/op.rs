//! What was done under one key of idempotency.

use crate::check::reading::{BadOperation, End, Span, texts};
use crate::history::{BadField, Operation, Outcome};

#[derive(Clone, Debug)]
pub(super) struct Creation {
    pub(super) span: Span,
    pub(super) end: End,
    /// The digest of what was sent.
    pub(super) body: Option<String>,
    /// What was created.
    pub(super) made: Option<String>,
    /// The digest of what was answered.
    pub(super) answer: Option<String>,
    /// Its effect, once.
    pub(super) units: i64,
}

/// What was found for the key afterwards.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) span: Span,
    pub(super) ids: Vec<String>,
}

/// The effect that was counted afterwards.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) span: Span,
    pub(super) units: i64,
}

#[derive(Debug)]
pub(super) struct IdempotencyKey<'a> {
    pub(super) key: &'a str,
    pub(super) creations: Vec<Creation>,
    pub(super) found: Vec<Found>,
    pub(super) effects: Vec<Effect>,
}

impl<'a> IdempotencyKey<'a> {
    pub(super) fn new(key: &'a str) -> Self {
        Self { key, creations: Vec::new(), found: Vec::new(), effects: Vec::new() }
    }

    pub(super) fn add(&mut self, operation: &Operation, units: i64) -> Result<(), BadOperation> {
        let span = Span::of(operation);
        match operation.op.as_str() {
            "create" => self.creations.push(creation(operation, units)?),
            "find" | "effect" if operation.outcome != Outcome::Ok => {}
            "find" => {
                let ids = texts(&operation.output, "ids")?
                    .ok_or_else(|| BadField::Missing { name: "ids".to_owned(), wanted: "a list of texts" })?;
                self.found.push(Found { span, ids });
            }
            "effect" => self.effects.push(Effect { span, units: operation.output.need_integer("units")? }),
            other => return Err(BadOperation::Word(other.to_owned())),
        }
        Ok(())
    }
}

fn creation(operation: &Operation, units: i64) -> Result<Creation, BadField> {
    let end = End::of(operation, "conflict");
    let made = if end == End::Done { Some(operation.output.need_text("id")?) } else { None };
    Ok(Creation {
        span: Span::of(operation),
        end,
        body: operation.input.text("body")?,
        made,
        answer: operation.output.text("body")?,
        units: operation.input.integer("units")?.unwrap_or(units),
    })
}
