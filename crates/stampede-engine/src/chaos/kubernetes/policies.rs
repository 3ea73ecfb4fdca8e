//! A cut by network policies.
//!
//! Policies only ever add up: what one allows no other forbids. So a cut is a policy of ours that selects the service's pods and allows
//! nothing, and meanwhile those that allow something say nothing. What they said is kept in the journal and on themselves.
//! Whether open connections end is the network plugin's choice; most let them live.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stampede_model::chaos::{KubernetesUndo, Suspended};

use super::seen::{Pod, labels};
use super::{Call, EXPIRES, MANAGED, SUSPENDED};
use crate::chaos::ChaosError;

/// A policy of the namespace.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) spec: Value,
    /// What it selects by labels alone; nothing when it selects by expressions.
    selects: Option<BTreeMap<String, String>>,
}

impl Policy {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let spec = value.get("spec")?.clone();
        let selector = &spec["podSelector"];
        let has_expressions = selector["matchExpressions"].as_array().is_some_and(|list| !list.is_empty());
        let selects = (!has_expressions).then(|| labels(selector.get("matchLabels")));
        Some(Self { name: value.pointer("/metadata/name")?.as_str()?.to_owned(), spec, selects })
    }

    fn selects(&self, pod: &Pod) -> bool {
        match &self.selects {
            Some(wanted) => wanted.iter().all(|(key, value)| pod.labels.get(key) == Some(value)),
            // Not evaluated here: it may.
            None => true,
        }
    }
}

/// What is sent for a cut, and how it is undone.
pub(super) fn cut(
    folder: &str,
    (service, pods): (&str, &BTreeMap<String, String>),
    (ours, others): (&[Pod], &[Pod]),
    policies: &[Policy],
    (name, expires): (String, i64),
) -> Result<(Vec<Call>, KubernetesUndo), ChaosError> {
    let meant: Vec<&Policy> = policies.iter().filter(|policy| ours.iter().any(|pod| policy.selects(pod))).collect();
    // A policy that also speaks for others would cut them too.
    for policy in &meant {
        if let Some(stranger) = others.iter().find(|pod| policy.selects(pod)) {
            return Err(ChaosError::Aim(format!(
                "the network policy {} speaks for {} of {service} and for {} too, so it cannot be suspended for one alone\n\
                 hint: give {service} a policy of its own, or use packet-loss --loss 100% with Chaos Mesh",
                policy.name,
                ours.first().map_or("the pods", |pod| pod.name.as_str()),
                stranger.name
            )));
        }
    }
    let labels = json!({MANAGED.0: MANAGED.1});
    let nothing = json!({"podSelector": {"matchLabels": pods}, "policyTypes": ["Ingress", "Egress"]});
    let made = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": labels, "annotations": {EXPIRES: expires.to_string()}},
        "spec": nothing,
    });
    let mut calls = vec![Call::post(folder.to_owned(), made)];
    let mut suspended = Vec::new();
    for policy in meant {
        let path = format!("{folder}/{}", policy.name);
        let spec = policy.spec.to_string();
        calls.push(Call::patch(path.clone(), suspension(&spec, expires)));
        suspended.push(Suspended { path, spec });
    }
    Ok((calls, KubernetesUndo::Restore { made: format!("{folder}/{name}"), suspended }))
}

fn suspension(spec: &str, expires: i64) -> Value {
    json!({
        "metadata": {"annotations": {SUSPENDED: spec, EXPIRES: expires.to_string()}},
        "spec": {"ingress": [], "egress": [], "policyTypes": ["Ingress", "Egress"]},
    })
}

/// The patch that lets a policy say again what it said; `None` when what it said cannot be read.
pub(super) fn restoration(spec: &str) -> Option<Value> {
    let spec: Value = serde_json::from_str(spec).ok()?;
    // In a merge patch null takes away what was not there before.
    let part = |key: &str| spec.get(key).cloned().unwrap_or(Value::Null);
    Some(json!({
        "metadata": {"annotations": {SUSPENDED: Value::Null, EXPIRES: Value::Null}},
        "spec": {"ingress": part("ingress"), "egress": part("egress"), "policyTypes": part("policyTypes")},
    }))
}
