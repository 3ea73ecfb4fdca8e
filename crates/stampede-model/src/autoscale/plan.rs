//! A run of an autoscaler: what it scales, under which load, and what must come of it.
//!
//! Invariant: a plan that was read can be carried out, but for what its scenario and its cluster say.

use std::path::PathBuf;
use std::time::Duration;

use super::spec::Autoscaler;

/// Most turning points of the replicas that can be expected.
pub const TURNS_MAX: usize = 32;

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalePlan {
    /// The autoscaler as its file has it; the run divides its times by `compress`.
    pub autoscaler: Autoscaler,
    /// The target file of the cluster, relative to the plan's folder; started when no cluster runs.
    pub cluster: Option<PathBuf>,
    /// The service that is scaled.
    pub service: String,
    /// How often it looks, before it is divided.
    pub interval: Duration,
    /// What all times are divided by.
    pub compress: u32,
    /// The metric of each replica that is the balancer's requests per second.
    pub requests: Option<String>,
    /// Thousandths of a core that a replica requests.
    pub cpu_request_milli: Option<u32>,
    /// The queue behind a metric.
    pub queue: Option<ScaleQueue>,
    /// The load's scenario file, relative to the plan's folder.
    pub scenario: PathBuf,
    /// What must come of it.
    pub expect: ExpectedScale,
}

/// A queue in the cluster's Redis whose seconds to clear are a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleQueue {
    /// The metric.
    pub metric: String,
    /// The list of jobs that wait.
    pub list: String,
    /// The counter of jobs that were done.
    pub done: String,
}

/// What must come of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedScale {
    /// Replicas at the beginning, where their number turns, and at the end: `[3, 8, 3]`.
    pub replicas: Vec<u32>,
    /// The 95th percentile of every window stays below it.
    pub p95: Duration,
    /// How long a window is.
    pub window: Duration,
    /// Requests that do not succeed, as a share of all, stay below it.
    pub errors: f64,
}

impl ScalePlan {
    /// The autoscaler as the run uses it.
    pub fn compressed(&self) -> Autoscaler {
        self.autoscaler.clone().faster(self.compress)
    }

    /// The interval as the run uses it.
    pub fn run_interval(&self) -> Duration {
        self.interval / self.compress
    }
}
