//! How many replicas there should be: the algorithm of Kubernetes' `HorizontalPodAutoscaler` (`autoscaling/v2`) as a function of what
//! was measured, what was decided before, and the time.
//!
//! Invariants: the same measurements at the same moments give the same decisions; no decision is below `min` or above `max`; the
//! numbers that decide here are the numbers of the manifest ([`Autoscaler::manifest`]).
//! Absent on purpose: scaling to zero (alpha in Kubernetes), metrics of single containers, and of other objects.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details> and
//! <https://github.com/kubernetes/enhancements/tree/master/keps/sig-autoscaling/853-configurable-hpa-scale-velocity>.

mod amount;
mod behaviour;
mod decide;
mod judge;
mod manifest;
mod plan;
mod propose;
mod queue;
mod read;
mod report;
mod spec;

#[cfg(test)]
mod tests;

pub use amount::Amount;
pub use decide::{Decision, Memory, Reason, Seen};
pub use judge::{Judging, horizontal_scale, rows};
pub use plan::{ExpectedScale, ScalePlan, ScaleQueue, TURNS_MAX};
pub use propose::{NoProposal, Reading, ReplicaReading};
pub use queue::{QueueGauge, seconds_to_clear};
pub use report::{AUTOSCALE_FORMAT, AUTOSCALE_VERSION, AutoscaleReport, Moment, ScaleChange, ScaleSecond, seconds_of};
pub use spec::{Autoscaler, Metric, Policy, PolicyKind, Rules, ScaleTarget, Select};
