//! What is printed while a check goes on, and the files it leaves.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use stampede_model::check::{CheckRun, WorkloadVerdict};
use stampede_report::check as report;

use super::order::Order;

/// What a file's ending asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Json,
    Html,
    Markdown,
    JUnit,
}

/// The kind of file that an ending asks for.
pub(super) fn kind_of(file: &Path) -> anyhow::Result<Kind> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(Kind::Json),
        Some("html") => Ok(Kind::Html),
        Some("md") => Ok(Kind::Markdown),
        Some("xml") => Ok(Kind::JUnit),
        _ => bail!("-o: {} ends in no known way\nhint: .json, .html, .md or .xml (JUnit)", file.display()),
    }
}

/// One line for a workload that was judged.
pub(super) fn line(verdict: &WorkloadVerdict) -> String {
    format!("{}\n", report::line(verdict))
}

/// The workloads and what each does.
pub(super) fn list(order: &Order) -> String {
    let width = order.workloads.iter().map(|workload| workload.id.as_ref().len()).max().unwrap_or(0);
    let line = |workload: &stampede_model::target::Workload| {
        let operations: Vec<&str> = workload.bind.keys().map(String::as_str).collect();
        format!(
            "{:<width$}  {}: {} clients, {} objects; {}\n",
            workload.id.as_ref(),
            workload.model.as_ref(),
            workload.clients,
            workload.keys,
            operations.join(", ")
        )
    };
    order.workloads.iter().map(line).collect()
}

/// Writes one file.
pub(super) fn write(file: &Path, run: &CheckRun) -> anyhow::Result<()> {
    let text = match kind_of(file)? {
        Kind::Json => serde_json::to_string_pretty(run).context("cannot write the run as JSON")? + "\n",
        Kind::Html => report::html(run),
        Kind::Markdown => report::markdown(run),
        Kind::JUnit => report::junit(run),
    };
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
