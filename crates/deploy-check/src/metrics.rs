//! Names of metrics: every one that a rule or the dashboard uses is one that a program has.
//!
//! A name is a word of the expression that is not a label, a function or a keyword. Words within braces, behind `by`, `on` and their
//! like are labels; what is followed by a bracket is a function; a name with a colon is a recorded one.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::crds::{Custom, PrometheusRule};
use crate::finding::Finding;
use crate::yaml::{self, ReadError};

const RULES: &str = "deploy/components/monitoring/rules.yaml";
const DASHBOARD: &str = "deploy/components/monitoring/kv-erp.json";
const DOCUMENT: &str = "docs/metrics.md";

/// What others export: kube-state-metrics, the exporter of Redis, and Prometheus itself.
const THEIRS: [&str; 7] = [
    "kube_deployment_status_replicas_available",
    "kube_pod_container_status_last_terminated_reason",
    "kube_pod_container_status_restarts_total",
    "redis_evicted_keys_total",
    "redis_memory_max_bytes",
    "redis_memory_used_bytes",
    "up",
];
const KEYWORDS: [&str; 9] = ["and", "or", "unless", "offset", "bool", "inf", "nan", "start", "end"];
/// Behind these stands a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The names of the table in docs/metrics.md, which a test of the service holds to what `/metrics` says.
pub fn declared_metrics(document: &str) -> BTreeSet<String> {
    let column = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    document.lines().filter_map(column).collect()
}

/// The names of metrics in an expression.
pub fn named_metrics(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut rest, mut labels_follow) = (expression, false);
    while let Some(sign) = rest.chars().next() {
        if let Some(closing) = match sign {
            '{' => Some('}'),
            '[' => Some(']'),
            '"' => Some('"'),
            '\'' => Some('\''),
            '(' if labels_follow => Some(')'),
            _ => None,
        } {
            rest = rest[1..].split_once(closing).map_or("", |(_, behind)| behind);
            labels_follow = false;
            continue;
        }
        let is_part = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | ':');
        if !is_part(sign) {
            rest = &rest[sign.len_utf8()..];
            continue;
        }
        let end = rest.find(|sign| !is_part(sign)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        if BEFORE_LABELS.contains(&word) {
            labels_follow = true;
        } else if !word.starts_with(|sign: char| sign.is_ascii_digit())
            && !KEYWORDS.contains(&word)
            // `sum by (..) (..)` and `sum(..)` alike.
            && !behind.trim_start().starts_with('(')
            && !BEFORE_LABELS.iter().any(|label| behind.trim_start().starts_with(&format!("{label} (")))
        {
            names.insert(word.to_owned());
        }
    }
    names
}

/// How many names are used, and those that nobody has.
pub(crate) fn check(root: &Path) -> Result<(usize, Vec<Finding>), ReadError> {
    let declared = declared_metrics(&yaml::text(&root.join(DOCUMENT))?);
    let rules: Custom<PrometheusRule> = yaml::one(&root.join(RULES))?;
    let rules: Vec<_> = rules.spec.groups.into_iter().flat_map(|group| group.rules).collect();
    let recorded: BTreeSet<&str> = rules.iter().filter_map(|rule| rule.record.as_deref()).collect();
    let mut used: Vec<(String, String)> = Vec::new();
    let mut found = Vec::new();
    for rule in &rules {
        let name = rule.alert.as_ref().or(rule.record.as_ref()).cloned().unwrap_or_else(|| "?".to_owned());
        if rule.alert.is_some() {
            for annotation in ["summary", "hint"] {
                if !rule.annotations.contains_key(annotation) {
                    found.push(Finding::new(
                        format!("{RULES} {name}"),
                        format!("the annotation `{annotation}` is missing"),
                    ));
                }
            }
        }
        used.extend(named_metrics(&rule.expr).into_iter().map(|metric| (format!("{RULES} {name}"), metric)));
    }
    let dashboard: Value = serde_json::from_str(&yaml::text(&root.join(DASHBOARD))?)
        .map_err(|error| ReadError::Shape { file: root.join(DASHBOARD), why: error.to_string() })?;
    let expressions = dashboard_expressions(&dashboard);
    if expressions.is_empty() {
        found.push(Finding::new(DASHBOARD, "no panel asks for anything"));
    }
    for (panel, expression) in expressions {
        used.extend(named_metrics(&expression).into_iter().map(|metric| (format!("{DASHBOARD} {panel}"), metric)));
    }
    let names: BTreeSet<&str> = used.iter().map(|(_, metric)| metric.as_str()).collect();
    let count = names.len();
    found.extend(used.iter().filter(|(_, metric)| !is_known(metric, &declared, &recorded)).map(|(at, metric)| {
        Finding::new(at, format!("nobody has a metric {metric}\nhint: {DOCUMENT} lists those of the service"))
    }));
    Ok((count, found))
}

fn is_known(metric: &str, declared: &BTreeSet<String>, recorded: &BTreeSet<&str>) -> bool {
    let parts = ["_bucket", "_sum", "_count"];
    recorded.contains(metric)
        || THEIRS.contains(&metric)
        || declared.contains(metric)
        || parts.iter().any(|part| metric.strip_suffix(part).is_some_and(|family| declared.contains(family)))
}

/// Panel and expression.
fn dashboard_expressions(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let panels = value.get("panels").and_then(Value::as_array);
    for panel in panels.into_iter().flatten() {
        let title = panel.get("title").and_then(Value::as_str).unwrap_or("?");
        let targets = panel.get("targets").and_then(Value::as_array);
        let expressions = targets.into_iter().flatten().filter_map(|target| target.get("expr")?.as_str());
        found.extend(expressions.map(|expression| (format!("\"{title}\""), expression.to_owned())));
    }
    let variables = value.pointer("/templating/list").and_then(Value::as_array);
    let queries = variables.into_iter().flatten().filter_map(|variable| variable.pointer("/query/query")?.as_str());
    // `label_values(METRIC, label)` is Grafana's own.
    let metrics = queries.filter_map(|query| query.strip_prefix("label_values(")?.split(',').next());
    found.extend(metrics.map(|metric| ("its variables".to_owned(), metric.to_owned())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(expression: &str) -> Vec<String> {
        named_metrics(expression).into_iter().collect()
    }

    #[test]
    fn names_are_told_from_functions_labels_and_numbers() {
        let expression = r#"sum by (namespace, le) (rate(kv_a_bucket{route=~"/api/.*",x!="b"}[5m])) / ignoring(state) kv_b > 14.4 * 0.001 and on (pod) up == 1"#;
        assert_eq!(names(expression), ["kv_a_bucket", "kv_b", "up"]);
        assert_eq!(names("histogram_quantile(0.95, kv_erp:x:p95)"), ["kv_erp:x:p95"]);
        assert_eq!(names("topk(5, sum(kv_c) by (pod))"), ["kv_c"]);
        assert_eq!(names("count by (namespace) (up{job=\"a\"} == 1) or 0 * kv_d offset 5m"), ["kv_d", "up"]);
    }

    #[test]
    fn the_document_is_read_by_its_first_column() {
        let document = "| name | kind |\n|---|---|\n| `kv_a` | counter |\n| `kv_b_seconds` | histogram | |\n";
        let declared = declared_metrics(document);
        assert_eq!(declared.len(), 2);
        assert!(is_known("kv_b_seconds_bucket", &declared, &BTreeSet::new()));
        assert!(!is_known("kv_c", &declared, &BTreeSet::new()));
    }
}
