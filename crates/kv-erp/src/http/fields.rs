//! Reading an object's fields: every fault is collected with its JSON pointer, none stops the reading.
//!
//! Invariants: a field that was not asked for is a fault; a value that comes out is checked; at most [`MAX_FAULTS`] are kept, so
//! that an answer stays small whatever came in.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::problem::{FieldFault, Problem};

/// Most faults that one answer lists.
pub const MAX_FAULTS: usize = 100;

/// Why a value was refused: a stable word and a sentence.
pub type Refused = (&'static str, String);

/// The faults of one request so far.
#[derive(Debug, Default)]
pub struct Faults {
    kept: Vec<FieldFault>,
    more: usize,
}

impl Faults {
    /// Notes a fault at a pointer into the body, or of the parameter of this name.
    pub fn add(&mut self, pointer: String, (code, detail): Refused) {
        if self.kept.len() < MAX_FAULTS {
            self.kept.push(FieldFault::new(pointer, code, detail));
        } else {
            self.more += 1;
        }
    }

    /// Reads one object at `pointer`; fields that `read` leaves are faults.
    pub(super) fn object<T>(
        &mut self,
        pointer: String,
        value: Value,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(map) = value else {
            self.add(pointer, ("wrong_type", format!("must be an object, not {}", kind_of(&value))));
            return None;
        };
        let mut fields = Fields { pointer, map, faults: self };
        let parsed = read(&mut fields);
        let Fields { pointer, map, .. } = fields;
        for name in map.keys() {
            self.add(child(&pointer, name), ("unknown_field", format!("there is no field {:?} here", shown(name))));
        }
        parsed
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What was read, or all its faults.
    ///
    /// # Errors
    /// 422 `validation_failed`.
    pub fn finish<T>(self, parsed: Option<T>) -> Result<T, Problem> {
        match parsed {
            Some(parsed) if self.kept.is_empty() => Ok(parsed),
            _ => Err(self.into_problem()),
        }
    }

    fn into_problem(self) -> Problem {
        let count = self.kept.len() + self.more;
        let detail = match self.kept.first() {
            None => "The request is not valid.".to_owned(),
            Some(first) => {
                let place = if first.pointer.is_empty() { "The body" } else { &first.pointer };
                let others = if count > 1 { format!(" ({} more faults in errors)", count - 1) } else { String::new() };
                format!("{place} {}{others}.", first.detail)
            }
        };
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", detail).with_errors(self.kept)
    }
}

/// An object that is being read. A field is taken out when it is asked for.
#[derive(Debug)]
pub struct Fields<'a> {
    pointer: String,
    map: Map<String, Value>,
    faults: &'a mut Faults,
}

impl Fields<'_> {
    /// Whether a field is there and was not asked for yet.
    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// A field that must be there. `None` means that a fault was noted.
    pub fn required<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Refused>) -> Option<T> {
        match self.map.remove(name) {
            None => self.refuse(name, ("required", "is missing".to_owned())),
            Some(value) => self.not_null(name, value, read),
        }
    }

    /// A field that may be left out, but not be null.
    pub fn given<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Refused>) -> Option<T> {
        let value = self.map.remove(name)?;
        self.not_null(name, value, read)
    }

    /// A field that may be left out or null: outer `None` when left out, inner `None` when null.
    pub fn nullable<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Refused>) -> Option<Option<T>> {
        match self.map.remove(name)? {
            Value::Null => Some(None),
            value => self.not_null(name, value, read).map(Some),
        }
    }

    /// A field that may be left out or null, which mean the same.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, Refused>) -> Option<T> {
        self.nullable(name, read).flatten()
    }

    /// A list of 1 to `max` objects.
    pub fn list<T>(
        &mut self,
        name: &str,
        max: usize,
        mut read: impl FnMut(&mut Fields<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let values = self.values(name, max)?;
        let base = child(&self.pointer, name);
        let wanted = values.len();
        let mut parsed = Vec::with_capacity(wanted);
        for (index, value) in values.into_iter().enumerate() {
            parsed.extend(self.faults.object(format!("{base}/{index}"), value, &mut read));
        }
        (parsed.len() == wanted).then_some(parsed)
    }

    /// A list of 1 to `max` values of any kind, to be read later.
    pub fn values(&mut self, name: &str, max: usize) -> Option<Vec<Value>> {
        self.required(name, |value| match value {
            Value::Array(values) if values.is_empty() => Err(("too_few", "must have at least one entry".to_owned())),
            Value::Array(values) if values.len() > max => {
                Err(("too_many", format!("has {} entries, more than the {max} allowed", values.len())))
            }
            Value::Array(values) => Ok(values),
            other => Err(("wrong_type", format!("must be a list, not {}", kind_of(&other)))),
        })
    }

    fn not_null<T>(&mut self, name: &str, value: Value, read: impl FnOnce(Value) -> Result<T, Refused>) -> Option<T> {
        if value.is_null() {
            return self.refuse(name, ("null_not_allowed", "must not be null".to_owned()));
        }
        match read(value) {
            Ok(read) => Some(read),
            Err(refused) => self.refuse(name, refused),
        }
    }

    fn refuse<T>(&mut self, name: &str, refused: Refused) -> Option<T> {
        self.faults.add(child(&self.pointer, name), refused);
        None
    }
}

/// The pointer of a field below another, escaped as RFC 6901 wants.
fn child(pointer: &str, name: &str) -> String {
    let name = shown(name).replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{name}")
}

/// A name from outside, cut so that an answer cannot be made as large as the request.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// What a value is, in words.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
