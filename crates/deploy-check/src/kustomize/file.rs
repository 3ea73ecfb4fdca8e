//! A kustomization file, as far as it is known here. A key that is not known is an error with its line.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the file is called.
pub(super) const NAME: &str = "kustomization.yaml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Kustomization {
    api_version: String,
    kind: String,
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) resources: Vec<String>,
    #[serde(default)]
    pub(super) components: Vec<String>,
    #[serde(default)]
    pub(super) labels: Vec<Labels>,
    #[serde(default)]
    pub(super) config_map_generator: Vec<Generator>,
    #[serde(default)]
    pub(super) images: Vec<Image>,
    #[serde(default)]
    pub(super) patches: Vec<Patch>,
}

impl Kustomization {
    /// Refuses what is no kustomization.
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.api_version.as_str(), self.kind.as_str()) {
            ("kustomize.config.k8s.io/v1beta1", "Kustomization")
            | ("kustomize.config.k8s.io/v1alpha1", "Component") => Ok(()),
            (version, kind) => Err(format!(
                "{kind} of {version} is not known\nhint: Kustomization of kustomize.config.k8s.io/v1beta1, or Component of v1alpha1"
            )),
        }
    }
}

/// Labels of the objects themselves; selectors are left alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Labels {
    pub(super) pairs: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Generator {
    pub(super) name: String,
    #[serde(default)]
    pub(super) literals: Vec<String>,
    #[serde(default)]
    pub(super) files: Vec<String>,
    #[serde(default)]
    pub(super) options: GeneratorOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct GeneratorOptions {
    pub(super) disable_name_suffix_hash: bool,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) new_name: Option<String>,
    pub(super) new_tag: Option<String>,
}

/// Operations of RFC 6902, as YAML in a text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Patch {
    pub(super) target: Target,
    pub(super) patch: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Target {
    pub(super) kind: String,
    pub(super) name: String,
}
