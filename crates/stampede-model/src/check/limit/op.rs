//! The calls of one user, read into what the rules ask for.

use super::{Kind, Rules};
use crate::check::reading::{BadOperation, End, Span};
use crate::history::Operation;

#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) span: Span,
    pub(super) end: End,
    pub(super) limit: Option<i64>,
    pub(super) remaining: Option<i64>,
    /// By the server's time of day: a name of the window.
    pub(super) reset_ms: Option<i64>,
}

impl Call {
    /// Whether it passed.
    pub(super) fn is_admitted(&self) -> bool {
        self.end == End::Done
    }

    /// Whether the limiter refused it.
    pub(super) fn is_limited(&self) -> bool {
        self.end == End::Refused
    }

    /// Whether it may have used a permit. What failed by something else may have passed the limiter before.
    pub(super) fn may_spend(&self, rules: &Rules) -> bool {
        !self.is_limited() || counts_refused(rules)
    }

    /// Whether it surely used one.
    pub(super) fn spends(&self, rules: &Rules) -> bool {
        self.is_admitted() || self.is_limited() && counts_refused(rules)
    }
}

/// A fixed window is full before anybody is refused, so what refused calls add to it changes nothing.
fn counts_refused(rules: &Rules) -> bool {
    rules.refused_counts && rules.kind != Kind::Fixed
}

/// What one user called, in the order of the calls.
#[derive(Debug)]
pub(super) struct UserKey<'a> {
    pub(super) key: &'a str,
    pub(super) calls: Vec<Call>,
}

impl<'a> UserKey<'a> {
    pub(super) fn new(key: &'a str) -> Self {
        Self { key, calls: Vec::new() }
    }

    pub(super) fn add(&mut self, operation: &Operation) -> Result<(), BadOperation> {
        if operation.op != "call" {
            return Err(BadOperation::Word(operation.op.clone()));
        }
        let output = &operation.output;
        self.calls.push(Call {
            span: Span::of(operation),
            end: End::of(operation, "limited"),
            limit: output.integer("limit")?,
            remaining: output.integer("remaining")?,
            reset_ms: output.integer("reset_ms")?,
        });
        Ok(())
    }
}
