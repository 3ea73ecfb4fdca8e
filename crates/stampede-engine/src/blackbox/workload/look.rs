//! What a history keeps of an answer: what the request takes, and for some models a little more.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value, json};
use stampede_model::history::{Fields, Operation, Outcome};

use super::super::exchange::Answered;

/// What every planted text begins with.
pub(super) const CANARY: &str = "cnry-";

/// What is read out of an answer beyond what its request takes.
#[derive(Clone, Debug, Default)]
pub(super) enum Look {
    /// Nothing.
    #[default]
    Plain,
    /// The planted texts in its head and body.
    Canaries,
    /// Versions and amounts of several objects, found in the list that was taken as `items`: each object's name in the history, and
    /// the id by which its item is known. Without a list the answer is about the only object.
    Lines(Vec<(String, Value)>),
    /// A digest of the body, so that two answers can be compared.
    Digest,
    /// The same as `digest`: the answer of a script.
    Script,
    /// The ids in the list that was taken as `found`.
    Ids,
}

impl Look {
    /// Fills an operation's output from its answer.
    pub(super) fn at(&self, operation: &mut Operation, answered: &Answered) {
        let taken = &answered.taken;
        operation.output = taken.names().filter_map(|name| Some((name, taken.get(name)?.clone()))).collect();
        if operation.outcome == Outcome::Info {
            return;
        }
        match self {
            Self::Plain => {}
            Self::Canaries => drop(operation.output.set("canaries", canaries(answered))),
            Self::Lines(keys) => operation.output = lines(keys, answered),
            Self::Digest => drop(operation.output.set("body", digest(&answered.body))),
            Self::Script => drop(operation.output.set("digest", digest(&answered.body))),
            Self::Ids => drop(operation.output.set("ids", ids(taken.get("found")))),
        }
    }
}

fn digest(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The planted texts, each once.
fn canaries(answered: &Answered) -> Vec<Value> {
    let head = answered.headers.values().filter_map(|value| value.to_str().ok());
    let body = String::from_utf8_lossy(&answered.body);
    let mut found: Vec<Value> = Vec::new();
    for text in head.chain([&*body]) {
        for (at, _) in text.match_indices(CANARY) {
            let rest = &text[at..];
            let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
            let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            let canary = Value::from(&rest[..end]);
            if !found.contains(&canary) {
                found.push(canary);
            }
        }
    }
    found
}

fn lines(keys: &[(String, Value)], answered: &Answered) -> Fields {
    let items = answered.taken.get("items").and_then(Value::as_array);
    let line = |(key, id): &(String, Value)| {
        let of_item = |name: &str| {
            let items = items?;
            let item =
                items.iter().find(|item| item.as_object().is_some_and(|item| item.values().any(|value| value == id)));
            item?.get(name).cloned()
        };
        let field = |name: &str| if items.is_some() { of_item(name) } else { answered.taken.get(name).cloned() };
        let mut line = json!({"key": key, "version": field("version")?});
        if let (Some(available), Some(object)) = (field("available"), line.as_object_mut()) {
            object.insert("available".to_owned(), available);
        }
        Some(line)
    };
    let lines: Vec<Value> = keys.iter().filter_map(line).collect();
    if lines.is_empty() { Fields::new() } else { Fields::new().with("lines", lines) }
}

/// Ids of a list whose rows are ids or objects with an `id`; one object that is no list is a list of one.
fn ids(found: Option<&Value>) -> Vec<Value> {
    let id = |row: &Value| row.get("id").cloned().unwrap_or_else(|| row.clone());
    match found {
        Some(Value::Array(rows)) => rows.iter().map(id).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![id(one)],
    }
}
