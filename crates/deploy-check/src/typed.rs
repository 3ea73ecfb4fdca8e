//! A rendered object as the type of its kind.
//!
//! Invariant: nothing that was written is lost in reading. The types of Kubernetes' description pass by fields they do not know, as its
//! server does without strict validation; here the object is written again and whatever is missing then was misspelt or in the wrong place.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::crds::{Custom, PodMonitor, PrometheusRule, ScaledObject, ServiceMonitor, TriggerAuthentication};

/// An object by its kind.
#[derive(Debug)]
pub(crate) enum Typed {
    Deployment(Box<Deployment>),
    StatefulSet(Box<StatefulSet>),
    Job(Box<Job>),
    Service(Box<Service>),
    ConfigMap(Box<ConfigMap>),
    Hpa(Box<HorizontalPodAutoscaler>),
    Budget(Box<PodDisruptionBudget>),
    NetworkPolicy(Box<NetworkPolicy>),
    Ingress(Box<Ingress>),
    ScaledObject(Box<ScaledObject>),
    TriggerAuthentication(Box<TriggerAuthentication>),
    ServiceMonitor(Box<ServiceMonitor>),
    PodMonitor(Box<PodMonitor>),
    /// Read and whole; no rule asks more of it.
    Other,
}

/// Reads an object; the texts are what is wrong with it.
pub(crate) fn read(object: &Value) -> Result<Typed, Vec<String>> {
    let word = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
    match (word("apiVersion"), word("kind")) {
        ("apps/v1", "Deployment") => whole(object).map(Typed::Deployment),
        ("apps/v1", "StatefulSet") => whole(object).map(Typed::StatefulSet),
        ("batch/v1", "Job") => whole(object).map(Typed::Job),
        ("v1", "Service") => whole(object).map(Typed::Service),
        ("v1", "ConfigMap") => whole(object).map(Typed::ConfigMap),
        ("v1", "ServiceAccount") => whole::<ServiceAccount>(object).map(|_| Typed::Other),
        ("v1", "Namespace") => whole::<Namespace>(object).map(|_| Typed::Other),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => whole(object).map(Typed::Hpa),
        ("policy/v1", "PodDisruptionBudget") => whole(object).map(Typed::Budget),
        ("networking.k8s.io/v1", "NetworkPolicy") => whole(object).map(Typed::NetworkPolicy),
        ("networking.k8s.io/v1", "Ingress") => whole(object).map(Typed::Ingress),
        ("rbac.authorization.k8s.io/v1", "Role") => whole::<Role>(object).map(|_| Typed::Other),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => whole::<RoleBinding>(object).map(|_| Typed::Other),
        ("keda.sh/v1alpha1", "ScaledObject") => custom(object).map(Typed::ScaledObject),
        ("keda.sh/v1alpha1", "TriggerAuthentication") => custom(object).map(Typed::TriggerAuthentication),
        ("monitoring.coreos.com/v1", "ServiceMonitor") => custom(object).map(Typed::ServiceMonitor),
        ("monitoring.coreos.com/v1", "PodMonitor") => custom(object).map(Typed::PodMonitor),
        ("monitoring.coreos.com/v1", "PrometheusRule") => custom::<PrometheusRule>(object).map(|_| Typed::Other),
        ("v1", "Secret") => Err(vec![
            "a Secret with values does not belong into a repository; hint: refer to one by name, and say in docs/kubernetes.md how it is made"
                .to_owned(),
        ]),
        (version, kind) => Err(vec![format!("{kind} of {version} is not known here; hint: crates/deploy-check/src/typed.rs")]),
    }
}

fn custom<S: Serialize + DeserializeOwned>(object: &Value) -> Result<Box<S>, Vec<String>> {
    whole::<Custom<S>>(object).map(|custom| Box::new(custom.spec))
}

fn whole<T: Serialize + DeserializeOwned>(object: &Value) -> Result<Box<T>, Vec<String>> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|error| vec![error.to_string()])?;
    let again = serde_json::to_value(&typed).map_err(|error| vec![error.to_string()])?;
    let mut lost = Vec::new();
    collect_lost(object, &again, "", &mut lost);
    if lost.is_empty() { Ok(Box::new(typed)) } else { Err(lost) }
}

fn collect_lost(written: &Value, read: &Value, path: &str, lost: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                match read.get(key) {
                    Some(read) => collect_lost(value, read, &format!("{path}/{key}"), lost),
                    None if is_empty(value) => {}
                    None => lost.push(format!("{path}/{key} is no field of this kind")),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            for (place, (written, read)) in written.iter().zip(read).enumerate() {
                collect_lost(written, read, &format!("{path}/{place}"), lost);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misspelt_field_is_found_at_any_depth() {
        let container = json!({"name": "a", "image": "a", "redinessProbe": {"httpGet": {"path": "/", "port": 1}}});
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {
            "selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {}, "spec": {"containers": [container]}}
        }});
        assert_eq!(
            read(&object).unwrap_err(),
            ["/spec/template/spec/containers/0/redinessProbe is no field of this kind"]
        );
    }

    #[test]
    fn a_wrong_type_an_unknown_kind_and_a_secret_are_refused() {
        let service =
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": "80"}});
        assert_eq!(read(&service).unwrap_err().len(), 1);
        let beta = json!({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget"});
        assert!(read(&beta).unwrap_err()[0].contains("policy/v1beta1 is not known"));
        assert!(read(&json!({"apiVersion": "v1", "kind": "Secret"})).unwrap_err()[0].contains("repository"));
    }
}
