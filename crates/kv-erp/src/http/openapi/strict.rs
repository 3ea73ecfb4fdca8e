//! What holds for every body and parameter alike, so that no struct has to say it: a field that is not described is refused, a text
//! is one line unless its description says something else, and a parameter is left out rather than null.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};

/// One line: no control characters, and not only blanks. ECMA-262, and the same to the readers of other languages.
const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

/// Completes the schemas that the operations' bodies are made of.
pub(super) fn complete(operations: &[&mut Operation], schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let mut waiting: Vec<String> = operations.iter().filter_map(|operation| body_of(operation)).flatten().collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if let Some(schema) = schemas.get_mut(&name).filter(|_| seen.insert(name)) {
            tighten(schema, &mut waiting);
        }
    }
}

/// Completes the schemas of an operation's parameters.
pub(super) fn complete_parameters(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        if let Some(schema) = &mut parameter.schema {
            forbid_null(schema);
            tighten(schema, &mut Vec::new());
        }
    }
}

fn forbid_null(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            if let SchemaType::Array(kinds) = &mut object.schema_type {
                kinds.retain(|kind| *kind != Type::Null);
                if let [kind] = kinds.as_slice() {
                    object.schema_type = SchemaType::Type(kind.clone());
                }
            }
        }
        RefOr::T(Schema::OneOf(one)) => {
            one.items.retain(|item| !is_null(item));
            if let [only] = one.items.as_slice() {
                *schema = only.clone();
            }
        }
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

/// Whether nothing but null fits.
pub(super) fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

/// The names of the schemas that an operation's body has.
fn body_of(operation: &Operation) -> Option<Vec<String>> {
    let RefOr::T(body) = operation.request_body.as_ref()? else { return None };
    let schemas = body.content.values().filter_map(|content| match content {
        RefOr::T(content) => content.schema.as_ref(),
        RefOr::Ref(_) => None,
    });
    let named = schemas.filter_map(|schema| match schema {
        RefOr::Ref(reference) => Some(name_of(reference)),
        RefOr::T(_) => None,
    });
    Some(named.collect())
}

/// The last part of a reference.
pub(super) fn name_of(reference: &Ref) -> String {
    reference.ref_location.rsplit('/').next().unwrap_or_default().to_owned()
}

fn tighten(schema: &mut RefOr<Schema>, waiting: &mut Vec<String>) {
    match schema {
        RefOr::Ref(reference) => waiting.push(name_of(reference)),
        RefOr::T(Schema::Object(object)) => tighten_object(object, waiting),
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                tighten(items, waiting);
            }
        }
        RefOr::T(Schema::OneOf(one)) => one.items.iter_mut().for_each(|item| tighten(item, waiting)),
        RefOr::T(_) => {}
    }
}

fn tighten_object(object: &mut Object, waiting: &mut Vec<String>) {
    if !object.properties.is_empty() {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
    if is_free_text(object) {
        object.pattern = Some(LINE.to_owned());
    }
    object.properties.values_mut().for_each(|property| tighten(property, waiting));
}

fn is_free_text(object: &Object) -> bool {
    let is_text = match &object.schema_type {
        SchemaType::Type(kind) => *kind == Type::String,
        SchemaType::Array(kinds) => kinds.contains(&Type::String),
        SchemaType::AnyValue => false,
    };
    is_text && object.pattern.is_none() && object.format.is_none() && object.enum_values.is_none()
}
