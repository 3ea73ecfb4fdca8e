//! A workflow file. A key that is not known here is an error with its line.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Workflow {
    #[expect(dead_code, reason = "it must be there and a text")]
    name: String,
    pub(super) on: BTreeMap<String, Value>,
    pub(super) permissions: Option<Permissions>,
    #[serde(default)]
    #[expect(dead_code, reason = "it must be of this shape")]
    concurrency: Option<Concurrency>,
    pub(super) jobs: BTreeMap<String, Job>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Permissions {
    Each(BTreeMap<String, String>),
    All(#[expect(dead_code, reason = "that it is one word is enough")] String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Concurrency {
    #[expect(dead_code, reason = "it must be there and a text")]
    group: String,
    #[serde(default)]
    #[expect(dead_code, reason = "a switch or an expression")]
    cancel_in_progress: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Job {
    #[serde(rename = "if")]
    #[expect(dead_code, reason = "it must be a text")]
    condition: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "one name or several")]
    needs: Value,
    #[expect(dead_code, reason = "it must be there and a text")]
    runs_on: String,
    pub(super) timeout_minutes: Option<u32>,
    pub(super) permissions: Option<Permissions>,
    #[serde(default)]
    #[expect(dead_code, reason = "it must be of this shape")]
    env: BTreeMap<String, String>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    #[expect(dead_code, reason = "it must be a text")]
    name: Option<String>,
    #[expect(dead_code, reason = "it must be a text")]
    id: Option<String>,
    #[serde(rename = "if")]
    #[expect(dead_code, reason = "it must be a text")]
    condition: Option<String>,
    pub(super) uses: Option<String>,
    #[serde(default)]
    pub(super) with: BTreeMap<String, Value>,
    pub(super) run: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "it must be of this shape")]
    env: BTreeMap<String, String>,
}
