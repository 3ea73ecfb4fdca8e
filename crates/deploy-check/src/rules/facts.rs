//! What the manifests are held against: the programs' settings, the interface's description, the images, the documents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::programs::Programs;
use crate::yaml::{self, ReadError};

/// What is known of the programs and the documents.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) root: PathBuf,
    /// The variables of `kv-erp`.
    pub(crate) variables: BTreeSet<String>,
    /// Paths that `kv-erp api` answers.
    pub(crate) api_paths: BTreeSet<String>,
    /// Paths that `kv-erp worker` answers.
    pub(crate) worker_paths: BTreeSet<String>,
    /// How long the service waits for requests under way, in seconds.
    pub(crate) drain_s: i64,
    /// How long a worker may take to give back what it has, in seconds.
    pub(crate) give_back_s: i64,
    /// The stages of the Dockerfile that are images.
    pub(crate) images: BTreeSet<String>,
    /// `SECRET/KEY` of every secret that the document says how to make.
    pub(crate) secrets: BTreeSet<String>,
}

impl Facts {
    pub(crate) fn gather(root: &Path, programs: &dyn Programs) -> Result<Self, ReadError> {
        let settings = programs.settings().map_err(ReadError::Program)?;
        let description: Value = serde_json::from_str(&yaml::text(&root.join("openapi/kv-erp.json"))?)
            .map_err(|error| ReadError::Shape { file: root.join("openapi/kv-erp.json"), why: error.to_string() })?;
        let paths = description.get("paths").and_then(Value::as_object);
        let mut api_paths: BTreeSet<String> = paths.into_iter().flatten().map(|(path, _)| path.clone()).collect();
        // They describe themselves and are in no description.
        api_paths.extend(["/openapi.json", "/docs"].map(str::to_owned));
        let source = |file: &str, constant| seconds(root, file, constant);
        Ok(Self {
            root: root.to_path_buf(),
            variables: variables(&settings),
            api_paths,
            worker_paths: worker_paths(&settings),
            drain_s: source("crates/kv-erp/src/serve.rs", "DRAIN")?,
            give_back_s: source("crates/kv-erp/src/worker/mod.rs", "GIVE_BACK_WITHIN")?,
            images: stages(&yaml::text(&root.join("deploy/Dockerfile"))?),
            secrets: documented_secrets(&yaml::text(&root.join("docs/kubernetes.md"))?),
        })
    }
}

/// The third column of the table of settings.
fn variables(settings: &str) -> BTreeSet<String> {
    let column = |line: &str| Some(line.split('|').nth(3)?.trim().trim_matches('`').to_owned());
    settings.lines().filter_map(column).filter(|name| name.starts_with("KV_")).collect()
}

/// What a worker answers stands in the meaning of its address.
fn worker_paths(settings: &str) -> BTreeSet<String> {
    let line = settings.lines().find(|line| line.contains("`KV_WORKER_LISTEN`")).unwrap_or_default();
    let words = line.split([' ', ',', ';']).filter(|word| word.starts_with('/'));
    words.map(str::to_owned).collect()
}

/// A constant `const NAME: Duration = Duration::from_secs(N);` of a source file.
fn seconds(root: &Path, file: &str, constant: &str) -> Result<i64, ReadError> {
    let file = root.join(file);
    let text = yaml::text(&file)?;
    let begin = format!("const {constant}: Duration = Duration::from_secs(");
    let found = text.split_once(&begin).and_then(|(_, rest)| rest.split(')').next()).and_then(|n| n.parse().ok());
    found.ok_or_else(|| ReadError::Shape {
        why: format!(
            "no `{begin}N)`; the pods' time to end is reckoned from it\nhint: crates/deploy-check/src/rules/facts.rs"
        ),
        file,
    })
}

/// The named stages that have an ENTRYPOINT.
fn stages(dockerfile: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut stage = None;
    for line in dockerfile.lines() {
        if let Some(rest) = line.strip_prefix("FROM ") {
            stage = rest.split(" AS ").nth(1).map(str::trim);
        }
        if line.starts_with("ENTRYPOINT")
            && let Some(stage) = stage
        {
            found.insert(stage.to_owned());
        }
    }
    found
}

/// `kubectl create secret generic NAME --from-literal=KEY=..`, over several lines where they end in a backslash.
fn documented_secrets(document: &str) -> BTreeSet<String> {
    let joined = document.replace("\\\n", " ");
    let commands = joined.lines().filter_map(|line| line.split_once("create secret generic ").map(|(_, rest)| rest));
    let mut found = BTreeSet::new();
    for command in commands {
        let mut words = command.split_whitespace();
        let Some(name) = words.next() else { continue };
        for word in words {
            let given = ["--from-literal=", "--from-file="].iter().find_map(|flag| word.strip_prefix(flag));
            if let Some((key, _)) = given.and_then(|given| given.split_once('=')) {
                found.insert(format!("{name}/{key}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_where_they_stand() {
        let table = "| key | flag | variable |\n|---|---|---|\n| `listen` | `--listen` | `KV_LISTEN` | `x` |\n\
                     | `worker_listen` | `--listen` | `KV_WORKER_LISTEN` | | worker | Where to answer /healthz, /readyz and /metrics; port 0 |\n";
        assert_eq!(variables(table), BTreeSet::from(["KV_LISTEN".to_owned(), "KV_WORKER_LISTEN".to_owned()]));
        assert_eq!(worker_paths(table), BTreeSet::from(["/healthz", "/metrics", "/readyz"].map(str::to_owned)));
        let dockerfile =
            "FROM rust AS build\nRUN x\nFROM base AS one\nENTRYPOINT [\"a\"]\nFROM base AS two\nENTRYPOINT [\"b\"]\n";
        assert_eq!(stages(dockerfile), BTreeSet::from(["one".to_owned(), "two".to_owned()]));
        let document =
            "```sh\nkubectl -n x create secret generic a --from-literal=url=\"$U\" \\\n    --from-file=key=./f\n```\n";
        assert_eq!(documented_secrets(document), BTreeSet::from(["a/key".to_owned(), "a/url".to_owned()]));
    }
}
