//! Text and JSON with `{name}` slots, parsed once when the target is read.
//!
//! Invariants: a template that parsed renders unless a slot has no value; `{{` and `}}` stand for the braces themselves; a JSON
//! string that is one slot and nothing else takes the value with its type, so that `"{units}"` becomes a number.
//! Absent on purpose: loops, conditions, functions. What needs them is a program, not a description.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

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

/// A slot had no value when the template was rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot `{{{slot}}}` has no value here")]
pub struct MissingSlot {
    /// The slot's name.
    pub slot: String,
}

/// Values for slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    values: BTreeMap<String, Value>,
}

impl Scope {
    /// Sets one value; a later one of the same name wins.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// The same scope with one value more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds all values of `other`, which win over the present ones.
    pub fn extend(&mut self, other: &Scope) -> &mut Self {
        self.values.extend(other.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The names that have a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    fn value(&self, slot: &str) -> Result<&Value, MissingSlot> {
        self.values.get(slot).ok_or_else(|| MissingSlot { slot: slot.to_owned() })
    }
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

/// A JSON body whose strings are templates. Keys are plain.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum JsonTemplate {
    /// A value without slots: number, truth value.
    Plain(Value),
    /// A string with slots.
    Text(Template),
    /// An array.
    List(Vec<JsonTemplate>),
    /// An object.
    Table(BTreeMap<String, JsonTemplate>),
}

impl JsonTemplate {
    /// The names of all slots inside, with repetitions.
    pub fn slots(&self) -> Vec<&str> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Text(template) => template.slots().collect(),
            Self::List(items) => items.iter().flat_map(Self::slots).collect(),
            Self::Table(fields) => fields.values().flat_map(Self::slots).collect(),
        }
    }

    /// The JSON with every slot filled.
    pub fn render(&self, scope: &Scope) -> Result<Value, MissingSlot> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Text(template) => template.render_value(scope)?,
            Self::List(items) => Value::Array(items.iter().map(|item| item.render(scope)).collect::<Result<_, _>>()?),
            Self::Table(fields) => {
                let mut object = serde_json::Map::new();
                for (key, field) in fields {
                    object.insert(key.clone(), field.render(scope)?);
                }
                Value::Object(object)
            }
        })
    }
}

impl TryFrom<toml::Value> for JsonTemplate {
    type Error = BadTemplate;

    fn try_from(value: toml::Value) -> Result<Self, BadTemplate> {
        Ok(match value {
            toml::Value::String(text) => Self::Text(Template::parse(&text)?),
            toml::Value::Integer(number) => Self::Plain(number.into()),
            toml::Value::Float(number) => Self::Plain(number.into()),
            toml::Value::Boolean(truth) => Self::Plain(truth.into()),
            toml::Value::Datetime(instant) => Self::Plain(instant.to_string().into()),
            toml::Value::Array(items) => Self::List(items.into_iter().map(Self::try_from).collect::<Result<_, _>>()?),
            toml::Value::Table(fields) => Self::Table(
                fields
                    .into_iter()
                    .map(|(key, field)| Self::try_from(field).map(|field| (key, field)))
                    .collect::<Result<_, _>>()?,
            ),
        })
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
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn scope() -> Scope {
        Scope::default().with("id", "a/b ?").with("units", 10).with("user.name", "Åsa")
    }

    #[test]
    fn slots_are_filled_and_braces_can_be_escaped() {
        let template = Template::parse("{{{id}}} x{units}{user.name}").unwrap();
        assert_eq!(template.slots().collect::<Vec<_>>(), ["id", "units", "user.name"]);
        assert_eq!(template.render(&scope()).unwrap(), "{a/b ?} x10Åsa");
    }

    #[test]
    fn a_value_in_a_url_cannot_change_its_shape() {
        let template = Template::parse("/things/{id}?n={units}").unwrap();
        assert_eq!(template.render_for_url(&scope()).unwrap(), "/things/a%2Fb%20%3F?n=10");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Template::parse("a{b").unwrap_err(), BadTemplate::Open { at: 1 });
        assert_eq!(Template::parse("a}b").unwrap_err(), BadTemplate::Close { at: 1 });
        assert_eq!(Template::parse("{1a}").unwrap_err(), BadTemplate::Name { name: "1a".into() });
        let missing = Template::parse("{nobody}").unwrap().render(&scope()).unwrap_err();
        assert_eq!(missing.slot, "nobody");
    }

    #[test]
    fn a_lone_slot_keeps_the_type_of_its_value() {
        let table: toml::Value =
            toml::from_str("units = '{units}'\nlabel = 'n{units}'\nitems = [{ id = '{id}' }, 3]").unwrap();
        let body = JsonTemplate::try_from(table).unwrap();
        assert_eq!(body.render(&scope()).unwrap(), json!({"units": 10, "label": "n10", "items": [{"id": "a/b ?"}, 3]}));
        assert_eq!(body.slots(), ["id", "units", "units"]);
    }

    proptest! {
        #[test]
        fn escaped_text_renders_as_itself(text in ".{0,40}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(Template::parse(&escaped).unwrap().render(&Scope::default()).unwrap(), text);
        }

        #[test]
        fn any_text_parses_or_is_refused_without_a_panic(text in ".{0,40}") {
            if let Ok(template) = Template::parse(&text) {
                drop(template.render(&Scope::default()));
            }
        }
    }
}
