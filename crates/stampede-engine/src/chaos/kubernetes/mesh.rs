//! Faults of packets, by objects of Chaos Mesh. It ends them by itself at their duration.
//! Source: <https://chaos-mesh.org/docs/simulate-network-chaos-on-kubernetes/>.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use stampede_model::chaos::KubernetesFault;

use super::{EXPIRES, MANAGED};

/// The group of its objects.
pub(super) const GROUP: &str = "/apis/chaos-mesh.org/v1alpha1";

/// The object of a fault; nothing for one that Chaos Mesh is not needed for.
pub(super) fn network_chaos(
    fault: &KubernetesFault,
    (namespace, pods): (&str, &BTreeMap<String, String>),
    (name, expires): (&str, i64),
    lasts: Duration,
) -> Option<Value> {
    let (action, key, how) = match fault {
        KubernetesFault::Latency { latency_ms, jitter_ms } => {
            let how =
                json!({"latency": format!("{latency_ms}ms"), "jitter": format!("{jitter_ms}ms"), "correlation": "0"});
            ("delay", "delay", how)
        }
        KubernetesFault::PacketLoss(hundredths) => {
            let share = f64::from(*hundredths) / 100.0;
            ("loss", "loss", json!({"loss": share.to_string(), "correlation": "0"}))
        }
        _ => return None,
    };
    Some(json!({
        "apiVersion": "chaos-mesh.org/v1alpha1", "kind": "NetworkChaos",
        "metadata": {"name": name, "labels": {MANAGED.0: MANAGED.1}, "annotations": {EXPIRES: expires.to_string()}},
        "spec": {
            "action": action,
            "mode": "all",
            "selector": {"namespaces": [namespace], "labelSelectors": pods},
            key: how,
            "duration": format!("{}s", lasts.as_secs().max(1)),
        },
    }))
}
