//! An operation in words: "client 3 reserved 1 unit: answered 201, version 17, 4 available left".
//!
//! The names of operations and values are those of the models; what no model names is shown as it stands. Long values are cut.

mod answered;
mod asked;

use std::time::Duration;

use serde_json::Value;

use crate::history::{Fields, Operation, Outcome};
use crate::units::show_duration;

pub(super) use answered::answered;

/// Letters of a value that are shown.
const LETTERS: usize = 40;
/// Parts of a list that are shown.
const PARTS: usize = 4;

/// Who did it.
pub(super) fn who(operation: &Operation) -> String {
    match operation.op.as_str() {
        "movement" => "the ledger".to_owned(),
        "expire" => "the system".to_owned(),
        _ => format!("client {}", operation.process),
    }
}

/// What was done, or was asked for in vain.
pub(super) fn asked(operation: &Operation) -> String {
    let deed = asked::deed(operation);
    match operation.outcome {
        Outcome::Ok => join(deed.past, &deed.object),
        Outcome::Fail | Outcome::Info => format!("asked to {}", join(deed.plain, &deed.object)),
    }
}

/// The same for a label: "reserve 1 unit: 201, version 17".
pub(super) fn label(operation: &Operation) -> String {
    let deed = asked::deed(operation);
    format!("{}: {}", join(deed.plain, &deed.object), answered::short(operation))
}

fn join(verb: &str, object: &str) -> String {
    if object.is_empty() { verb.to_owned() } else { format!("{verb} {object}") }
}

/// "1 unit", "3 units".
fn counted(count: i64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// A value that is a whole number; anything else is not counted.
fn number(fields: &Fields, name: &str) -> Option<i64> {
    fields.integer(name).ok().flatten()
}

/// A value in a few letters.
fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).map(short_value)
}

/// Milliseconds as a person types them.
fn span(ms: i64) -> String {
    u64::try_from(ms).map_or_else(|_| format!("{ms} ms"), |ms| show_duration(Duration::from_millis(ms)))
}

/// Any value in a few letters.
fn short_value(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text),
        Value::Array(parts) => {
            let mut shown: Vec<String> = parts.iter().take(PARTS).map(short_value).collect();
            if parts.len() > PARTS {
                shown.push(format!("{} more", parts.len() - PARTS));
            }
            if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
        }
        other => cut(&other.to_string()),
    }
}

fn cut(text: &str) -> String {
    let mut letters = text.chars();
    let mut short: String = letters.by_ref().take(LETTERS).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}
