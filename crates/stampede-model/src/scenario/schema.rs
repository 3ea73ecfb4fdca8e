//! The JSON schema of a scenario file, for editors that complete and check TOML.
//!
//! Invariant: it is made from the keys that the reader accepts, so the two cannot differ.
//! Absent on purpose: what a schema cannot say (names that must exist, contradictions). `stampede plan` says it.

use serde_json::{Map, Value, json};

use super::keys::{ALL, FILE, Kind, Shape};

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for kind in ALL.iter().filter(|kind| kind.name != FILE.name) {
        definitions.insert(kind.name.to_owned(), table(kind));
    }
    let mut whole = table(&FILE);
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    whole["title"] = "stampede scenario".into();
    whole["$defs"] = definitions.into();
    whole
}

fn table(kind: &Kind) -> Value {
    let properties: Map<String, Value> = kind
        .keys
        .iter()
        .map(|key| {
            let mut value = shape(key.shape);
            value["description"] = key.doc.into();
            (key.name.to_owned(), value)
        })
        .collect();
    json!({ "type": "object", "description": kind.doc, "properties": properties, "additionalProperties": false })
}

fn shape(of: Shape) -> Value {
    match of {
        Shape::Text => json!({ "type": "string" }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Truth => json!({ "type": "boolean" }),
        Shape::Count => json!({ "type": "integer", "minimum": 0 }),
        Shape::Duration => json!({ "type": "string", "pattern": "^ *[0-9.]+ *(ns|us|µs|ms|s|m|min|h) *$" }),
        Shape::Rate => {
            json!({ "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "type": "string", "pattern": "^ *[0-9.]+ *[kKmM]?(/(s|m|min|h))? *$" }] })
        }
        Shape::Statuses => {
            let one = json!({ "anyOf": [{ "type": "integer", "minimum": 100, "maximum": 599 }, { "type": "string", "pattern": "^[1-5]xx$" }] });
            json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
        }
        Shape::Json => json!({}),
        Shape::Table(kind) => json!({ "$ref": format!("#/$defs/{}", kind.name) }),
        Shape::Map(values) => json!({ "type": "object", "additionalProperties": shape(*values) }),
        Shape::List(items) => json!({ "type": "array", "items": shape(*items) }),
        Shape::Pair(first, second) => {
            json!({ "type": "array", "prefixItems": [shape(*first), shape(*second)], "minItems": 2, "maxItems": 2 })
        }
        Shape::Any(shapes) => json!({ "anyOf": shapes.iter().map(|one| shape(*one)).collect::<Vec<_>>() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_key_is_in_it() {
        let schema = schema();
        for kind in ALL {
            let table = if kind.name == FILE.name { &schema } else { &schema["$defs"][kind.name] };
            let properties = table["properties"].as_object().unwrap();
            assert_eq!(properties.len(), kind.keys.len(), "{}: a key stands there twice", kind.name);
            for key in kind.keys {
                assert!(properties.contains_key(key.name), "{}.{}", kind.name, key.name);
                assert!(properties[key.name]["description"].as_str().is_some_and(|doc| doc.ends_with('.')));
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let schema = schema();
        let text = schema.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]) {
            assert!(schema.pointer(reference).is_some(), "{reference}");
        }
    }

    #[test]
    fn the_committed_schema_is_current() {
        let committed = include_str!("../../../../scenarios/scenario.schema.json");
        let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        assert_eq!(committed, current, "write it anew: stampede plan --schema > scenarios/scenario.schema.json");
    }
}
