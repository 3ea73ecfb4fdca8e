//! The manifest of Kubernetes' `HorizontalPodAutoscaler` with the numbers that decide here.
//!
//! Invariants: every default that has a say is written out, so that the manifest does not change its meaning with the cluster; names
//! were checked when they were read, and values of labels are quoted, so no text can break out of its place.
//!
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/>.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::spec::{Autoscaler, Metric, PolicyKind, Rules, Select};

impl Autoscaler {
    /// The manifest, as YAML.
    pub fn manifest(&self) -> String {
        let mut yaml = Yaml::default();
        yaml.line(0, "apiVersion: autoscaling/v2");
        yaml.line(0, "kind: HorizontalPodAutoscaler");
        yaml.line(0, "metadata:");
        yaml.line(1, &format!("name: {}", self.name));
        if let Some(namespace) = &self.namespace {
            yaml.line(1, &format!("namespace: {namespace}"));
        }
        yaml.line(0, "spec:");
        yaml.line(1, "scaleTargetRef:");
        yaml.line(2, "apiVersion: apps/v1");
        yaml.line(2, &format!("kind: {}", self.target.kind));
        yaml.line(2, &format!("name: {}", self.target.name));
        yaml.line(1, &format!("minReplicas: {}", self.min));
        yaml.line(1, &format!("maxReplicas: {}", self.max));
        yaml.line(1, "metrics:");
        for metric in &self.metrics {
            yaml.metric(metric);
        }
        yaml.line(1, "behavior:");
        yaml.rules("scaleUp", &self.up);
        yaml.rules("scaleDown", &self.down);
        yaml.text
    }
}

#[derive(Default)]
struct Yaml {
    text: String,
}

impl Yaml {
    fn line(&mut self, depth: usize, line: &str) {
        // Writing to a String cannot fail.
        let _infallible = writeln!(self.text, "{:width$}{line}", "", width = depth * 2);
    }

    fn metric(&mut self, metric: &Metric) {
        match metric {
            Metric::Utilization { resource, percent } => {
                let target = format!("averageUtilization: {percent}");
                self.source("Resource", "resource", (resource, None), ("Utilization", &target));
            }
            Metric::Resource { resource, average } => {
                let target = format!("averageValue: \"{average}\"");
                self.source("Resource", "resource", (resource, None), ("AverageValue", &target));
            }
            Metric::Pods { name, average } => {
                let target = format!("averageValue: \"{average}\"");
                self.source("Pods", "pods", (name, Some(&BTreeMap::new())), ("AverageValue", &target));
            }
            Metric::External { name, labels, value } => {
                let target = format!("value: \"{value}\"");
                self.source("External", "external", (name, Some(labels)), ("Value", &target));
            }
            Metric::ExternalAverage { name, labels, average } => {
                let target = format!("averageValue: \"{average}\"");
                self.source("External", "external", (name, Some(labels)), ("AverageValue", &target));
            }
        }
    }

    /// One entry of `metrics`. A resource is named directly, anything else under `metric`, with labels where it has some.
    fn source(
        &mut self,
        kind: &str,
        key: &str,
        (name, labels): (&str, Option<&BTreeMap<String, String>>),
        (target_type, target): (&str, &str),
    ) {
        self.line(2, &format!("- type: {kind}"));
        self.line(3, &format!("{key}:"));
        match labels {
            None => self.line(4, &format!("name: {name}")),
            Some(labels) => {
                self.line(4, "metric:");
                self.line(5, &format!("name: {name}"));
                if !labels.is_empty() {
                    self.line(5, "selector:");
                    self.line(6, "matchLabels:");
                }
                for (label, value) in labels {
                    self.line(7, &format!("{label}: {}", quoted(value)));
                }
            }
        }
        self.line(4, "target:");
        self.line(5, &format!("type: {target_type}"));
        self.line(5, target);
    }

    fn rules(&mut self, key: &str, rules: &Rules) {
        let select = match rules.select {
            Select::Max => "Max",
            Select::Min => "Min",
            Select::Disabled => "Disabled",
        };
        self.line(2, &format!("{key}:"));
        self.line(3, &format!("stabilizationWindowSeconds: {}", rules.stabilization.as_secs()));
        if let Some(milli) = rules.tolerance_milli {
            self.line(3, &format!("tolerance: \"{milli}m\""));
        }
        self.line(3, &format!("selectPolicy: {select}"));
        self.line(3, "policies:");
        for policy in &rules.policies {
            let kind = match policy.kind {
                PolicyKind::Pods => "Pods",
                PolicyKind::Percent => "Percent",
            };
            self.line(4, &format!("- type: {kind}"));
            self.line(5, &format!("value: {}", policy.value));
            self.line(5, &format!("periodSeconds: {}", policy.period.as_secs()));
        }
    }
}

/// A text as YAML and JSON both write it.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}
