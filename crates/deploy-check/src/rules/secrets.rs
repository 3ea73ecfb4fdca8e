//! Secrets are referred to, never written; each key that is referred to is one that the document says how to make. `ConfigMap`s that are
//! referred to are there, with the key.

use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::rules::Facts;
use crate::typed::Typed;

pub(super) fn check(cluster: &Cluster, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for workload in cluster.workloads() {
        for (secret, key) in secret_keys(workload.pod) {
            if !facts.secrets.contains(&format!("{secret}/{key}")) {
                found.push(cluster.finding(workload.object, undocumented(&secret, &key)));
            }
        }
        for container in &workload.pod.containers {
            found.extend(config_maps(cluster, container).map(|what| cluster.finding(workload.object, what)));
            found.extend(literal_passwords(container).map(|what| cluster.finding(workload.object, what)));
        }
    }
    for object in &cluster.objects {
        if let Typed::TriggerAuthentication(access) = &object.typed {
            for target in &access.secret_target_ref {
                if !facts.secrets.contains(&format!("{}/{}", target.name, target.key)) {
                    found.push(cluster.finding(object, undocumented(&target.name, &target.key)));
                }
            }
        }
    }
    found
}

fn undocumented(secret: &str, key: &str) -> String {
    format!(
        "Secret {secret} with key {key} is referred to, but docs/kubernetes.md does not say how it is made\n\
         hint: a line `kubectl create secret generic {secret} --from-literal={key}=..`"
    )
}

fn secret_keys(pod: &PodSpec) -> Vec<(String, String)> {
    let env = pod.containers.iter().flat_map(|container| container.env.iter().flatten());
    let of_env = env.filter_map(|variable| variable.value_from.as_ref()?.secret_key_ref.as_ref());
    let of_env = of_env.map(|reference| (reference.name.clone(), reference.key.clone()));
    let volumes = pod.volumes.iter().flatten().filter_map(|volume| volume.secret.as_ref());
    let of_volumes = volumes.flat_map(|secret| {
        let name = secret.secret_name.clone().unwrap_or_default();
        secret.items.iter().flatten().map(move |item| (name.clone(), item.key.clone()))
    });
    of_env.chain(of_volumes).collect()
}

fn config_maps<'a>(cluster: &'a Cluster, container: &'a Container) -> impl Iterator<Item = String> + 'a {
    let whole = container.env_from.iter().flatten().filter_map(|from| from.config_map_ref.as_ref());
    let whole = whole.filter(|reference| cluster.config_map(&reference.name).is_none());
    let whole = whole.map(|reference| format!("there is no ConfigMap {}", reference.name));
    let single = container.env.iter().flatten().filter_map(|variable| {
        let reference = variable.value_from.as_ref()?.config_map_key_ref.as_ref()?;
        let map = cluster.config_map(&reference.name);
        let has_key = map.and_then(|map| map.data.as_ref()).is_some_and(|data| data.contains_key(&reference.key));
        (!has_key).then(|| format!("there is no ConfigMap {} with key {}", reference.name, reference.key))
    });
    whole.chain(single)
}

/// A URL with a password, or a variable whose name says that it is one, with its value beside it.
fn literal_passwords(container: &Container) -> impl Iterator<Item = String> + '_ {
    container.env.iter().flatten().filter_map(|variable| {
        let value = variable.value.as_deref()?;
        let upper = variable.name.to_ascii_uppercase();
        let by_name = ["PASSWORD", "TOKEN", "SECRET"].iter().any(|word| upper.ends_with(word));
        let by_value =
            value.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|at| at.contains('@')));
        (by_name || by_value)
            .then(|| format!("{} has a secret's value in it; hint: valueFrom.secretKeyRef", variable.name))
    })
}
