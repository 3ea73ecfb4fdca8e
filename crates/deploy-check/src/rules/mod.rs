//! The rules. Each is a function of an overlay's objects that returns all it has to object to, so that each can be shown to find
//! what it is for.

mod facts;
mod images;
mod links;
mod network;
mod pods;
mod scaling;
mod secrets;
mod settings;

use std::path::Path;

pub(crate) use facts::Facts;

use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::programs::Programs;

/// All rules about one overlay.
pub(crate) fn all(cluster: &Cluster, facts: &Facts, programs: &dyn Programs) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(links::check(cluster));
    found.extend(network::check(cluster));
    found.extend(pods::check(cluster, facts));
    found.extend(scaling::check(cluster));
    found.extend(secrets::check(cluster, facts));
    found.extend(images::check(cluster, facts));
    found.extend(settings::check(cluster, facts, programs));
    found
}

/// What has to hold between a version's pods and its migration.
pub(crate) fn between_overlays(root: &Path, overlays: &[String]) -> Vec<Finding> {
    images::between(root, overlays)
}
