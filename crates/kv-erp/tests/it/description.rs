//! The description of the interface says what the interface does: no dangling reference, and bodies as they are read.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::operations::{Operation, operations};
use crate::world::{World, faults};

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let world = World::new().await;
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"), "{found:?}");
    let dangling: Vec<_> = found.iter().filter(|reference| document.pointer(&reference[1..]).is_none()).collect();
    assert_eq!(dangling, Vec::<&String>::new());
}

/// A value for the path's parameters with which a body is read before anything is looked up.
fn with_some_path(operation: &Operation) -> String {
    let mut path = operation.line.clone();
    for parameter in ["{id}", "{resource}", "{product_id}", "{warehouse_id}"] {
        path = path.replace(parameter, "018f0000-0000-7000-8000-000000000000");
    }
    assert!(!path.contains('{'), "{path}");
    path
}

#[tokio::test]
async fn bodies_are_described_as_they_are_read() {
    let world = World::new().await;
    let caller = world.one.with("x-lock-token", "0".repeat(32)).with("if-match", "*");
    let mut described = 0;
    for operation in operations(&world).await {
        let Some(body) = &operation.body else { continue };
        if operation.line.ends_with("/auth/login") {
            continue;
        }
        described += 1;
        let line = with_some_path(&operation);
        let properties = body["properties"].as_object().unwrap();
        // No field has an object for its value, so every known field is refused for its type and no other field is.
        let odd: Map<String, Value> =
            properties.keys().map(|name| (name.clone(), json!({}))).chain([("zzz".to_owned(), json!(1))]).collect();
        let refused = faults(&caller.send(&line, &odd.into()).await.refused(422, "validation_failed"));
        let wanted: BTreeSet<String> = properties
            .keys()
            .map(|name| format!("/{name} wrong_type"))
            .chain(["/zzz unknown_field".to_owned()])
            .collect();
        assert_eq!(refused.into_iter().collect::<BTreeSet<_>>(), wanted, "{line}");

        let nulls: Map<String, Value> = properties.keys().map(|name| (name.clone(), Value::Null)).collect();
        let refused = faults(&caller.send(&line, &nulls.into()).await.refused(422, "validation_failed"));
        let nullable = |schema: &Value| {
            schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null"))) || schema["oneOf"].is_array()
        };
        let wanted: BTreeSet<String> = properties
            .iter()
            .filter(|(_, schema)| !nullable(schema))
            .map(|(name, _)| format!("/{name} null_not_allowed"))
            .collect();
        assert_eq!(refused.into_iter().collect::<BTreeSet<_>>(), wanted, "{line}");

        let required: BTreeSet<String> = body["required"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|name| format!("/{} required", name.as_str().unwrap()))
            .collect();
        if !required.is_empty() {
            let refused = faults(&caller.send(&line, &json!({})).await.refused(422, "validation_failed"));
            assert_eq!(refused.into_iter().collect::<BTreeSet<_>>(), required, "{line}");
        }
    }
    assert!(described >= 9, "only {described} bodies were found");
}
