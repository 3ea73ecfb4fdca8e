//! JSON bodies whose strings are templates.
//!
//! Invariant: a string that is one slot and nothing else takes the value with its type, so that `"{units}"` becomes a
//! number.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{BadTemplate, MissingSlot, Scope, Template};

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
