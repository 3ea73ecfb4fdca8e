//! The `[kubernetes]` file: which cluster, which namespace, and which pods are which service.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::target::{Source, TargetError};

/// A read file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesFile {
    /// The only namespace that may be touched.
    pub namespace: String,
    /// The context of the kubeconfig; without one the current.
    pub context: Option<String>,
    /// Services by the names that commands use.
    pub services: BTreeMap<String, KubernetesService>,
}

/// The pods of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesService {
    /// Their labels, as `app=kv-erp-api`; never none.
    pub pods: BTreeMap<String, String>,
    /// What makes them.
    pub workload: Workload,
}

/// What makes pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A Deployment.
    Deployment(String),
    /// A `StatefulSet`.
    StatefulSet(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kubernetes: Raw,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    namespace: Spanned<String>,
    context: Option<String>,
    service: BTreeMap<String, Spanned<RawService>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    pods: String,
    deployment: Option<String>,
    statefulset: Option<String>,
}

impl KubernetesFile {
    /// Reads a file's text; `file` is its name in error messages.
    ///
    /// # Errors
    /// The first mistake, with line, column and a hint.
    pub fn parse(file: &str, text: &str) -> Result<Self, TargetError> {
        let source = Source { file, text };
        let read: File = toml::from_str(text).map_err(|error| {
            let hint = "docs/kubernetes.md has a file with every field; fields are never ignored";
            source.error(error.span().unwrap_or(0..0), error.message().trim_end(), hint)
        })?;
        let Raw { namespace, context, service } = read.kubernetes;
        let place = namespace.span();
        let namespace = namespace.into_inner();
        if !is_name(&namespace) {
            let what = format!("`{namespace}` is no name of a namespace");
            return Err(source.error(place, what, "small letters, digits and hyphens, 63 at most"));
        }
        // The cluster's own machinery is nobody's system under test.
        if namespace.starts_with("kube-") {
            let what = format!("`{namespace}` is the cluster's own namespace");
            return Err(source.error(place, what, "name that of the system under test"));
        }
        if service.is_empty() {
            return Err(source.error(
                place,
                "no service is named",
                "add [kubernetes.service.api] with pods and deployment",
            ));
        }
        let services = service
            .into_iter()
            .map(|(name, service)| {
                let place = service.span();
                Ok((name, service.into_inner().read(source, place)?))
            })
            .collect::<Result<_, TargetError>>()?;
        Ok(Self { namespace, context, services })
    }

    /// Whether the command line means the same namespace: the second switch.
    ///
    /// # Errors
    /// When it names another.
    pub fn agrees(&self, named: &str) -> Result<(), String> {
        if self.namespace == named {
            return Ok(());
        }
        Err(format!(
            "--namespace {named} is not the file's {}: nothing is touched\nhint: what is to be broken is named twice, in the file and by --namespace",
            self.namespace
        ))
    }
}

impl RawService {
    fn read(self, source: Source<'_>, place: Range<usize>) -> Result<KubernetesService, TargetError> {
        let wrong = |what: String, hint: &str| source.error(place.clone(), what, hint);
        let mut pods = BTreeMap::new();
        for pair in self.pods.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=').filter(|(key, value)| is_label(key) && is_label(value))
            else {
                return Err(wrong(
                    format!("`{pair}` is no label"),
                    "pods = \"app=kv-erp-api\", several apart by commas",
                ));
            };
            pods.insert(key.to_owned(), value.to_owned());
        }
        if pods.is_empty() {
            return Err(wrong(
                "pods names no label".to_owned(),
                "pods = \"app=kv-erp-api\"; all pods of a namespace are never meant",
            ));
        }
        let workload = match (self.deployment, self.statefulset) {
            (Some(name), None) => Workload::Deployment(name),
            (None, Some(name)) => Workload::StatefulSet(name),
            _ => {
                return Err(wrong(
                    "what makes the pods is to be named once".to_owned(),
                    "either deployment or statefulset",
                ));
            }
        };
        let (Workload::Deployment(name) | Workload::StatefulSet(name)) = &workload;
        if !is_name(name) {
            return Err(wrong(
                format!("`{name}` is no name of an object"),
                "small letters, digits and hyphens, 63 at most",
            ));
        }
        Ok(KubernetesService { pods, workload })
    }
}

/// RFC 1123's label: names go into paths as they are.
fn is_name(name: &str) -> bool {
    let fits = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
    (1..=63).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('-') && !name.ends_with('-')
}

fn is_label(word: &str) -> bool {
    let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.' | '/');
    (1..=253).contains(&word.len()) && word.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[kubernetes]\nnamespace = \"staging\"\n[kubernetes.service.api]\npods = \"app=kv-erp-api, tier=web\"\ndeployment = \"kv-erp-api\"\n";

    #[test]
    fn a_file_says_where_and_which() {
        let file = KubernetesFile::parse("k.toml", GOOD).unwrap();
        let api = &file.services["api"];
        assert_eq!(api.workload, Workload::Deployment("kv-erp-api".to_owned()));
        assert_eq!(api.pods.len(), 2);
        assert_eq!(file.agrees("staging"), Ok(()));
        assert!(file.agrees("production").unwrap_err().contains("named twice"));
    }

    #[test]
    fn each_mistake_has_its_line() {
        for (from, to, place, word) in [
            ("staging", "Staging", "k.toml:2:", "no name of a namespace"),
            ("staging", "kube-system", "k.toml:2:", "cluster's own"),
            ("app=kv-erp-api, tier=web", "", "k.toml:3:", "names no label"),
            ("app=kv-erp-api, tier=web", "app", "k.toml:3:", "`app` is no label"),
            ("deployment = \"kv-erp-api\"\n", "", "k.toml:3:", "named once"),
            ("deployment = \"kv-erp-api\"", "deployment = \"../x\"", "k.toml:3:", "no name of an object"),
            ("deployment =", "deploy =", "k.toml:5:", "unknown field"),
        ] {
            let error = KubernetesFile::parse("k.toml", &GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.starts_with(place) && error.contains(word), "{to}: {error}");
        }
    }
}
