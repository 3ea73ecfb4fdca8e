//! Kustomize, as much of it as `deploy/` uses: resources, components, labels, generated `ConfigMap`s with a digest in their name,
//! namespace, images, and patches of RFC 6902. Anything else in a kustomization is refused by name.
//!
//! Invariant: what it renders is what `kubectl kustomize` renders; [`difference`] says so where there is a kubectl.
//! So the manifests can be checked where there is none.

mod digest;
mod file;
mod patch;
mod transform;

pub(crate) use transform::split as split_image;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::yaml::{self, ReadError};
use file::{Generator, Kustomization};

/// An overlay as it is applied.
#[derive(Debug, Default)]
pub struct Rendered {
    /// Its objects.
    pub objects: Vec<Value>,
}

/// Folders below `deploy/overlays` that hold a kustomization.
pub(crate) fn overlays(root: &Path) -> Result<Vec<String>, ReadError> {
    let mut found = Vec::new();
    walk(&root.join("deploy/overlays"), &mut found)?;
    let mut found: Vec<String> =
        found.into_iter().filter_map(|folder| Some(folder.strip_prefix(root).ok()?.display().to_string())).collect();
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let failed = |source| ReadError::Read { file: folder.to_path_buf(), source };
    if folder.join(file::NAME).exists() {
        found.push(folder.to_path_buf());
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            walk(&path, found)?;
        }
    }
    Ok(())
}

/// Renders the kustomization in `folder`, which is relative to `root`.
///
/// # Errors
/// When a file is missing, is no YAML, or uses what this renderer does not know.
pub fn render(root: &Path, folder: &str) -> Result<Rendered, ReadError> {
    let mut objects = build(&root.join(folder), Vec::new())?;
    digest::name_by_content(&mut objects);
    Ok(Rendered { objects })
}

/// Builds one kustomization; a component gets what is there already and works on that too.
fn build(folder: &Path, before: Vec<Value>) -> Result<Vec<Value>, ReadError> {
    let path = folder.join(file::NAME);
    let kustomization: Kustomization = yaml::one(&path)?;
    let wrong = |why: String| ReadError::Render { file: path.clone(), why };
    kustomization.check().map_err(wrong)?;
    let mut objects = before;
    for resource in &kustomization.resources {
        let place = folder.join(resource);
        if place.is_dir() {
            objects.extend(build(&place, Vec::new())?);
        } else {
            objects.extend(yaml::documents(&place)?);
        }
    }
    for component in &kustomization.components {
        objects = build(&folder.join(component), objects)?;
    }
    for generator in &kustomization.config_map_generator {
        objects.push(generate(folder, generator)?);
    }
    for patch in &kustomization.patches {
        patch::apply(&mut objects, patch).map_err(wrong)?;
    }
    if let Some(namespace) = &kustomization.namespace {
        transform::namespace(&mut objects, namespace);
    }
    for labels in &kustomization.labels {
        transform::labels(&mut objects, &labels.pairs);
    }
    for image in &kustomization.images {
        transform::image(&mut objects, image);
    }
    Ok(objects)
}

fn generate(folder: &Path, generator: &Generator) -> Result<Value, ReadError> {
    let file = folder.join(file::NAME);
    let wrong = |why: String| ReadError::Render { file: file.clone(), why };
    let mut data = Map::new();
    for literal in &generator.literals {
        let (key, value) = literal.split_once('=').ok_or_else(|| wrong(format!("`{literal}` is not KEY=VALUE")))?;
        data.insert(key.to_owned(), value.into());
    }
    for entry in &generator.files {
        let (key, path) = entry.split_once('=').unwrap_or((entry, entry));
        let name = Path::new(key).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        data.insert(name, yaml::text(&folder.join(path))?.into());
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), generator.name.clone().into());
    if !generator.options.labels.is_empty() {
        metadata.insert("labels".to_owned(), json!(generator.options.labels));
    }
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
    if !generator.options.disable_name_suffix_hash {
        digest::mark(&mut object);
    }
    Ok(object)
}

/// What another renderer's output (`kubectl kustomize`) has otherwise than ours; empty when they agree.
///
/// # Errors
/// When the other text is no YAML.
pub fn difference(ours: &Rendered, other: &str) -> Result<Vec<String>, String> {
    let theirs = yaml::documents_of(other)?;
    let name = |object: &Value| {
        format!(
            "{} {}",
            transform::kind(object),
            object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?")
        )
    };
    let mut found = Vec::new();
    for object in &ours.objects {
        match theirs.iter().find(|their| name(their) == name(object)) {
            None => found.push(format!("{} is missing there", name(object))),
            Some(their) if their != object => found.push(format!("{}: {}", name(object), first(object, their, ""))),
            Some(_) => {}
        }
    }
    let more = theirs.iter().filter(|their| ours.objects.iter().all(|object| name(object) != name(their)));
    found.extend(more.map(|their| format!("{} is there only", name(their))));
    Ok(found)
}

/// Where two values differ first.
fn first(ours: &Value, theirs: &Value, path: &str) -> String {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys()).find(|key| a.get(*key) != b.get(*key));
            keys.map_or_else(String::new, |key| {
                let null = Value::Null;
                first(a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null), &format!("{path}/{key}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let place = a.iter().zip(b).position(|(a, b)| a != b);
            place.map_or_else(String::new, |place| first(&a[place], &b[place], &format!("{path}/{place}")))
        }
        _ => format!("{path} is {ours} here and {theirs} there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_with_its_place() {
        let ours = Rendered {
            objects: vec![json!({"kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})],
        };
        let same = "kind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";
        assert_eq!(difference(&ours, same).unwrap(), Vec::<String>::new());
        let other =
            "kind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 81}]}\n---\nkind: Job\nmetadata: {name: b}\n";
        let found = difference(&ours, other).unwrap();
        assert_eq!(found, ["Service a: /spec/ports/0/port is 80 here and 81 there", "Job b is there only"]);
        assert_eq!(difference(&ours, "").unwrap(), ["Service a is missing there"]);
    }
}
