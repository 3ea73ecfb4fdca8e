//! Who means whom: selectors and labels, services and ports, targets of autoscalers, monitors, budgets.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::cluster::{Cluster, Object, Workload, has_all};
use crate::crds::Endpoint;
use crate::finding::Finding;
use crate::typed::Typed;

/// What the guide's commands call: `-l app=NAME`, `deployment/NAME`.
const NAMED_BY_THE_GUIDE: [&str; 2] = ["kv-erp-api", "kv-erp-queue-worker"];

pub(super) fn check(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    for workload in cluster.workloads() {
        found.extend(own_labels(cluster, workload));
    }
    found.extend(names_of_the_guide(cluster));
    for object in &cluster.objects {
        found.extend(match &object.typed {
            Typed::Service(service) => {
                let spec = service.spec.as_ref();
                let selector = spec.and_then(|spec| spec.selector.clone()).unwrap_or_default();
                let ports = spec.and_then(|spec| spec.ports.clone()).unwrap_or_default();
                let targets = ports.iter().map(|port| match &port.target_port {
                    Some(target) => shown(target),
                    None => port.port.to_string(),
                });
                selects(cluster, object, &selector, &targets.collect::<Vec<_>>())
            }
            Typed::Budget(budget) => {
                let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                selects(cluster, object, &labels_of(selector), &[])
            }
            Typed::Ingress(ingress) => {
                let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
                let paths = rules.filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
                let backends = paths.filter_map(|path| path.backend.service.as_ref());
                let of = backends.filter_map(|backend| {
                    let port = backend.port.as_ref()?;
                    let port = port.name.clone().or_else(|| port.number.map(|number| number.to_string()))?;
                    service_port(cluster, object, &backend.name, &port)
                });
                of.collect()
            }
            Typed::ServiceMonitor(monitor) => {
                monitored_services(cluster, object, &monitor.selector, &monitor.endpoints)
            }
            Typed::PodMonitor(monitor) => {
                let ports: Vec<String> = monitor.pod_metrics_endpoints.iter().map(|end| end.port.clone()).collect();
                selects(cluster, object, &labels_of(Some(&monitor.selector)), &ports)
            }
            _ => Vec::new(),
        });
    }
    found
}

/// A workload finds its own pods, and spreads its own pods.
fn own_labels(cluster: &Cluster, workload: Workload<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut must_select = |what: &str, selector: Option<&LabelSelector>| {
        let wanted = labels_of(selector);
        if wanted.is_empty() || !has_all(workload.labels, &wanted) {
            let what = format!(
                "{what} {} does not select its own pods, whose labels are {}",
                show(&wanted),
                show(workload.labels)
            );
            found.push(cluster.finding(workload.object, what));
        }
    };
    if let Some(selector) = workload.selector {
        must_select("selector", Some(selector));
    }
    for spread in workload.pod.topology_spread_constraints.iter().flatten() {
        must_select("topologySpreadConstraints", spread.label_selector.as_ref());
    }
    found
}

fn names_of_the_guide(cluster: &Cluster) -> Vec<Finding> {
    let deployments: Vec<Workload<'_>> =
        cluster.workloads().filter(|workload| workload.object.kind == "Deployment").collect();
    if deployments.is_empty() {
        return Vec::new();
    }
    let is_there = |name: &&str| {
        deployments.iter().any(|workload| {
            workload.object.name == **name && workload.labels.get("app").is_some_and(|app| app == *name)
        })
    };
    let missing = NAMED_BY_THE_GUIDE.iter().filter(|name| !is_there(name));
    missing.map(|name| cluster.missing(format!("no Deployment {name} has pods with the label app={name}"))).collect()
}

/// Something selects pods, and they have the ports it speaks of.
fn selects(cluster: &Cluster, object: &Object, wanted: &BTreeMap<String, String>, ports: &[String]) -> Vec<Finding> {
    let selected = cluster.selected(wanted);
    if wanted.is_empty() || selected.is_empty() {
        return vec![cluster.finding(object, format!("its selector {} selects no pods", show(wanted)))];
    }
    let missing = ports.iter().filter(|port| selected.iter().any(|workload| !workload.has_port(port)));
    missing.map(|port| cluster.finding(object, format!("port {port} is no port of the pods it selects"))).collect()
}

fn service_port(cluster: &Cluster, object: &Object, name: &str, port: &str) -> Option<Finding> {
    let Some((_, service)) = cluster.services().find(|(service, _)| service.name == name) else {
        return Some(cluster.finding(object, format!("there is no Service {name}")));
    };
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let known = ports.into_iter().any(|known| known.name.as_deref() == Some(port) || known.port.to_string() == port);
    (!known).then(|| cluster.finding(object, format!("Service {name} has no port {port}")))
}

fn monitored_services(cluster: &Cluster, object: &Object, selector: &LabelSelector, ends: &[Endpoint]) -> Vec<Finding> {
    let wanted = labels_of(Some(selector));
    let services: Vec<&Object> =
        cluster.services().map(|(service, _)| service).filter(|service| has_all(&service.labels, &wanted)).collect();
    if services.is_empty() {
        return vec![cluster.finding(object, format!("its selector {} selects no Service", show(&wanted)))];
    }
    let pairs = services.iter().flat_map(|service| ends.iter().map(move |end| (service, end)));
    pairs.filter_map(|(service, end)| service_port(cluster, object, &service.name, &end.port)).collect()
}

pub(super) fn labels_of(selector: Option<&LabelSelector>) -> BTreeMap<String, String> {
    selector.and_then(|selector| selector.match_labels.clone()).unwrap_or_default()
}

pub(super) fn shown(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

pub(super) fn show(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { "(nothing)".to_owned() } else { pairs.join(",") }
}
