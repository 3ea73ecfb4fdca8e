//! What can be reached from where: policies that select somebody and name real ports, and an Ingress that shows the interface alone.

use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::rules::links::{labels_of, show, shown};
use crate::typed::Typed;

/// For the inside only.
const INSIDE: [&str; 3] = ["/metrics", "/readyz", "/healthz"];

pub(super) fn check(cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    for object in &cluster.objects {
        match &object.typed {
            Typed::NetworkPolicy(policy) => {
                let Some(spec) = &policy.spec else { continue };
                let wanted = labels_of(spec.pod_selector.as_ref());
                let selected = cluster.selected(&wanted);
                if wanted.is_empty() || selected.is_empty() {
                    found.push(cluster.finding(object, format!("its podSelector {} selects no pods", show(&wanted))));
                }
                // Ports of who is called from outside are ports of the selected pods; ports that they call are somebody else's.
                let ports = spec.ingress.iter().flatten().flat_map(|rule| rule.ports.iter().flatten());
                for port in ports.filter_map(|port| port.port.as_ref()).map(shown) {
                    if selected.iter().any(|workload| !workload.has_port(&port)) {
                        found.push(cluster.finding(object, format!("port {port} is no port of the pods it selects")));
                    }
                }
            }
            Typed::Ingress(ingress) => {
                let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
                let paths = rules.filter_map(|rule| rule.http.as_ref()).flat_map(|http| &http.paths);
                for path in paths {
                    let written = path.path.as_deref().unwrap_or("/");
                    let is_prefix = path.path_type != "Exact";
                    let shown = INSIDE.iter().find(|inside| {
                        **inside == written || (is_prefix && format!("{inside}/").starts_with(&with_slash(written)))
                    });
                    if let Some(inside) = shown {
                        let what =
                            format!("path {written} shows {inside} to the outside\nhint: /api, /openapi.json, /docs");
                        found.push(cluster.finding(object, what));
                    }
                }
            }
            _ => {}
        }
    }
    found.extend(every_port_has_a_policy(cluster));
    found
}

fn with_slash(path: &str) -> String {
    if path.ends_with('/') { path.to_owned() } else { format!("{path}/") }
}

/// Our own services do not stand open.
fn every_port_has_a_policy(cluster: &Cluster) -> Vec<Finding> {
    let policies: Vec<_> = cluster
        .objects
        .iter()
        .filter_map(|object| match &object.typed {
            Typed::NetworkPolicy(policy) => Some(labels_of(policy.spec.as_ref()?.pod_selector.as_ref())),
            _ => None,
        })
        .collect();
    let ours = cluster.workloads().filter(|workload| workload.object.kind == "Deployment");
    let open = ours.filter(|workload| !policies.iter().any(|wanted| crate::cluster::has_all(workload.labels, wanted)));
    open.map(|workload| cluster.finding(workload.object, "no NetworkPolicy selects its pods")).collect()
}
