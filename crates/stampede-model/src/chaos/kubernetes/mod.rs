//! Faults in a Kubernetes cluster: what they are called, which cluster and pods are meant, and how each is undone. Pure; whoever talks to
//! a cluster is the engine, in a build with the feature `kubernetes`.
//!
//! Invariants: a namespace is touched only when the file and the command line both name it; pods are meant by labels and never all of
//! a namespace; what undoes a fault says where it is to be undone, so that another process can.

mod fault;
mod file;
mod undo;

pub use fault::{KubernetesFault, KubernetesKind, RawKubernetesFault};
pub use file::{KubernetesFile, KubernetesService, Workload};
pub use undo::{ClusterReach, KubernetesUndo, Suspended};
