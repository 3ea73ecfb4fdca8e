//! How many there are: the numbers of the acceptance table, and one hand on each number.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec;

use crate::cluster::Cluster;
use crate::crds::ScaledObject;
use crate::finding::Finding;
use crate::rules::settings::value_of;
use crate::typed::Typed;

/// The acceptance table: "1000 to 5000 requests a second, 3 to 8 pods".
const ACCEPTED: (i32, i32) = (3, 8);
/// The service's lists of ready jobs.
const LISTS: [&str; 3] = ["queue:high", "queue:default", "queue:low"];

pub(super) fn check(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut scaled: Vec<&str> = Vec::new();
    for object in &cluster.objects {
        match &object.typed {
            Typed::Hpa(hpa) => {
                let Some(spec) = &hpa.spec else { continue };
                scaled.push(&spec.scale_target_ref.name);
                found.extend(autoscaler(cluster, spec).into_iter().map(|what| cluster.finding(object, what)));
            }
            Typed::ScaledObject(spec) => {
                scaled.push(&spec.scale_target_ref.name);
                found.extend(by_queue(cluster, spec).into_iter().map(|what| cluster.finding(object, what)));
            }
            _ => {}
        }
    }
    for name in ["kv-erp-api", "kv-erp-queue-worker"] {
        if scaled.iter().filter(|one| **one == name).count() > 1 {
            found.push(cluster.missing(format!("two autoscalers have {name}, and would undo each other's work")));
        }
    }
    found.extend(cluster.objects.iter().filter_map(|object| match &object.typed {
        Typed::Deployment(deployment) if deployment.spec.as_ref().is_some_and(|spec| spec.replicas.is_some()) => {
            let is_scaled = scaled.contains(&object.name.as_str()) || object.name == "kv-erp-queue-worker";
            let what = "replicas is set: every apply takes back what the autoscaler or kubectl scale said";
            is_scaled.then(|| cluster.finding(object, what))
        }
        _ => None,
    }));
    found
}

fn autoscaler(cluster: &Cluster, spec: &HorizontalPodAutoscalerSpec) -> Vec<String> {
    let mut found = Vec::new();
    let target = &spec.scale_target_ref;
    if cluster.find(&target.kind, &target.name).is_none() {
        found.push(format!("there is no {} {}", target.kind, target.name));
    }
    if target.name != "kv-erp-api" {
        return found;
    }
    let numbers = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    if numbers != ACCEPTED {
        found.push(format!(
            "minReplicas {} and maxReplicas {} are not the acceptance table's {} and {}",
            numbers.0, numbers.1, ACCEPTED.0, ACCEPTED.1
        ));
    }
    let told = cluster
        .workloads()
        .find(|workload| workload.object.name == target.name)
        .and_then(|workload| value_of(cluster, workload.main()?, "KV_REPLICAS"));
    if told.as_deref() != Some(spec.max_replicas.to_string().as_str()) {
        found.push(format!(
            "maxReplicas is {}, but KV_REPLICAS is {}: with Redis away all replicas together would allow another rate",
            spec.max_replicas,
            told.as_deref().unwrap_or("not set")
        ));
    }
    found
}

fn by_queue(cluster: &Cluster, spec: &ScaledObject) -> Vec<String> {
    let mut found = Vec::new();
    let name = &spec.scale_target_ref.name;
    if cluster.find("Deployment", name).is_none() {
        found.push(format!("there is no Deployment {name}"));
    }
    if spec.min_replica_count > spec.max_replica_count {
        found.push("minReplicaCount is above maxReplicaCount".to_owned());
    }
    for trigger in &spec.triggers {
        let list = trigger.metadata.get("listName").map_or("?", String::as_str);
        if trigger.kind != "redis" || !LISTS.contains(&list) {
            found.push(format!("{list} is none of the lists {}", LISTS.join(", ")));
        }
        let access = &trigger.authentication_ref.name;
        if cluster.find("TriggerAuthentication", access).is_none() {
            found.push(format!("there is no TriggerAuthentication {access}"));
        }
    }
    found
}
