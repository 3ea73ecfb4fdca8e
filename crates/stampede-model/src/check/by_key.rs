//! The operations of a history, read one by one and sorted by their objects.
//!
//! Invariants: an update that may have taken effect and cannot be read spoils its object, which is then not judged: every sum
//! and every order would be wrong. Whatever cannot be read is a doubt that names the operation.

use std::collections::HashMap;

use super::attempts::{Attempt, attempts};
use super::{Finding, Findings};
use crate::history::{BadField, Operation, Outcome};

/// One object's operations.
#[derive(Debug)]
pub(crate) struct Group<'a, O> {
    /// The object.
    pub(crate) key: &'a str,
    /// Its operations, as they came.
    pub(crate) ops: Vec<O>,
    is_spoiled: bool,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Groups<'a, O> {
    /// The objects that can be judged, in the order in which they appeared.
    pub(crate) groups: Vec<Group<'a, O>>,
    /// How many there were, with those that cannot.
    pub(crate) keys: u64,
}

/// Reads each operation by `read`; nothing says that it tells nothing of the state.
pub(crate) fn by_key<'a, O>(
    operations: &'a [Operation],
    findings: &mut Findings,
    mut read: impl FnMut(&Attempt<'a>) -> Result<Option<O>, BadField>,
) -> Groups<'a, O> {
    let mut at_key: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<Group<'a, O>> = Vec::new();
    for attempt in attempts(operations) {
        let operation = attempt.operation;
        let at = *at_key.entry(&operation.key).or_insert_with(|| {
            groups.push(Group { key: &operation.key, ops: Vec::new(), is_spoiled: false });
            groups.len() - 1
        });
        match read(&attempt) {
            Ok(op) => groups[at].ops.extend(op),
            Err(why) => {
                let is_update = !["read", "snapshot"].contains(&operation.op.as_str());
                groups[at].is_spoiled |= is_update && operation.outcome != Outcome::Fail;
                let what = format!("operation {} ({}): {why}", operation.id, operation.op);
                findings.doubt(Finding::new("bad-field", &operation.key, what).by([operation.id]));
            }
        }
    }
    let keys = groups.len() as u64;
    groups.retain(|group| !group.is_spoiled);
    Groups { groups, keys }
}

/// That an operation is none of the model's.
pub(crate) fn unknown_word(word: &str) -> BadField {
    BadField::Type { name: "op".to_owned(), found: format!("\"{word}\""), wanted: "an operation of the model" }
}
