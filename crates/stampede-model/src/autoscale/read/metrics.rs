//! A metric as it is written: which of the four it is follows from its fields.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::At;
use crate::autoscale::amount::Amount;
use crate::autoscale::spec::Metric;
use crate::target::TargetError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileMetric {
    resource: Option<String>,
    pods: Option<String>,
    external: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    utilization: Option<u32>,
    average: Option<f64>,
    value: Option<f64>,
}

const HINT: &str = "write { resource = \"cpu\", utilization = 70 }, { pods = \"requests_per_second\", average = 600 } or \
                    { external = \"seconds_to_clear\", value = 30 }";

impl At<'_> {
    pub(super) fn metric(&self, read: &Spanned<FileMetric>) -> Result<Metric, TargetError> {
        let wrong = |message: &str, hint: &str| self.source.error(read.span(), message, hint);
        let FileMetric { resource, pods, external, labels, utilization, average, value } = read.as_ref();
        if external.is_none() && !labels.is_empty() {
            return Err(wrong("labels belong to an external metric", "remove labels"));
        }
        let amount = |of: f64| {
            let amount = Amount::of(of);
            if amount.milli() == 0 || !of.is_finite() || of > 1e12 {
                return Err(wrong(&format!("a target of {of}"), "it is more than 0, to thousandths"));
            }
            Ok(amount)
        };
        let resource_name = |name: &String| match name.as_str() {
            "cpu" | "memory" => Ok(name.clone()),
            other => Err(wrong(&format!("no resource is called `{other}`"), "there are cpu and memory")),
        };
        let named = |name: &String| if is_metric(name) { Ok(name.clone()) } else { Err(bad_name(self, read, name)) };
        let metric = match (resource, pods, external, utilization, average, value) {
            (Some(name), None, None, Some(percent @ 1..), None, None) => {
                Metric::Utilization { resource: resource_name(name)?, percent: *percent }
            }
            (Some(name), None, None, None, Some(average), None) => {
                Metric::Resource { resource: resource_name(name)?, average: amount(*average)? }
            }
            (None, Some(name), None, None, Some(average), None) => {
                Metric::Pods { name: named(name)?, average: amount(*average)? }
            }
            (None, None, Some(name), None, None, Some(value)) => {
                Metric::External { name: named(name)?, labels: labels.clone(), value: amount(*value)? }
            }
            (None, None, Some(name), None, Some(average), None) => {
                Metric::ExternalAverage { name: named(name)?, labels: labels.clone(), average: amount(*average)? }
            }
            _ => return Err(wrong("a metric has one name and one target that fits it", HINT)),
        };
        match labels.keys().find(|label| !is_metric(label)) {
            Some(label) => Err(bad_name(self, read, label)),
            None => Ok(metric),
        }
    }
}

fn bad_name(at: &At<'_>, read: &Spanned<FileMetric>, name: &str) -> TargetError {
    let hint = "letters, digits, `_`, `-`, `.` and `/`, a letter first";
    at.source.error(read.span(), format!("`{name}` is no name of a metric or label"), hint)
}

fn is_metric(name: &str) -> bool {
    name.len() <= 253
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/'))
}
