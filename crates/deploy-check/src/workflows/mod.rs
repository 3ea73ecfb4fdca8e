//! `.github/workflows`: read by types of their own, held to what is asked of a workflow that may be trusted, and every command in
//! them held against the program it calls.
//!
//! Sources: <https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions>,
//! <https://docs.github.com/en/actions/security-for-github-actions/security-guides/security-hardening-for-github-actions>.

mod commands;
mod file;
mod shell;

use std::path::Path;

pub(crate) use commands::{CommandLine, objections};

use crate::finding::Finding;
use crate::programs::Programs;
use crate::yaml::{self, ReadError};
use file::{Job, Permissions, Step, Workflow};

const FOLDER: &str = ".github/workflows";
/// What a job may be allowed besides reading the tree: to publish what it made, or to comment.
const MAY_WRITE: [&str; 3] = ["contents", "packages", "pull-requests"];

/// How many workflows there are, and what is wrong with them.
pub(crate) fn check(root: &Path, programs: &dyn Programs) -> Result<(usize, Vec<Finding>), ReadError> {
    let folder = root.join(FOLDER);
    let failed = |source| ReadError::Read { file: folder.clone(), source };
    let (mut count, mut found) = (0, Vec::new());
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        count += 1;
        let text = yaml::text(&path)?;
        match yaml::one::<Workflow>(&path) {
            Ok(workflow) => found.extend(judge(root, (&name, &text), &workflow, programs)),
            Err(error) => found.push(Finding::new(format!("{FOLDER}/{name}"), error.to_string())),
        }
    }
    Ok((count, found))
}

fn judge(root: &Path, (name, text): (&str, &str), workflow: &Workflow, programs: &dyn Programs) -> Vec<Finding> {
    let at = format!("{FOLDER}/{name}");
    let mut found = Vec::new();
    if workflow.on.contains_key("pull_request_target") {
        found.push(Finding::new(&at, "pull_request_target runs a stranger's change with this repository's rights"));
    }
    match &workflow.permissions {
        Some(Permissions::Each(each)) if each.iter().all(|(what, right)| what == "contents" && right == "read") => {}
        _ => found.push(Finding::new(
            &at,
            "permissions at the top are not `contents: read` alone; a job that needs more says so itself",
        )),
    }
    for (id, job) in &workflow.jobs {
        let at = format!("{at} {id}");
        if job.timeout_minutes.is_none() {
            found.push(Finding::new(&at, "timeout-minutes is missing: six hours is the default"));
        }
        found.extend(rights(&at, job));
        for step in &job.steps {
            found.extend(judge_step(root, &at, (step, text), programs));
        }
    }
    found
}

fn rights(at: &str, job: &Job) -> Vec<Finding> {
    let Some(permissions) = &job.permissions else { return Vec::new() };
    let Permissions::Each(each) = permissions else {
        return vec![Finding::new(at, "permissions for everything; name each")];
    };
    let excessive =
        each.iter().filter(|(what, right)| right.as_str() == "write" && !MAY_WRITE.contains(&what.as_str()));
    let mut found: Vec<Finding> =
        excessive.map(|(what, _)| Finding::new(at, format!("may write {what}, which nothing here needs"))).collect();
    let may_write = each.values().any(|right| right == "write");
    let runs_the_change =
        job.steps.iter().any(|step| step.uses.as_deref().is_some_and(|uses| uses.starts_with("actions/checkout@")));
    if may_write && runs_the_change && each.contains_key("pull-requests") {
        found.push(Finding::new(at, "checks out the change and may write; hint: a job of its own for the comment"));
    }
    found
}

fn judge_step(root: &Path, at: &str, (step, text): (&Step, &str), programs: &dyn Programs) -> Vec<Finding> {
    let mut found = Vec::new();
    match (&step.uses, &step.run) {
        (Some(uses), None) => {
            let pin = uses.split_once('@').map_or("", |(_, pin)| pin);
            if pin.len() != 40 || !pin.chars().all(|sign| sign.is_ascii_hexdigit()) {
                found.push(Finding::new(at, format!("{uses} is not pinned to a commit; a tag can be moved")));
            } else if !text.lines().any(|line| line.contains(uses.as_str()) && line.contains("# v")) {
                found.push(Finding::new(
                    at,
                    format!("{uses} does not say which version the commit is; hint: # v1.2.3 behind it"),
                ));
            }
            let keeps = step.with.get("persist-credentials").and_then(serde_json::Value::as_bool) != Some(false);
            if uses.starts_with("actions/checkout@") && keeps {
                found.push(Finding::new(
                    at,
                    "checkout leaves its token in .git; hint: with: persist-credentials: false",
                ));
            }
        }
        (None, Some(run)) => {
            if run.contains("${{") {
                found.push(Finding::new(
                    at,
                    "an expression stands in the text of a script, where its value could be a command; hint: env:",
                ));
            }
            for line in shell::commands(run) {
                found.extend(objections(root, &line, programs).into_iter().map(|what| Finding::new(at, what)));
            }
        }
        _ => found.push(Finding::new(at, "a step has either `uses` or `run`")),
    }
    found
}
