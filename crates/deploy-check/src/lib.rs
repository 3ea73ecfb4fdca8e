//! `deploy/` and `.github/workflows`, read as a cluster and a runner would read them, and held against the programs they start.
//!
//! Invariants: every manifest is rendered as an overlay applies it and read by the types of Kubernetes' own description; nothing is
//! sent anywhere; every rule names the file or overlay, the object and what to do. What the programs accept is asked of the programs
//! ([`Programs`]), not written down a second time.
//! Absent on purpose: a cluster. Whether an image can be pulled or a node has room is not known here.

mod cluster;
mod crds;
mod finding;
mod kustomize;
mod metrics;
mod programs;
mod rules;
mod typed;
mod workflows;
mod yaml;

use std::path::Path;

pub use finding::Finding;
pub use kustomize::{Rendered, difference, render};
pub use metrics::{declared_metrics, named_metrics};
pub use programs::{ConfigAnswer, Programs};
pub use yaml::ReadError;

use cluster::Cluster;

/// What a check saw.
#[derive(Debug, Default)]
pub struct Checked {
    /// Folders with a kustomization that can be applied, relative to the root.
    pub overlays: Vec<String>,
    /// How many objects they have together.
    pub objects: usize,
    /// How many workflows there are.
    pub workflows: usize,
    /// How many names of metrics the rules and the dashboard use.
    pub metrics: usize,
    /// What does not fit.
    pub findings: Vec<Finding>,
}

/// Checks the tree at `root`.
///
/// # Errors
/// When a file cannot be read at all; what can be read and is wrong is a finding.
pub fn check(root: &Path, programs: &dyn Programs) -> Result<Checked, ReadError> {
    let mut checked = Checked { overlays: kustomize::overlays(root)?, ..Checked::default() };
    let facts = rules::Facts::gather(root, programs)?;
    for overlay in &checked.overlays {
        match render(root, overlay) {
            Ok(rendered) => {
                let (cluster, unread) = Cluster::of(overlay, &rendered);
                checked.objects += rendered.objects.len();
                checked.findings.extend(unread);
                checked.findings.extend(rules::all(&cluster, &facts, programs));
            }
            Err(error) => checked.findings.push(Finding::new(overlay, error.to_string())),
        }
    }
    checked.findings.extend(rules::between_overlays(root, &checked.overlays));
    let (used, unknown) = metrics::check(root)?;
    checked.metrics = used;
    checked.findings.extend(unknown);
    let (workflows, found) = workflows::check(root, programs)?;
    checked.workflows = workflows;
    checked.findings.extend(found);
    checked.findings.sort();
    checked.findings.dedup();
    Ok(checked)
}
