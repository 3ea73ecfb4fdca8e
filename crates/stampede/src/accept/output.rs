//! What goes to files and to the list of rows.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context;
use stampede_model::verdict::AcceptRun;

use super::order::Order;

/// The rows, what each does and what it demands.
pub(super) fn list(order: &Order) -> String {
    let rows = order.rows();
    let width = rows.iter().map(|row| row.id().len()).max().unwrap_or(0);
    let line = |row: &stampede_model::target::Row<'_>| {
        format!(
            "{:<width$}  {}: {} -> {}\n",
            row.id(),
            row.test(),
            row.metric(&order.target, order.effort),
            row.demand()
        )
    };
    rows.iter().map(line).collect()
}

/// Makes sure the file can be written, without harming what stands there.
pub(super) fn touch(file: &Path) -> anyhow::Result<()> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    opened.map(drop).with_context(|| format!("cannot write {}", file.display()))
}

/// Writes the run's files: JSON and Markdown.
pub(super) fn write((json, markdown): (&Option<PathBuf>, &Option<PathBuf>), run: &AcceptRun) -> anyhow::Result<()> {
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(run).context("cannot write the run as JSON")?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = markdown {
        let text = stampede_report::accept::markdown(run);
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
