//! Images: ours are stages of the Dockerfile, every one has a tag that does not move, and a version's migration is that version's.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::kustomize::{render, split_image};
use crate::rules::Facts;

/// Other people's, in the component with data to try things on.
const THEIRS: [&str; 2] = ["postgres", "redis"];

pub(super) fn check(cluster: &Cluster, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for workload in cluster.workloads() {
        for container in &workload.pod.containers {
            let image = container.image.as_deref().unwrap_or("");
            let (name, tag) = split_image(image);
            let last = name.rsplit('/').next().unwrap_or(name);
            if !facts.images.contains(last) && !THEIRS.contains(&last) {
                let ours: Vec<&str> = facts.images.iter().map(String::as_str).collect();
                let what = format!("image {image} is none that deploy/Dockerfile makes ({})", ours.join(", "));
                found.push(cluster.finding(workload.object, what));
            }
            if tag.is_none_or(|tag| tag == "latest") {
                let what = format!("image {image} has no tag that stays; hint: images: with newTag in the overlay");
                found.push(cluster.finding(workload.object, what));
            }
            if facts.images.contains(last) && container.command.is_some() {
                found.push(
                    cluster
                        .finding(workload.object, "command is set: the image's entry point is the program; hint: args"),
                );
            }
        }
    }
    found
}

/// The image of kv-erp in an overlay and in its migration.
pub(super) fn between(root: &Path, overlays: &[String]) -> Vec<Finding> {
    let mut used: BTreeMap<&str, String> = BTreeMap::new();
    for overlay in overlays {
        let Ok(rendered) = render(root, overlay) else { continue };
        let (cluster, _) = Cluster::of(overlay, &rendered);
        let images = cluster.workloads().flat_map(|workload| workload.pod.containers.iter());
        let ours = images
            .filter_map(|container| container.image.clone())
            .find(|image| split_image(image).0.ends_with("kv-erp"));
        if let Some(image) = ours {
            used.insert(overlay, image);
        }
    }
    let mut found = Vec::new();
    for (overlay, image) in &used {
        let migration = format!("{overlay}/migrate");
        if overlay.ends_with("/migrate") {
            continue;
        }
        match used.get(migration.as_str()) {
            Some(other) if other == image => {}
            Some(other) => {
                found.push(Finding::new(migration, format!("migrates with {other}, but the pods are {image}")));
            }
            None => found.push(Finding::new(
                *overlay,
                "there is no migrate/ beside it: a service refuses a schema of another version",
            )),
        }
    }
    found
}
