//! How a fault in a cluster is undone, as the journal keeps it.

use serde::{Deserialize, Serialize};

/// The way to a cluster. Credentials stay in the kubeconfig: the journal has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReach {
    /// The kubeconfig; without one what `kubectl` would use, or the pod's own account.
    pub kubeconfig: Option<String>,
    /// Its context; without one the current.
    pub context: Option<String>,
    /// The only namespace that is touched.
    pub namespace: String,
}

/// How a fault is undone. Each is safe to do twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kubernetes", rename_all = "snake_case")]
pub enum KubernetesUndo {
    /// Nothing is to be done but to see that as many pods are ready as before.
    Ready {
        /// Their labels, as `app=kv-erp-api`.
        pods: String,
        /// How many.
        count: u32,
    },
    /// A workload gets its number of pods back.
    Scale {
        /// Path of its `scale`.
        path: String,
        /// How many.
        replicas: u32,
        /// The labels of its pods.
        pods: String,
    },
    /// Objects that were made are deleted; each is gone when its path answers 404.
    Delete {
        /// Their paths.
        paths: Vec<String>,
    },
    /// Policies that were suspended say what they said.
    Restore {
        /// The policy that was made.
        made: String,
        /// Those that were there.
        suspended: Vec<Suspended>,
    },
}

/// A network policy that says nothing for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// Its path.
    pub path: String,
    /// What it said, as JSON.
    pub spec: String,
}
