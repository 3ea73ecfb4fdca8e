//! Text and JSON with `{name}` slots, parsed once when the target is read.
//!
//! Invariants: a template that parsed renders unless a slot has no value; `{{` and `}}` stand for the braces themselves.
//! Absent on purpose: loops, conditions, functions. What needs them is a program, not a description.

mod json;
mod scope;

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

pub use json::JsonTemplate;
pub use scope::{MissingSlot, Scope};

/// A text with slots.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Slot(String),
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// A brace was opened and never closed.
    #[error("`{{` at byte {at} is never closed; write `{{{{` for a brace itself")]
    Open {
        /// Where it stands.
        at: usize,
    },
    /// A closing brace stands alone.
    #[error("`}}` at byte {at} closes nothing; write `}}}}` for a brace itself")]
    Close {
        /// Where it stands.
        at: usize,
    },
    /// The name between the braces is no name.
    #[error("`{{{name}}}` is no slot: a name has letters, digits, `_`, `-` and `.`, and starts with a letter")]
    Name {
        /// What stands between the braces.
        name: String,
    },
}

impl Template {
    /// Parses a text.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.char_indices().peekable();
        while let Some((at, letter)) = rest.next() {
            match letter {
                '{' | '}' if rest.next_if(|(_, next)| *next == letter).is_some() => literal.push(letter),
                '{' => {
                    let Some(length) = text[at + 1..].find('}') else { return Err(BadTemplate::Open { at }) };
                    let end = at + 1 + length;
                    let name = &text[at + 1..end];
                    if !is_name(name) {
                        return Err(BadTemplate::Name { name: name.to_owned() });
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Slot(name.to_owned()));
                    while rest.next_if(|(index, _)| *index <= end).is_some() {}
                }
                '}' => return Err(BadTemplate::Close { at }),
                _ => literal.push(letter),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// The names of its slots, in order, with repetitions.
    pub fn slots(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The text with every slot filled; strings stand bare, other values as JSON.
    pub fn render(&self, scope: &Scope) -> Result<String, MissingSlot> {
        self.render_with(scope, str::to_owned)
    }

    /// As [`Template::render`], each value percent-encoded so that it cannot add a path segment or a query parameter.
    pub fn render_for_url(&self, scope: &Scope) -> Result<String, MissingSlot> {
        self.render_with(scope, percent_encode)
    }

    fn render_with(&self, scope: &Scope, encode: impl Fn(&str) -> String) -> Result<String, MissingSlot> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Slot(slot) => text.push_str(&encode(&bare(scope.value(slot)?))),
            }
        }
        Ok(text)
    }

    fn render_value(&self, scope: &Scope) -> Result<Value, MissingSlot> {
        match self.parts.as_slice() {
            [Part::Slot(only)] => scope.value(only).cloned(),
            _ => self.render(scope).map(Value::String),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Literal(literal) => formatter.write_str(literal)?,
                Part::Slot(slot) => write!(formatter, "{{{slot}}}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Template {
    type Error = BadTemplate;

    fn try_from(text: String) -> Result<Self, BadTemplate> {
        Self::parse(&text)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}

/// A value as it stands in a path or a header: a string without its quotes.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
