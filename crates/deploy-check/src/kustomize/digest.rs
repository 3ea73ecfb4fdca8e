//! The digest in a generated `ConfigMap`'s name, as Kustomize computes it: a change of its content is another name, and so rolls
//! the pods that use it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where an object that is to get one says so until it has it.
const MARK: &str = "deploy-check/digest";

pub(super) fn mark(object: &mut Value) {
    object["metadata"][MARK] = true.into();
}

/// Gives every marked `ConfigMap` its digest, and all that use it the new name.
pub(super) fn name_by_content(objects: &mut [Value]) {
    let mut renamed: Vec<(String, String)> = Vec::new();
    for object in objects.iter_mut() {
        let marked = object["metadata"].as_object_mut().and_then(|metadata| metadata.remove(MARK)).is_some();
        let Some(name) = object.pointer("/metadata/name").and_then(Value::as_str).filter(|_| marked) else { continue };
        let (name, new) = (name.to_owned(), format!("{name}-{}", digest(&object["data"])));
        object["metadata"]["name"] = new.clone().into();
        renamed.push((name, new));
    }
    for object in objects.iter_mut() {
        rename(object, &renamed);
    }
}

/// The first ten signs of a hash, in an alphabet without vowels and without signs that look alike.
fn digest(data: &Value) -> String {
    // Kustomize hashes with an empty name, so that the name itself is no part of what changes it.
    // Sorted, as Go's encoder writes a map, whatever order serde_json keeps.
    let data: BTreeMap<&String, &Value> = data.as_object().into_iter().flatten().collect();
    let text = json!({"data": data, "kind": "ConfigMap", "name": ""}).to_string();
    // Go's encoder escapes these.
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let mut hash = String::new();
    for byte in Sha256::digest(text.as_bytes()).iter().take(5) {
        // Writing to a String cannot fail.
        write!(hash, "{byte:02x}").ok();
    }
    hash.chars()
        .map(|sign| match sign {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        })
        .collect()
}

fn rename(value: &mut Value, renamed: &[(String, String)]) {
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                if matches!(key.as_str(), "configMapRef" | "configMapKeyRef" | "configMap")
                    && let Some(name) = below.get_mut("name")
                    && let Some((_, new)) = renamed.iter().find(|(old, _)| Some(old.as_str()) == name.as_str())
                {
                    *name = new.clone().into();
                }
                rename(below, renamed);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|below| rename(below, renamed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `kubectl kustomize` 5.5 calls a `ConfigMap` `a` with the literal `x=y`.
    #[test]
    fn a_name_ends_as_kustomize_has_it_end() {
        assert_eq!(digest(&json!({"x": "y"})), "6gc9d749f7");
    }

    #[test]
    fn whoever_uses_it_gets_the_new_name() {
        let mut map = json!({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "y"}});
        mark(&mut map);
        let user = json!({"kind": "Job", "spec": {"envFrom": [{"configMapRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}]}});
        let mut objects = [map, user];
        name_by_content(&mut objects);
        assert_eq!(objects[0]["metadata"], json!({"name": "a-6gc9d749f7"}));
        assert_eq!(objects[1]["spec"]["envFrom"][0]["configMapRef"]["name"], "a-6gc9d749f7");
        assert_eq!(objects[1]["spec"]["envFrom"][1]["configMapRef"]["name"], "b");
    }
}
