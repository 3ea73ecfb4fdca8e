//! What one tenant asked and saw.

use crate::check::reading::{BadOperation, texts};
use crate::history::{BadField, Operation, Outcome};

/// An answer and what was found in it.
#[derive(Clone, Debug)]
pub(super) struct Glimpse {
    pub(super) id: u64,
    pub(super) route: String,
    /// Whose thing was asked for.
    pub(super) owner: Option<String>,
    pub(super) canaries: Vec<String>,
    pub(super) asked: Asked,
}

#[derive(Clone, Debug)]
pub(super) enum Asked {
    Own,
    Foreign { end: ForeignEnd, shows: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ForeignEnd {
    Accepted,
    Absent,
    /// With another word than that for what is absent.
    Refused(String),
    /// Nothing was said of the id.
    Silent,
}

impl Glimpse {
    /// Whether it is a foreign id that got an answer.
    pub(super) fn is_answered_try(&self) -> bool {
        matches!(&self.asked, Asked::Foreign { end, .. } if *end != ForeignEnd::Silent)
    }
}

/// The digest of a script's answers.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    pub(super) id: u64,
    pub(super) script: String,
    pub(super) of_answers: String,
    /// Whether others were busy meanwhile.
    pub(super) loaded: bool,
}

/// What one tenant did.
#[derive(Debug)]
pub(super) struct TenantKey<'a> {
    pub(super) key: &'a str,
    pub(super) glimpses: Vec<Glimpse>,
    pub(super) digests: Vec<Digest>,
    /// Scripts that did not end well, by operation.
    pub(super) failed: Vec<u64>,
}

impl<'a> TenantKey<'a> {
    pub(super) fn new(key: &'a str) -> Self {
        Self { key, glimpses: Vec::new(), digests: Vec::new(), failed: Vec::new() }
    }

    pub(super) fn add(&mut self, operation: &Operation) -> Result<(), BadOperation> {
        match operation.op.as_str() {
            "see" => self.glimpses.push(glimpse(operation, Asked::Own)?),
            "foreign" => {
                operation.input.need_text("owner")?;
                self.glimpses.push(glimpse(operation, foreign(operation)?)?);
            }
            "baseline" | "loaded" if operation.outcome != Outcome::Ok => self.failed.push(operation.id),
            "baseline" | "loaded" => self.digests.push(Digest {
                id: operation.id,
                script: operation.input.text("script")?.unwrap_or_default(),
                of_answers: operation.output.need_text("digest")?,
                loaded: operation.op == "loaded",
            }),
            other => return Err(BadOperation::Word(other.to_owned())),
        }
        Ok(())
    }
}

fn glimpse(operation: &Operation, asked: Asked) -> Result<Glimpse, BadField> {
    Ok(Glimpse {
        id: operation.id,
        route: operation.input.text("route")?.unwrap_or_default(),
        owner: operation.input.text("owner")?,
        canaries: texts(&operation.output, "canaries")?.unwrap_or_default(),
        asked,
    })
}

fn foreign(operation: &Operation) -> Result<Asked, BadField> {
    let end = match (operation.outcome, operation.refused.as_deref()) {
        (Outcome::Ok, _) => ForeignEnd::Accepted,
        (Outcome::Fail, Some("absent")) => ForeignEnd::Absent,
        (Outcome::Fail, Some(word)) => ForeignEnd::Refused(word.to_owned()),
        (Outcome::Fail, None) | (Outcome::Info, _) => ForeignEnd::Silent,
    };
    Ok(Asked::Foreign { end, shows: operation.output.truth("shows")?.unwrap_or(false) })
}
