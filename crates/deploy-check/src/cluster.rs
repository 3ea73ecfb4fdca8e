//! An overlay's objects, and what they call each other by.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use crate::finding::Finding;
use crate::kustomize::Rendered;
use crate::typed::{Typed, read};

/// An overlay's objects.
#[derive(Debug)]
pub(crate) struct Cluster {
    overlay: String,
    pub(crate) objects: Vec<Object>,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) typed: Typed,
}

/// Whatever makes pods.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload<'a> {
    pub(crate) object: &'a Object,
    /// The labels of its pods.
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) selector: Option<&'a LabelSelector>,
    pub(crate) pod: &'a PodSpec,
}

impl Cluster {
    /// Reads all objects; what cannot be read is a finding and left out.
    pub(crate) fn of(overlay: &str, rendered: &Rendered) -> (Self, Vec<Finding>) {
        let (mut objects, mut findings) = (Vec::new(), Vec::new());
        for value in &rendered.objects {
            let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
            let (kind, name) = (text("/kind"), text("/metadata/name"));
            let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
            let labels = labels.into_iter().flatten();
            let labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
            match read(value) {
                Ok(typed) => objects.push(Object { kind, name, labels, typed }),
                Err(lost) => {
                    findings
                        .extend(lost.into_iter().map(|what| Finding::new(format!("{overlay} {kind} {name}"), what)));
                }
            }
        }
        (Self { overlay: overlay.to_owned(), objects }, findings)
    }

    /// A finding about one of its objects.
    pub(crate) fn finding(&self, object: &Object, what: impl Into<String>) -> Finding {
        Finding::new(format!("{} {} {}", self.overlay, object.kind, object.name), what)
    }

    /// A finding about the whole.
    pub(crate) fn missing(&self, what: impl Into<String>) -> Finding {
        Finding::new(&self.overlay, what)
    }

    /// Deployments, stateful sets and jobs.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = Workload<'_>> {
        self.objects.iter().filter_map(Object::workload)
    }

    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.kind == kind && object.name == name)
    }

    pub(crate) fn config_map(&self, name: &str) -> Option<&ConfigMap> {
        match &self.find("ConfigMap", name)?.typed {
            Typed::ConfigMap(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = (&Object, &Service)> {
        self.objects.iter().filter_map(|object| match &object.typed {
            Typed::Service(service) => Some((object, service.as_ref())),
            _ => None,
        })
    }

    /// Those whose pods have all labels of a selector.
    pub(crate) fn selected<'a>(&'a self, wanted: &BTreeMap<String, String>) -> Vec<Workload<'a>> {
        self.workloads().filter(|workload| has_all(workload.labels, wanted)).collect()
    }
}

impl Object {
    fn workload(&self) -> Option<Workload<'_>> {
        let (selector, template) = match &self.typed {
            Typed::Deployment(deployment) => {
                let spec = deployment.spec.as_ref()?;
                (Some(&spec.selector), &spec.template)
            }
            Typed::StatefulSet(set) => {
                let spec = set.spec.as_ref()?;
                (Some(&spec.selector), &spec.template)
            }
            Typed::Job(job) => (None, &job.spec.as_ref()?.template),
            _ => return None,
        };
        let labels = template.metadata.as_ref()?.labels.as_ref()?;
        Some(Workload { object: self, labels, selector, pod: template.spec.as_ref()? })
    }
}

impl Workload<'_> {
    /// The container of one of our programs.
    pub(crate) fn main(&self) -> Option<&Container> {
        self.pod.containers.first()
    }

    /// A port by its name or number.
    pub(crate) fn has_port(&self, port: &str) -> bool {
        let ports = self.pod.containers.iter().flat_map(|container| container.ports.iter().flatten());
        ports.into_iter().any(|known| known.name.as_deref() == Some(port) || known.container_port.to_string() == port)
    }
}

/// Whether labels fulfil a selector.
pub(crate) fn has_all(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}
