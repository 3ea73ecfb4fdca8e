//! What an autoscaler is told: bounds, metrics with their targets, and how fast it may change its mind.
//!
//! Invariant: an [`Autoscaler`] that was read is one that Kubernetes takes (bounds of windows and periods included).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::amount::Amount;

/// An autoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Autoscaler {
    /// Its name.
    pub name: String,
    /// Where it lives in Kubernetes.
    pub namespace: Option<String>,
    /// What it scales in Kubernetes.
    pub target: ScaleTarget,
    /// Fewest replicas; at least 1.
    pub min: u32,
    /// Most replicas.
    pub max: u32,
    /// What is looked at; at least one.
    pub metrics: Vec<Metric>,
    /// How it grows.
    pub up: Rules,
    /// How it shrinks.
    pub down: Rules,
}

/// What is scaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleTarget {
    /// Such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A metric and what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "metric", rename_all = "snake_case")]
pub enum Metric {
    /// A resource of each replica, on average in per cent of what it requests.
    Utilization {
        /// `cpu` or `memory`.
        resource: String,
        /// Per cent.
        percent: u32,
    },
    /// A resource of each replica, on average.
    Resource {
        /// `cpu` or `memory`.
        resource: String,
        /// Cores or bytes.
        average: Amount,
    },
    /// A metric of each replica, on average.
    Pods {
        /// Its name.
        name: String,
        /// What it should be.
        average: Amount,
    },
    /// One value of something else, such as a queue.
    External {
        /// Its name.
        name: String,
        /// Which of several.
        labels: BTreeMap<String, String>,
        /// What it should be.
        value: Amount,
    },
    /// The same, divided by the replicas.
    ExternalAverage {
        /// Its name.
        name: String,
        /// Which of several.
        labels: BTreeMap<String, String>,
        /// What it should be for each replica.
        average: Amount,
    },
}

impl Metric {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Utilization { resource, .. } | Self::Resource { resource, .. } => resource,
            Self::Pods { name, .. } | Self::External { name, .. } | Self::ExternalAverage { name, .. } => name,
        }
    }

    /// What it should be, as a person writes it.
    pub fn goal(&self) -> String {
        match self {
            Self::Utilization { percent, .. } => format!("{percent} %"),
            Self::Resource { average, .. } | Self::Pods { average, .. } | Self::ExternalAverage { average, .. } => {
                format!("{average} a replica")
            }
            Self::External { value, .. } => value.to_string(),
        }
    }
}

/// How fast replicas may change in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Recommendations of so long ago are still heard: the safest of them counts.
    pub stabilization: Duration,
    /// Which policy counts.
    pub select: Select,
    /// How much in how long.
    pub policies: Vec<Policy>,
    /// How far from its target a metric may be, in thousandths, where it is said.
    pub tolerance_milli: Option<u32>,
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest.
    Min,
    /// None: no change in this direction.
    Disabled,
}

/// How much replicas may change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Counted how.
    pub kind: PolicyKind,
    /// How much; at least 1.
    pub value: u32,
    /// In how long.
    pub period: Duration,
}

/// What a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// Replicas.
    Pods,
    /// Per cent of the replicas at the beginning of the period.
    Percent,
}

impl Rules {
    /// Kubernetes' own for growing: at once, by four replicas or twofold every 15 s.
    pub fn up() -> Self {
        let policy = |kind, value| Policy { kind, value, period: Duration::from_secs(15) };
        Self {
            stabilization: Duration::ZERO,
            select: Select::Max,
            policies: vec![policy(PolicyKind::Percent, 100), policy(PolicyKind::Pods, 4)],
            tolerance_milli: None,
        }
    }

    /// Kubernetes' own for shrinking: to what was the most of the last five minutes.
    pub fn down() -> Self {
        Self {
            stabilization: Duration::from_mins(5),
            select: Select::Max,
            policies: vec![Policy { kind: PolicyKind::Percent, value: 100, period: Duration::from_secs(15) }],
            tolerance_milli: None,
        }
    }

    /// The longest that it looks back.
    pub fn looks_back(&self) -> Duration {
        self.policies.iter().map(|policy| policy.period).fold(self.stabilization, Duration::max)
    }

    fn faster(mut self, times: u32) -> Self {
        self.stabilization /= times;
        for policy in &mut self.policies {
            policy.period /= times;
        }
        self
    }
}

impl Autoscaler {
    /// How far from its target a metric may be when nobody said, in thousandths: the controller's own setting in Kubernetes.
    pub const TOLERANCE_MILLI: u32 = 100;

    /// The same with every window and period divided by `times`, for a run on a shorter scale of time.
    ///
    /// # Panics
    /// When `times` is 0.
    #[must_use]
    pub fn faster(mut self, times: u32) -> Self {
        assert!(times > 0, "time cannot be divided by nothing");
        (self.up, self.down) = (self.up.faster(times), self.down.faster(times));
        self
    }
}
