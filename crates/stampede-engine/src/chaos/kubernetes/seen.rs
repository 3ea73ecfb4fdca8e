//! What a fault needs to know before it is aimed: pods, their workload, policies, autoscalers.

use std::collections::BTreeMap;

use serde_json::Value;
use stampede_model::chaos::{KubernetesKind, KubernetesService, Workload};

use super::api::{Api, CallError};
use super::policies::Policy;

/// What was seen of a service.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Its pods, by name.
    pub(super) pods: Vec<Pod>,
    /// All other pods of the namespace.
    pub(super) others: Vec<Pod>,
    /// How many pods its workload is to have.
    pub(super) replicas: Option<u32>,
    /// The autoscaler that has that number.
    pub(super) autoscaler: Option<String>,
    /// The namespace's policies.
    pub(super) policies: Vec<Policy>,
    /// Whether Chaos Mesh is there.
    pub(super) has_mesh: bool,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) container: String,
    pub(super) is_ready: bool,
    pub(super) restarts: u64,
    pub(super) node: String,
    pub(super) phase: String,
}

impl Pod {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let conditions = value.pointer("/status/conditions").and_then(Value::as_array);
        let is_true = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        let is_leaving = value.pointer("/metadata/deletionTimestamp").is_some();
        let statuses = value.pointer("/status/containerStatuses").and_then(Value::as_array);
        let restarts = statuses.into_iter().flatten().filter_map(|status| status.get("restartCount")?.as_u64());
        Some(Self {
            name: value.pointer("/metadata/name")?.as_str()?.to_owned(),
            uid: value.pointer("/metadata/uid")?.as_str()?.to_owned(),
            labels: labels(value.pointer("/metadata/labels")),
            container: text("/spec/containers/0/name"),
            is_ready: !is_leaving && conditions.into_iter().flatten().any(is_true),
            restarts: restarts.sum(),
            node: text("/spec/nodeName"),
            phase: if is_leaving { "Terminating".to_owned() } else { text("/status/phase") },
        })
    }
}

/// A map of texts.
pub(super) fn labels(value: Option<&Value>) -> BTreeMap<String, String> {
    let pairs = value.and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Labels as a selector.
pub(super) fn selector(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// The path of a workload.
pub(super) fn workload_path(namespace: &str, workload: &Workload) -> String {
    let (kind, name) = kind_and_name(workload);
    format!("{}/{name}", super::api::path(namespace, "/apis/apps/v1", kind))
}

fn kind_and_name(workload: &Workload) -> (&'static str, &str) {
    match workload {
        Workload::Deployment(name) => ("deployments", name),
        Workload::StatefulSet(name) => ("statefulsets", name),
    }
}

impl Seen {
    /// Looks at what a kind of fault needs and no more: the account may not be allowed more.
    pub(super) async fn look(api: &Api, service: &KubernetesService, kind: KubernetesKind) -> Result<Self, CallError> {
        let mut seen = Self { pods: pods(api, Some(&selector(&service.pods))).await?, ..Self::default() };
        match kind {
            KubernetesKind::Scale => {
                let scale = api.find(&format!("{}/scale", workload_path(&api.namespace, &service.workload))).await?;
                let replicas = scale.as_ref().and_then(|scale| scale.pointer("/spec/replicas")).and_then(Value::as_u64);
                seen.replicas = replicas.and_then(|replicas| u32::try_from(replicas).ok());
                seen.autoscaler = autoscaler(api, &service.workload).await?;
            }
            KubernetesKind::Cut => {
                let all = pods(api, None).await?;
                seen.others = all.into_iter().filter(|pod| seen.pods.iter().all(|ours| ours.uid != pod.uid)).collect();
                let policies = api.list(&api.path("/apis/networking.k8s.io/v1", "networkpolicies"), None).await?;
                seen.policies = policies.iter().filter_map(Policy::read).collect();
            }
            KubernetesKind::Latency | KubernetesKind::PacketLoss => {
                seen.has_mesh = api.find("/apis/chaos-mesh.org/v1alpha1").await?.is_some();
            }
            KubernetesKind::Kill | KubernetesKind::Restart | KubernetesKind::Evict | KubernetesKind::Exec => {}
        }
        Ok(seen)
    }

    /// How many pods are ready.
    pub(super) fn ready(&self) -> u32 {
        u32::try_from(self.pods.iter().filter(|pod| pod.is_ready).count()).unwrap_or(u32::MAX)
    }
}

/// Pods by name.
pub(super) async fn pods(api: &Api, labels: Option<&str>) -> Result<Vec<Pod>, CallError> {
    let items = api.list(&api.path("/api/v1", "pods"), labels).await?;
    let mut pods: Vec<Pod> = items.iter().filter_map(Pod::read).collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pods)
}

async fn autoscaler(api: &Api, workload: &Workload) -> Result<Option<String>, CallError> {
    let all = api.list(&api.path("/apis/autoscaling/v2", "horizontalpodautoscalers"), None).await?;
    let (kind, name) = match workload {
        Workload::Deployment(name) => ("Deployment", name),
        Workload::StatefulSet(name) => ("StatefulSet", name),
    };
    let has_it = |hpa: &&Value| {
        let target = &hpa["spec"]["scaleTargetRef"];
        target["kind"] == kind && target["name"] == name.as_str()
    };
    Ok(all.iter().find(has_it).and_then(|hpa| hpa.pointer("/metadata/name")?.as_str().map(str::to_owned)))
}
