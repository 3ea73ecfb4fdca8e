//! Faults on purpose: what can be broken, when, how it is made whole again, and how clients got over it.
//!
//! Invariants: every fault has an end; what undoes it is known, and written down, before it begins; which replica a fault meets
//! follows from the plan's seed alone. Absent on purpose: the breaking itself, which is the engine's business.

mod abort;
mod checked;
mod draw;
mod expected;
mod fault;
mod journal;
mod kind;
mod kubernetes;
mod plan;
mod raw;
mod recovery;
mod report;

pub use abort::{AbortRule, SecondSeen};
pub use checked::{CheckedReport, CheckedRow, Way};
pub use draw::draw;
pub use expected::Expected;
pub use fault::{DatabaseStop, Direction, Fault, HttpTrouble, HttpWhat, Limits, RedisPause, Rough};
pub use journal::{BadJournal, Entry, Journal, OpenFault, ProcessId, Reach, Undo};
pub use kind::Kind;
pub use kubernetes::{
    ClusterReach, KubernetesFault, KubernetesFile, KubernetesKind, KubernetesService, KubernetesUndo,
    RawKubernetesFault, Suspended, Workload,
};
pub use plan::{ChaosPlan, Due, PlanChecked, PlanFault, PlanLoad, PlanWorkload, Steady};
pub use raw::{BadFault, RawFault};
pub use recovery::{Outcome, Recovery, Window, recovery};
pub use report::{BadEnd, CHAOS_FORMAT, CHAOS_VERSION, ChaosReport, FaultReport, SteadyReport};
