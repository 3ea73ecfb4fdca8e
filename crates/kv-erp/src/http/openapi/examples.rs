//! An example of every body, made of the examples of its fields: one place to keep them right, and none can be forgotten.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::Number;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayItems, KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Content, RefOr};

use super::strict::{is_null, name_of};

/// Whether a field that may be left out is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// A body that is sent: what may be left out is there only when its description has an example.
    Needed,
    /// A body that is received: everything is there.
    Everything,
}

/// How deep a body may be; none is nearly as deep.
const MAX_DEPTH: usize = 24;

/// Gives every JSON body of an operation its example.
pub(super) fn complete(operation: &mut Operation, schemas: &BTreeMap<String, RefOr<Schema>>) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(|content| fill(content, Shows::Needed, schemas));
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.content.values_mut().for_each(|content| fill(content, Shows::Everything, schemas));
        }
    }
}

fn fill(content: &mut RefOr<Content>, shows: Shows, schemas: &BTreeMap<String, RefOr<Schema>>) {
    let RefOr::T(content) = content else { return };
    if content.example.is_none() && content.examples.is_empty() {
        let book = Book { schemas, shows };
        content.example = content.schema.as_ref().and_then(|schema| book.example(schema, MAX_DEPTH));
    }
}

struct Book<'a> {
    schemas: &'a BTreeMap<String, RefOr<Schema>>,
    shows: Shows,
}

impl Book<'_> {
    fn example(&self, schema: &RefOr<Schema>, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        match schema {
            RefOr::Ref(reference) => self.example(self.schemas.get(&name_of(reference))?, depth),
            RefOr::T(Schema::Object(object)) => self.of_object(object, depth),
            RefOr::T(Schema::Array(array)) => match &array.items {
                _ if array.example.is_some() => array.example.clone(),
                ArrayItems::RefOrSchema(items) => {
                    Some(self.example(items, depth).map_or(json!([]), |one| json!([one])))
                }
                ArrayItems::False => Some(json!([])),
            },
            // Of what may be null, the other.
            RefOr::T(Schema::OneOf(one)) => {
                one.items.iter().filter(|item| !is_null(item)).find_map(|item| self.example(item, depth))
            }
            RefOr::T(Schema::AllOf(all)) => Some(Value::Object(self.of_all(&all.items, depth))),
            RefOr::T(_) => None,
        }
    }

    /// What is made of several objects has the fields of all of them.
    fn of_all(&self, parts: &[RefOr<Schema>], depth: usize) -> Map<String, Value> {
        let parts = parts.iter().filter_map(|part| match self.example(part, depth)? {
            Value::Object(fields) => Some(fields),
            _ => None,
        });
        parts.flatten().collect()
    }

    fn of_object(&self, object: &Object, depth: usize) -> Option<Value> {
        if let Some(example) = &object.example {
            return Some(example.clone());
        }
        if !object.properties.is_empty() {
            return Some(Value::Object(self.of_properties(object, depth)));
        }
        let first = object.enum_values.as_ref().and_then(|values| values.first().cloned());
        first.or_else(|| object.default.clone()).or_else(|| plain(object))
    }

    fn of_properties(&self, object: &Object, depth: usize) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, schema) in &object.properties {
            let is_left_out = self.shows == Shows::Needed && !object.required.contains(name) && !has_example(schema);
            if let Some(value) = self.example(schema, depth).filter(|_| !is_left_out) {
                shown.insert(name.clone(), value);
            }
        }
        shown
    }
}

fn has_example(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.example.is_some())
}

/// A value of the type, when nothing better is said.
fn plain(object: &Object) -> Option<Value> {
    let kinds: &[Type] = match &object.schema_type {
        SchemaType::Type(kind) => std::slice::from_ref(kind),
        SchemaType::Array(kinds) => kinds,
        SchemaType::AnyValue => &[],
    };
    if kinds.contains(&Type::Null) {
        return Some(Value::Null);
    }
    match kinds.first()? {
        Type::String => Some(match &object.format {
            Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)) => json!("2026-03-02T08:15:30.250000Z"),
            Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)) => json!("01960000-0000-7000-8000-000000000001"),
            _ => json!("text"),
        }),
        Type::Integer | Type::Number => Some(match object.minimum {
            Some(Number::Int(least)) if least > 0 => json!(least),
            Some(Number::UInt(least)) if least > 0 => json!(least),
            _ => json!(1),
        }),
        Type::Boolean => Some(json!(true)),
        Type::Object => Some(json!({})),
        Type::Array | Type::Null => None,
    }
}
