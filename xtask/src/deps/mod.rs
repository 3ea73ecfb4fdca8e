//! `cargo xtask deps`: what may be depended on, by whom.
//!
//! Invariant: every rule is a pure function of a [`Graph`] that returns all its violations as sentences, so that each can be shown to
//! find what it is for. `deny.toml` says the same of licences, bans and duplicates for those who have cargo-deny.

mod arrows;
mod graph;
mod licences;
mod packages;

use anyhow::{Result, bail};

use crate::say;
use graph::Graph;

/// Checks all rules and names every violation.
pub(crate) fn run() -> Result<()> {
    let graph = Graph::of_this_workspace()?;
    let rules: [fn(&Graph) -> Vec<String>; 4] =
        [arrows::violations, licences::violations, packages::banned, packages::duplicates];
    let violations: Vec<String> = rules.iter().flat_map(|rule| rule(&graph)).collect();
    for violation in &violations {
        say(&format!("deps: {violation}"))?;
    }
    if !violations.is_empty() {
        bail!("{} dependencies that must not be", violations.len());
    }
    say(&format!("deps: {} packages, {} arrows, nothing to object to", graph.packages.len(), graph.arrows.len()))
}
