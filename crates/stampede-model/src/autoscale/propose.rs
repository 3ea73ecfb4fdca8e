//! One metric's proposal: `ceil(replicas * measured / target)`, and what is assumed of replicas that say nothing.
//!
//! Invariants: a replica that is not ready counts for nothing when there is too little to do, and as idle when there is too much; one
//! that is ready without a value counts as right on target in the first case and as idle in the second; what is assumed never turns
//! the direction round. Kubernetes sets replicas that are not ready aside for CPU, and for other metrics while they are pending;
//! here all are pending until they are ready.

use super::amount::Amount;
use super::spec::{Autoscaler, Metric};

/// What was measured for one metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A value of each replica, those that are leaving left out.
    Each(Vec<ReplicaReading>),
    /// One value; the second number says how many replicas are ready.
    Whole(f64, u32),
    /// It could not be measured.
    Missing,
}

/// One replica's part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReplicaReading {
    /// Ready, with its value.
    Ready(f64),
    /// Ready, and nobody knows its value.
    Unmeasured,
    /// Not ready yet.
    NotReady,
}

/// Why a metric proposes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProposal {
    /// It could not be measured.
    #[error("it could not be measured")]
    Missing,
    /// No replica that is ready has a value.
    #[error("no replica that is ready has a value")]
    NoReplica,
    /// A value for each where one for all was needed, or the other way round.
    #[error("it was measured in another way than its target is written")]
    Other,
}

/// What a metric proposes, and its value that led to it: the mean of those that said something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Proposal {
    pub(super) replicas: u32,
    pub(super) value: f64,
}

/// How far from 1 a ratio may be, in thousandths each way.
#[derive(Clone, Copy, Debug)]
struct Tolerances {
    up: u32,
    down: u32,
}

impl Tolerances {
    fn admit(self, ratio: f64) -> bool {
        let (up, down) = (f64::from(self.up) / 1_000.0, f64::from(self.down) / 1_000.0);
        1.0 - down <= ratio && ratio <= 1.0 + up
    }
}

/// A target's value in the unit of its readings, and what is assumed of a ready replica without one when there is little to do.
#[derive(Clone, Copy, Debug)]
struct Goal {
    milli: u64,
    assumed_milli: u64,
    whole_units: bool,
}

impl Autoscaler {
    /// What one metric proposes for `current` replicas.
    pub(super) fn proposal(&self, metric: &Metric, reading: &Reading, current: u32) -> Result<Proposal, NoProposal> {
        let tolerances = Tolerances {
            up: self.up.tolerance_milli.unwrap_or(Self::TOLERANCE_MILLI),
            down: self.down.tolerance_milli.unwrap_or(Self::TOLERANCE_MILLI),
        };
        match (metric, reading) {
            (_, Reading::Missing) => Err(NoProposal::Missing),
            (Metric::Utilization { percent, .. }, Reading::Each(replicas)) => {
                let milli = u64::from(*percent) * 1_000;
                // Of a resource a silent replica is taken to use all that it requested, or its target where that is more.
                let goal = Goal { milli, assumed_milli: milli.max(100_000), whole_units: true };
                each(replicas, goal, current, tolerances)
            }
            (Metric::Resource { average, .. } | Metric::Pods { average, .. }, Reading::Each(replicas)) => {
                let goal = Goal { milli: average.milli(), assumed_milli: average.milli(), whole_units: false };
                each(replicas, goal, current, tolerances)
            }
            (Metric::External { value, .. }, Reading::Whole(measured, ready)) => {
                let ratio = Amount::of(*measured).milli() as f64 / value.milli() as f64;
                let replicas = if tolerances.admit(ratio) { current } else { ceil(ratio * f64::from(*ready)) };
                Ok(Proposal { replicas, value: *measured })
            }
            (Metric::ExternalAverage { average, .. }, Reading::Whole(measured, _)) => {
                let (measured_milli, goal_milli) = (Amount::of(*measured).milli() as f64, average.milli() as f64);
                let ratio = measured_milli / (goal_milli * f64::from(current.max(1)));
                let replicas = if tolerances.admit(ratio) { current } else { ceil(measured_milli / goal_milli) };
                Ok(Proposal { replicas, value: measured / f64::from(current.max(1)) })
            }
            (_, Reading::Each(_) | Reading::Whole(..)) => Err(NoProposal::Other),
        }
    }
}

fn each(replicas: &[ReplicaReading], goal: Goal, current: u32, tolerances: Tolerances) -> Result<Proposal, NoProposal> {
    let count = |wanted: ReplicaReading| replicas.iter().filter(|replica| **replica == wanted).count() as u64;
    let values = replicas.iter().filter_map(|replica| match replica {
        ReplicaReading::Ready(value) => Some(Amount::of(*value).milli()),
        ReplicaReading::Unmeasured | ReplicaReading::NotReady => None,
    });
    let values: Vec<u64> = values.collect();
    let (unmeasured, not_ready) = (count(ReplicaReading::Unmeasured), count(ReplicaReading::NotReady));
    if values.is_empty() {
        return Err(NoProposal::NoReplica);
    }
    let (sum, measured) = (values.iter().fold(0, |sum: u64, value| sum.saturating_add(*value)), values.len() as u64);
    let ratio = goal.ratio(sum, measured);
    let value = sum as f64 / measured as f64 / 1_000.0;
    let answer = |replicas| Ok(Proposal { replicas, value });
    let side = ratio.total_cmp(&1.0);
    let not_ready_are_idle = not_ready > 0 && side.is_gt();
    if !not_ready_are_idle && unmeasured == 0 {
        return answer(if tolerances.admit(ratio) { current } else { ceil(ratio * measured as f64) });
    }
    // Right on target a utilization has no direction in which to be careful; of other metrics Kubernetes counts the silent as idle.
    if side.is_eq() && goal.whole_units {
        return answer(current);
    }
    let assumed = if side.is_lt() { goal.assumed_milli.saturating_mul(unmeasured) } else { 0 };
    let heard = measured + unmeasured + if not_ready_are_idle { not_ready } else { 0 };
    let careful = goal.ratio(sum.saturating_add(assumed), heard);
    let turned = (side.is_lt() && careful > 1.0) || (side.is_gt() && careful < 1.0);
    if tolerances.admit(careful) || turned {
        return answer(current);
    }
    let replicas = ceil(careful * heard as f64);
    let backwards = (careful < 1.0 && replicas > current) || (careful > 1.0 && replicas < current);
    answer(if backwards { current } else { replicas })
}

impl Goal {
    /// The mean by the target. As Kubernetes counts: means in whole thousandths, of a utilization in whole per cent.
    fn ratio(self, sum_milli: u64, count: u64) -> f64 {
        let unit = if self.whole_units { 1_000 } else { 1 };
        let mean = sum_milli / count.max(1) / unit * unit;
        mean as f64 / self.milli as f64
    }
}

/// The next whole number; a cast of a float saturates.
fn ceil(replicas: f64) -> u32 {
    replicas.ceil() as u32
}
