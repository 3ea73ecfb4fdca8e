//! What a kustomization does to all objects: namespace, labels, images.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::file::Image;

/// An object's kind.
pub(super) fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or("?")
}

/// Puts everything that has a namespace into this one, and a binding's account with it.
pub(super) fn namespace(objects: &mut [Value], namespace: &str) {
    for object in objects {
        if kind(object) == "Namespace" {
            object["metadata"]["name"] = namespace.into();
            continue;
        }
        object["metadata"]["namespace"] = namespace.into();
        if kind(object) != "RoleBinding" {
            continue;
        }
        for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            if kind(subject) == "ServiceAccount" {
                subject["namespace"] = namespace.into();
            }
        }
    }
}

/// Adds labels to the objects themselves.
pub(super) fn labels(objects: &mut [Value], pairs: &BTreeMap<String, String>) {
    for object in objects {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { continue };
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.extend(pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))));
        }
    }
}

/// Gives an image its name and tag wherever it is used.
pub(super) fn image(objects: &mut [Value], image: &Image) {
    for object in objects {
        each_container(object, &mut |container| {
            let Some(used) = container.get("image").and_then(Value::as_str) else { return };
            let (name, tag) = split(used);
            if name != image.name {
                return;
            }
            let name = image.new_name.as_deref().unwrap_or(name);
            let tag = image.new_tag.as_deref().or(tag);
            let whole = tag.map_or_else(|| name.to_owned(), |tag| format!("{name}:{tag}"));
            container.insert("image".to_owned(), whole.into());
        });
    }
}

/// An image's name and its tag; a colon before a slash belongs to the registry.
pub(crate) fn split(image: &str) -> (&str, Option<&str>) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

fn each_container(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                let containers = matches!(key.as_str(), "containers" | "initContainers");
                if containers && let Value::Array(list) = &mut *below {
                    list.iter_mut().filter_map(Value::as_object_mut).for_each(&mut *visit);
                }
                each_container(below, visit);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|below| each_container(below, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_no_tag() {
        assert_eq!(split("kv-erp"), ("kv-erp", None));
        assert_eq!(split("kv-erp:0.1.0"), ("kv-erp", Some("0.1.0")));
        assert_eq!(split("host:5000/kv-erp"), ("host:5000/kv-erp", None));
        assert_eq!(split("host:5000/kv-erp:1"), ("host:5000/kv-erp", Some("1")));
    }
}
