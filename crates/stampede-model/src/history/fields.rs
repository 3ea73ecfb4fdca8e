//! Named values of an operation, asked for by type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::units::parse_duration;

/// Named values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(BTreeMap<String, Value>);

/// A value that is missing or of another type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadField {
    /// It is not there.
    #[error("`{name}` is missing; it should be {wanted}")]
    Missing {
        /// Its name.
        name: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// It is something else.
    #[error("`{name}` is {found}; it should be {wanted}")]
    Type {
        /// Its name.
        name: String,
        /// What stands there.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
}

impl Fields {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// The settings of a heading from those of a file; durations become milliseconds under the same name with `_ms`.
    pub fn of_settings<'a>(settings: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let mut fields = Self::new();
        for (name, value) in settings {
            let duration = value.as_str().and_then(|text| parse_duration(text).ok());
            if let Some(duration) = duration {
                fields.set(format!("{name}_ms"), u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
            } else {
                fields.set(name, value);
            }
        }
        fields
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets one; a later one of the same name wins.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// One value as it is.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// All values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A whole number, when there is one. Digits in a text count: headers are texts.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, BadField> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| mistyped(name, value, "a whole number"))
    }

    /// A whole number that has to be there.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn need_integer(&self, name: &str) -> Result<i64, BadField> {
        self.integer(name)?.ok_or_else(|| missing(name, "a whole number"))
    }

    /// A text, when there is one. Numbers are texts too: ids may be either.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn text(&self, name: &str) -> Result<Option<String>, BadField> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(mistyped(name, other, "a text")),
        }
    }

    /// A text that has to be there.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn need_text(&self, name: &str) -> Result<String, BadField> {
        self.text(name)?.ok_or_else(|| missing(name, "a text"))
    }

    /// A truth value, when there is one.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn truth(&self, name: &str) -> Result<Option<bool>, BadField> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(other) => Err(mistyped(name, other, "true or false")),
        }
    }
}

fn missing(name: &str, wanted: &'static str) -> BadField {
    BadField::Missing { name: name.to_owned(), wanted }
}

fn mistyped(name: &str, found: &Value, wanted: &'static str) -> BadField {
    /// Characters of a wrong value that are shown.
    const SHOWN: usize = 60;
    let found: String = found.to_string().chars().take(SHOWN).collect();
    BadField::Type { name: name.to_owned(), found, wanted }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_asked_for_by_type() {
        let fields = Fields::new().with("n", 7).with("digits", " 42 ").with("id", "a").with("gone", Value::Null);
        assert_eq!((fields.integer("n"), fields.integer("digits")), (Ok(Some(7)), Ok(Some(42))));
        assert_eq!((fields.text("id"), fields.text("n")), (Ok(Some("a".into())), Ok(Some("7".into()))));
        assert_eq!((fields.integer("gone"), fields.truth("absent")), (Ok(None), Ok(None)));
        assert_eq!(fields.integer("id").unwrap_err().to_string(), "`id` is \"a\"; it should be a whole number");
        assert_eq!(fields.need_text("x").unwrap_err().to_string(), "`x` is missing; it should be a text");
        let deep = Fields::new().with("n", json!({"long": "x".repeat(500)}));
        assert!(deep.integer("n").unwrap_err().to_string().len() < 150);
    }
}
