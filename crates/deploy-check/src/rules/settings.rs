//! Variables and arguments, as the program itself would take them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;

use crate::cluster::{Cluster, Workload};
use crate::finding::Finding;
use crate::kustomize::split_image;
use crate::programs::{ConfigAnswer, Programs};
use crate::rules::Facts;
use crate::workflows::{CommandLine, objections};

/// Stands for a secret's value where the program looks at its form.
const STAND_INS: [(&str, &str); 4] = [
    ("KV_DATABASE_URL", "postgresql://kv_app:stand-in@postgres/kv_saas_erp"),
    ("KV_ADMIN_DATABASE_URL", "postgresql://postgres:stand-in@postgres/kv_saas_erp"),
    ("KV_REDIS_URL", "redis://:stand-in@redis:6379"),
    ("KV_PLATFORM_TOKEN", "0123456789012345678901234567890123456789"),
];

pub(super) fn check(cluster: &Cluster, facts: &Facts, programs: &dyn Programs) -> Vec<Finding> {
    let mut found = Vec::new();
    for workload in cluster.workloads() {
        let Some(container) = workload.main() else { continue };
        let image = container.image.as_deref().unwrap_or("");
        let program = split_image(image).0.rsplit('/').next().unwrap_or("");
        match program {
            "kv-erp" => found.extend(kv_erp(cluster, (workload, container), facts, programs)),
            "stampede" => found.extend(stampede(cluster, (workload, container), facts, programs)),
            _ => {}
        }
    }
    found
}

fn kv_erp(
    cluster: &Cluster,
    (workload, container): (Workload<'_>, &Container),
    facts: &Facts,
    programs: &dyn Programs,
) -> Vec<Finding> {
    let say = |what: String| cluster.finding(workload.object, what);
    let variables = variables(cluster, container);
    let unknown = variables.keys().filter(|name| name.starts_with("KV_") && !facts.variables.contains(*name));
    let mut found: Vec<Finding> = unknown
        .map(|name| say(format!("{name} is no variable of kv-erp; hint: kv-erp config --format reference")))
        .collect();
    if !found.is_empty() {
        return found;
    }
    let args = container.args.clone().unwrap_or_default();
    match programs.configured(&args, &variables) {
        Ok(ConfigAnswer::Fits) => {}
        Ok(ConfigAnswer::Refused(why)) => found.push(say(format!("kv-erp {} would not start: {why}", args.join(" ")))),
        Err(error) => found.push(say(format!("kv-erp could not be asked: {error}"))),
    }
    found
}

fn stampede(
    cluster: &Cluster,
    (workload, container): (Workload<'_>, &Container),
    facts: &Facts,
    programs: &dyn Programs,
) -> Vec<Finding> {
    let args = container.args.clone().unwrap_or_default();
    let words = std::iter::once("stampede".to_owned()).chain(args.iter().cloned()).collect();
    let line = CommandLine { words };
    let mut found: Vec<Finding> = objections(&facts.root, &line, programs)
        .into_iter()
        .map(|what| cluster.finding(workload.object, what))
        .collect();
    // The image has the tree's own scenarios and targets.
    for path in args.iter().filter_map(|arg| arg.strip_prefix("/usr/local/share/stampede/")) {
        if !facts.root.join(path).is_file() {
            found.push(
                cluster
                    .finding(workload.object, format!("{path} is no file of this tree, so the image does not have it")),
            );
        }
    }
    found
}

/// All variables of a container that have a value here; a secret's is a stand-in.
fn variables(cluster: &Cluster, container: &Container) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for from in container.env_from.iter().flatten() {
        let map = from.config_map_ref.as_ref().and_then(|reference| cluster.config_map(&reference.name));
        all.extend(map.and_then(|map| map.data.clone()).into_iter().flatten());
    }
    for variable in container.env.iter().flatten() {
        let stand_in =
            || STAND_INS.iter().find(|(name, _)| *name == variable.name).map_or("stand-in", |(_, value)| value);
        let value = variable.value.clone().unwrap_or_else(|| stand_in().to_owned());
        all.insert(variable.name.clone(), value);
    }
    all
}

/// The value of one variable, if it is no secret's.
pub(super) fn value_of(cluster: &Cluster, container: &Container, name: &str) -> Option<String> {
    variables(cluster, container).remove(name)
}
