//! What is to be looked at while something is broken: pods with their use, autoscalers, logs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Call;
use super::api::Api;
use super::run::KubernetesTarget;
use super::seen::{self, selector};

/// Lines that are asked for at most.
const LINES_MOST: u32 = 10_000;

/// A pod, and what it uses where the cluster measures it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRow {
    /// Its name.
    pub name: String,
    /// Its phase, or `Terminating`.
    pub phase: String,
    /// Whether it is ready.
    pub is_ready: bool,
    /// How often its containers were started again.
    pub restarts: u64,
    /// Where it is.
    pub node: String,
    /// Thousandths of a core.
    pub cpu_milli: Option<u64>,
    /// Memory.
    pub memory_bytes: Option<u64>,
}

/// An autoscaler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoscalerRow {
    /// Its name.
    pub name: String,
    /// What it scales.
    pub of: String,
    /// Its least and most.
    pub range: (u64, u64),
    /// How many there are.
    pub current: u64,
    /// How many it wants.
    pub desired: u64,
    /// Use of a resource and what is aimed at, in per cent of what is requested.
    pub uses: Vec<(String, Option<u64>, Option<u64>)>,
}

/// A service's pods.
///
/// # Errors
/// When the cluster does not answer.
pub async fn pods(target: &KubernetesTarget, service: &str) -> Result<Vec<PodRow>, String> {
    let meant = selector(&target.service(service).map_err(|error| error.to_string())?.pods);
    let api = Api::connect(target.reach()).await?;
    let pods = seen::pods(&api, Some(&meant)).await?;
    // Without metrics-server there are pods all the same.
    let metrics = api.list(&api.path("/apis/metrics.k8s.io/v1beta1", "pods"), Some(&meant)).await.unwrap_or_default();
    let uses: BTreeMap<String, (u64, u64)> = metrics.iter().filter_map(used).collect();
    let row = |pod: seen::Pod| {
        let of_pod = uses.get(&pod.name).copied();
        PodRow {
            name: pod.name,
            phase: pod.phase,
            is_ready: pod.is_ready,
            restarts: pod.restarts,
            node: pod.node,
            cpu_milli: of_pod.map(|(cpu, _)| cpu),
            memory_bytes: of_pod.map(|(_, memory)| memory),
        }
    };
    Ok(pods.into_iter().map(row).collect())
}

fn used(metrics: &Value) -> Option<(String, (u64, u64))> {
    let name = metrics.pointer("/metadata/name")?.as_str()?.to_owned();
    let containers = metrics.get("containers")?.as_array()?;
    let amount = |container: &Value, key: &str| {
        container.pointer(&format!("/usage/{key}")).and_then(Value::as_str).and_then(quantity)
    };
    let cpu: f64 = containers.iter().filter_map(|container| amount(container, "cpu")).sum();
    let memory: f64 = containers.iter().filter_map(|container| amount(container, "memory")).sum();
    Some((name, ((cpu * 1_000.0).round() as u64, memory.round() as u64)))
}

/// Reads a quantity: `250m`, `12345678n`, `128Mi`, `0.5`.
///
/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
fn quantity(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 13] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("", 1.0),
    ];
    UNITS.iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

/// The namespace's autoscalers.
///
/// # Errors
/// When the cluster does not answer.
pub async fn autoscalers(target: &KubernetesTarget) -> Result<Vec<AutoscalerRow>, String> {
    let api = Api::connect(target.reach()).await?;
    let all = api.list(&api.path("/apis/autoscaling/v2", "horizontalpodautoscalers"), None).await?;
    Ok(all.iter().filter_map(autoscaler).collect())
}

fn autoscaler(hpa: &Value) -> Option<AutoscalerRow> {
    let number = |pointer: &str| hpa.pointer(pointer).and_then(Value::as_u64);
    let of = &hpa["spec"]["scaleTargetRef"];
    let metrics = hpa.pointer("/spec/metrics").and_then(Value::as_array);
    let current = hpa.pointer("/status/currentMetrics").and_then(Value::as_array);
    let uses = metrics.into_iter().flatten().filter_map(|metric| {
        let resource = metric.pointer("/resource/name")?.as_str()?.to_owned();
        let target = metric.pointer("/resource/target/averageUtilization").and_then(Value::as_u64);
        let same =
            |metric: &&Value| metric.pointer("/resource/name").and_then(Value::as_str) == Some(resource.as_str());
        let now = current.and_then(|current| current.iter().find(same));
        let now = now.and_then(|metric| metric.pointer("/resource/current/averageUtilization")?.as_u64());
        Some((resource, now, target))
    });
    Some(AutoscalerRow {
        name: hpa.pointer("/metadata/name")?.as_str()?.to_owned(),
        of: format!("{}/{}", of["kind"].as_str()?, of["name"].as_str()?),
        range: (number("/spec/minReplicas").unwrap_or(1), number("/spec/maxReplicas")?),
        current: number("/status/currentReplicas").unwrap_or(0),
        desired: number("/status/desiredReplicas").unwrap_or(0),
        uses: uses.collect(),
    })
}

/// The last lines of each of a service's pods, those with `word` in them when one is given; each with its pod's name before it.
///
/// # Errors
/// When the cluster does not answer, or more lines are asked for than can be overlooked.
pub async fn logs(
    target: &KubernetesTarget,
    service: &str,
    (tail, word): (u32, Option<&str>),
) -> Result<Vec<String>, String> {
    if tail > LINES_MOST {
        return Err(format!("--tail {tail} is more than {LINES_MOST}"));
    }
    let meant = selector(&target.service(service).map_err(|error| error.to_string())?.pods);
    let api = Api::connect(target.reach()).await?;
    let mut lines = Vec::new();
    for pod in seen::pods(&api, Some(&meant)).await? {
        let path =
            format!("{}/{}/log?container={}&tailLines={tail}", api.path("/api/v1", "pods"), pod.name, pod.container);
        let text = match api.text(&Call::get(path)).await {
            Ok(text) => text,
            // One that is being made has none yet; one that went meanwhile has none any more.
            Err(error) => {
                lines.push(format!("{}: no log: {error}", pod.name));
                continue;
            }
        };
        let chosen = text.lines().filter(|line| word.is_none_or(|word| line.contains(word)));
        lines.extend(chosen.map(|line| format!("{}: {line}", pod.name)));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_all_their_units() {
        for (text, value) in
            [("250m", 0.25), ("12345678n", 0.012_345_678), ("128Mi", 134_217_728.0), ("2", 2.0), ("1k", 1_000.0)]
        {
            let read = quantity(text).unwrap();
            assert!((read - value).abs() < value * 1e-9, "{text}: {read}");
        }
        assert_eq!(quantity("many"), None);
    }
}
