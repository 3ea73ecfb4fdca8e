//! The operations of the interface, read from its own description.

use serde_json::Value;

use crate::world::World;

/// One method on one path.
#[derive(Debug)]
pub(crate) struct Operation {
    /// `METHOD /path`, with the path's parameters in braces.
    pub(crate) line: String,
    /// The names of its query parameters.
    pub(crate) query: Vec<String>,
    /// Its body's schema, references resolved.
    pub(crate) body: Option<Value>,
}

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// Every operation that the service describes.
pub(crate) async fn operations(world: &World) -> Vec<Operation> {
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let query = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                .collect();
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            let body = schema.map(|schema| resolve(&document, schema));
            found.push(Operation { line: format!("{} {path}", method.to_uppercase()), query, body });
        }
    }
    assert!(found.len() > 25, "the description lost operations: {found:?}");
    found
}

/// Replaces references by what they name.
fn resolve(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolve(document, document.pointer(&reference[1..]).unwrap());
    }
    match schema {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), resolve(document, value))).collect(),
        Value::Array(values) => values.iter().map(|value| resolve(document, value)).collect(),
        other => other.clone(),
    }
}
