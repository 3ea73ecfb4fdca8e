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

        let nullable = |schema: &Value| {
            schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null"))) || schema["oneOf"].is_array()
        };
        let wanted: BTreeSet<String> = properties
            .iter()
            .filter(|(_, schema)| !nullable(schema))
            .map(|(name, _)| format!("/{name} null_not_allowed"))
            .collect();
        // Where every field may be null, a body of nulls is a good one.
        if !wanted.is_empty() {
            let nulls: Map<String, Value> = properties.keys().map(|name| (name.clone(), Value::Null)).collect();
            let refused = faults(&caller.send(&line, &nulls.into()).await.refused(422, "validation_failed"));
            assert_eq!(refused.into_iter().collect::<BTreeSet<_>>(), wanted, "{line}");
        }

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

/// What a client generator reads is what is in the repository, so that a change of it is seen in review.
#[test]
fn the_description_is_the_one_that_was_reviewed() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/kv-erp.json");
    let kept = std::fs::read_to_string(kept).unwrap();
    let made = String::from_utf8(kv_erp::http::openapi_json()).unwrap();
    let differs = kept.lines().zip(made.lines()).find(|(kept, made)| kept != made);
    assert!(
        kept.trim_end() == made.trim_end(),
        "the description changed, first at {differs:?}; to keep it: kv-erp openapi > openapi/kv-erp.json"
    );
}

/// Every example can be sent as it is: what is missing is only what its ids name.
#[tokio::test]
async fn every_example_of_a_body_is_read() {
    let world = World::new().await;
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    let caller = world.one.with("x-lock-token", "0".repeat(32)).with("if-match", "*");
    for operation in operations(&world).await.iter().filter(|operation| operation.body.is_some()) {
        let (method, path) = operation.line.split_once(' ').unwrap();
        let body = &document["paths"][path][method.to_lowercase()]["requestBody"]["content"]["application/json"];
        let example = &body["example"];
        assert!(example.as_object().is_some_and(|example| !example.is_empty()), "{} has no example", operation.line);
        let answer = caller.send(&with_some_path(operation), example).await;
        let of_form = faults(&answer.body).into_iter().filter(|fault| !fault.contains(" unknown_"));
        let code = answer.body["code"].as_str().unwrap_or_default();
        assert!(
            code != "validation_failed" && code != "bad_request" && answer.status != 428 && answer.status < 500,
            "{}: {:?} {:#}",
            operation.line,
            of_form.collect::<Vec<_>>(),
            answer.body
        );
    }
}

#[tokio::test]
async fn every_answer_with_a_body_has_an_example() {
    let world = World::new().await;
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    let mut seen = 0;
    let shared = document["components"]["responses"].as_object().unwrap().values();
    let own = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let own = own.filter_map(|operation| operation["responses"].as_object()).flat_map(Map::values);
    for content in shared.chain(own).filter_map(|answer| answer["content"].as_object()).flat_map(Map::values) {
        // Of any JSON there is no example; the only such answer is the description itself.
        assert!(content["schema"] == json!({}) || !content["example"].is_null(), "{content:#}");
        seen += 1;
    }
    assert!(seen > 40, "only {seen} answers were found");
}

/// A description that allows what is refused, or the other way round, sends its readers into errors.
#[tokio::test]
async fn texts_and_numbers_are_described_as_they_are_read() {
    let world = World::new().await;
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    let schema = |name: &str| document.pointer(&format!("/components/schemas/{name}")).unwrap().clone();
    let customer = schema("NewCustomer");
    assert_eq!(customer["additionalProperties"], json!(false));
    let line = regex_of(&customer["properties"]["name"]);
    let email = regex_of(&customer["properties"]["email"]);
    for (name, address) in
        [("a", "a@b"), (" ", "a"), ("\u{85}", "@"), (" x ", "a@b@c"), ("a\nb", "a b@c"), ("\u{2003}", "ä@ö")]
    {
        let body = json!({"code": name, "name": name, "email": address});
        let faults = faults(&world.one.post("/customers", &body).await.body);
        let is_refused = |pointer: &str| faults.iter().any(|fault| fault.starts_with(pointer));
        assert_eq!(line.is_match(name), !is_refused("/name"), "{name:?}: {faults:?}");
        assert_eq!(email.is_match(address), !is_refused("/email"), "{address:?}: {faults:?}");
    }
    let parameters = document.pointer("/paths/~1api~1v1~1orders/post/parameters").unwrap().as_array().unwrap();
    assert!(parameters.iter().all(|parameter| parameter["schema"]["type"] == "string"), "{parameters:#?}");
}

/// Whoever reads is told how to see what was written, and whoever writes is told with what.
#[tokio::test]
async fn every_read_takes_a_token_and_every_write_gives_one() {
    let world = World::new().await;
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    assert_eq!(document.pointer("/components/parameters/X-Read-Your-Writes/in"), Some(&json!("header")));
    let parameter = json!({"$ref": "#/components/parameters/X-Read-Your-Writes"});
    let header = json!({"$ref": "#/components/headers/X-Read-Your-Writes"});
    let (mut reads, mut writes) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|_| path.starts_with("/api/v1/")) {
            let Some(responses) = operation["responses"].as_object() else { continue };
            if method == "get" {
                assert!(operation["parameters"].as_array().unwrap().contains(&parameter), "{path}");
                reads += 1;
                continue;
            }
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('2')) {
                assert_eq!(response["headers"]["X-Read-Your-Writes"], header, "{method} {path} {status}");
                writes += 1;
            }
        }
    }
    assert!(reads > 30 && writes > 50, "{reads} reads, {writes} answers to writes");
}

/// A parameter of which only some words are taken says which: who draws from the description is not refused for it.
#[tokio::test]
async fn a_parameter_that_is_described_as_any_text_takes_any_text() {
    let world = World::new().await;
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for parameter in item.pointer("/get/parameters").and_then(Value::as_array).into_iter().flatten() {
            let (name, schema) = (parameter["name"].as_str().unwrap_or_default(), &parameter["schema"]);
            let is_any_text = schema["type"] == "string" && schema["enum"].is_null() && schema["format"].is_null();
            if parameter["in"] != "query" || !is_any_text || name == "cursor" || path.contains('{') {
                continue;
            }
            tried += 1;
            // Three capitals, because that is what a currency is described as.
            let answer = world.one.get(&format!("{path}?{name}=XTS")).await;
            assert_eq!(answer.status, 200, "{path}?{name}=: {:#}", answer.body);
        }
    }
    assert!(tried > 10, "only {tried} parameters were found");
}

/// A pattern of ECMA-262, of which ours use what other dialects have too.
fn regex_of(schema: &Value) -> regex::Regex {
    let pattern = schema["pattern"].as_str().unwrap();
    regex::Regex::new(&pattern.replace("\\u00", "\\x")).unwrap()
}

/// Who follows docs/features.md must not be sent to an address that is none.
#[tokio::test]
async fn the_features_name_operations_that_there_are() {
    let features = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/features.md")).unwrap();
    let world = World::new().await;
    let all: BTreeSet<String> = operations(&world).await.into_iter().map(|operation| operation.line).collect();
    let request = regex::Regex::new(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)").unwrap();
    let mut named = 0;
    for [method, path] in request.captures_iter(&features).map(|found| found.extract().1) {
        let is_there = ["", "/api/v1"].iter().any(|base| all.contains(&format!("{method} {base}{path}")));
        assert!(is_there || path == "/docs", "{method} {path}");
        named += 1;
    }
    assert!(named > 40, "only {named} requests were found");
}
