//! The values that slots stand for.

use std::collections::BTreeMap;

use serde_json::Value;

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

    pub(super) fn value(&self, slot: &str) -> Result<&Value, MissingSlot> {
        self.values.get(slot).ok_or_else(|| MissingSlot { slot: slot.to_owned() })
    }
}
