//! Faults in a Kubernetes cluster, with the same journal, guardian and undo as on one machine; and what is to be looked at meanwhile.
//!
//! Invariants: nothing outside one namespace is asked for or changed, and that is one which the file and the command line both
//! name; pods are found by the labels of a service; what is made bears a label and the time at which it is to be gone, so
//! that [`sweep`] finds it whoever made it; everything that is sent is a [`Call`], which a dry run prints instead.
//! Absent on purpose: a controller. A fault is a few calls and its undo a few more.

mod aim;
mod api;
mod call;
mod exec;
mod mesh;
mod policies;
mod run;
mod seen;
mod sweep;
mod undo;
mod watch;

pub use call::Call;
pub use run::{KubernetesChaos, KubernetesOrder, KubernetesTarget, Planned};
pub use sweep::{Scope, Swept, sweep};
pub use undo::undo;
pub use watch::{AutoscalerRow, PodRow, autoscalers, logs, pods};

/// What is ours bears this label, with this value.
const MANAGED: (&str, &str) = ("app.kubernetes.io/managed-by", "stampede");
/// When it is to be gone, in seconds since 1970.
const EXPIRES: &str = "stampede.dev/expires";
/// What a suspended policy says otherwise.
const SUSPENDED: &str = "stampede.dev/suspended-spec";
/// Objects that are asked for at once; a namespace with more of a kind is refused.
const MOST: usize = 500;
