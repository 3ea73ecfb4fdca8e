//! Patches of RFC 6902: add, replace, remove.

use serde::Deserialize;
use serde_json::Value;

use super::file::Patch;
use super::transform::kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase", tag = "op")]
enum Operation {
    Add { path: String, value: Value },
    Replace { path: String, value: Value },
    Remove { path: String },
}

/// Applies a patch to the one object it is aimed at.
pub(super) fn apply(objects: &mut [Value], patch: &Patch) -> Result<(), String> {
    let what = format!("{} {}", patch.target.kind, patch.target.name);
    let operations: Vec<Operation> =
        serde_saphyr::from_str(&patch.patch).map_err(|error| format!("the patch of {what}: {error}"))?;
    let named = |object: &Value| {
        kind(object) == patch.target.kind
            && object.pointer("/metadata/name").and_then(Value::as_str) == Some(patch.target.name.as_str())
    };
    let Some(object) = objects.iter_mut().find(|object| named(object)) else {
        return Err(format!("a patch is aimed at {what}, which is not there"));
    };
    operations
        .into_iter()
        .try_for_each(|operation| carry_out(object, operation).map_err(|why| format!("the patch of {what}: {why}")))
}

fn carry_out(object: &mut Value, operation: Operation) -> Result<(), String> {
    match operation {
        Operation::Add { path, value } => add(object, &path, value),
        Operation::Replace { path, value } => {
            let place = object.pointer_mut(&path).ok_or_else(|| format!("there is nothing at {path} to replace"))?;
            *place = value;
            Ok(())
        }
        Operation::Remove { path } => {
            let (parent, key) = parent(object, &path)?;
            let removed = match parent {
                Value::Object(map) => map.remove(&key).is_some(),
                Value::Array(list) => match key.parse::<usize>() {
                    Ok(place) if place < list.len() => {
                        list.remove(place);
                        true
                    }
                    _ => false,
                },
                _ => false,
            };
            if removed { Ok(()) } else { Err(format!("there is nothing at {path} to remove")) }
        }
    }
}

fn add(object: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (parent, key) = parent(object, path)?;
    match parent {
        Value::Object(map) => {
            map.insert(key, value);
            Ok(())
        }
        Value::Array(list) if key == "-" => {
            list.push(value);
            Ok(())
        }
        Value::Array(list) => match key.parse::<usize>() {
            Ok(place) if place <= list.len() => {
                list.insert(place, value);
                Ok(())
            }
            _ => Err(format!("{path}: the list has {} entries", list.len())),
        },
        _ => Err(format!("{path}: its parent is neither an object nor a list")),
    }
}

/// The value that holds the last part of a pointer, and that part.
fn parent<'a>(object: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let (above, key) = path.rsplit_once('/').ok_or_else(|| format!("`{path}` is no pointer: it begins with /"))?;
    let key = key.replace("~1", "/").replace("~0", "~");
    let parent = object.pointer_mut(above).ok_or_else(|| format!("there is nothing at {above}"))?;
    Ok((parent, key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(patch: &str) -> Result<Value, String> {
        let object =
            json!({"kind": "Job", "metadata": {"name": "a", "labels": {"x/y": "1"}}, "spec": {"args": ["one"]}});
        let target = super::super::file::Target { kind: "Job".into(), name: "a".into() };
        let mut objects = [object];
        apply(&mut objects, &Patch { target, patch: patch.into() })?;
        let [object] = objects;
        Ok(object)
    }

    #[test]
    fn operations_do_what_the_rfc_says() {
        let added =
            patched("- {op: add, path: /spec/args/-, value: two}\n- {op: add, path: /spec/args/0, value: zero}\n");
        assert_eq!(added.unwrap()["spec"]["args"], json!(["zero", "one", "two"]));
        let replaced = patched("- {op: replace, path: /metadata/labels/x~1y, value: '2'}\n").unwrap();
        assert_eq!(replaced["metadata"]["labels"], json!({"x/y": "2"}));
        assert_eq!(patched("- {op: remove, path: /spec/args/0}\n").unwrap()["spec"]["args"], json!([]));
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        for (patch, word) in [
            ("- {op: replace, path: /spec/nothing, value: 1}", "nothing at /spec/nothing"),
            ("- {op: remove, path: /spec/args/7}", "nothing at /spec/args/7"),
            ("- {op: add, path: /nowhere/x, value: 1}", "nothing at /nowhere"),
            ("- {op: move, path: /spec, from: /x}", "move"),
        ] {
            let error = patched(patch).unwrap_err();
            assert!(error.contains(word) && error.contains("Job a"), "{error}");
        }
    }
}
