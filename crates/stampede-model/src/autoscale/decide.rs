//! The decision: the largest proposal, made steady, limited, and within the bounds.
//!
//! Invariants: with every metric missing, or one missing and fewer replicas proposed, nothing changes; a decision lies within
//! `min..=max`, whatever was measured; what is decided is remembered as done.

use serde::{Deserialize, Serialize};

use super::behaviour::{At, fewest, forget, most, stabilized};
use super::propose::Reading;
use super::spec::Autoscaler;

/// What was seen at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Replicas that are wanted by now.
    pub current: u32,
    /// One reading for each metric, in the order of the metrics; what is not there is missing.
    pub readings: Vec<Reading>,
}

/// What an autoscaler remembers: recommendations and changes of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    began: bool,
    recommendations: Vec<At>,
    ups: Vec<At>,
    downs: Vec<At>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// How many replicas there shall be.
    pub desired: u32,
    /// What the metrics alone ask for; `None` when they say nothing.
    pub recommended: Option<u32>,
    /// Each metric's value, in the order of the metrics: the mean over replicas, or the one value.
    pub values: Vec<Option<f64>>,
    /// What had the last word.
    pub reason: Reason,
}

/// What had the last word in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// As the metrics ask.
    Metrics,
    /// No metric could be read.
    NothingMeasured,
    /// A metric is missing, and the others ask for less.
    MissingHolds,
    /// More was recommended a while ago.
    WindowDown,
    /// Less was recommended a while ago.
    WindowUp,
    /// A policy allows no larger step.
    Policy,
    /// No more are allowed.
    Max,
    /// No fewer are allowed.
    Min,
}

impl Reason {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Metrics => "as the metrics ask",
            Self::NothingMeasured => "nothing could be measured",
            Self::MissingHolds => "a metric is missing, and the others ask for less",
            Self::WindowDown => "more was recommended a while ago",
            Self::WindowUp => "less was recommended a while ago",
            Self::Policy => "a policy allows no larger step",
            Self::Max => "no more are allowed",
            Self::Min => "no fewer are allowed",
        }
    }
}

impl Autoscaler {
    /// Decides at `now_ns`, on a clock that never goes back, and remembers it.
    pub fn decide(&self, memory: &mut Memory, seen: &Seen, now_ns: u64) -> Decision {
        let current = seen.current;
        self.forget(memory, now_ns);
        // What it finds at its start counts as recommended: somebody chose it.
        if !std::mem::replace(&mut memory.began, true) {
            memory.recommendations.push(At { at_ns: now_ns, replicas: current });
        }
        let (values, recommended, missing) = self.combine(seen);
        let decided = |desired, reason| Decision { desired, recommended, values: values.clone(), reason };
        // Outside its bounds it goes back to them, and asks no metric.
        let decision = if current > self.max {
            decided(self.max, Reason::Max)
        } else if current < self.min {
            decided(self.min, Reason::Min)
        } else {
            match recommended {
                None => decided(current, Reason::NothingMeasured),
                Some(fewer) if missing && fewer < current => decided(current, Reason::MissingHolds),
                Some(recommended) => {
                    let (desired, reason) = self.limited(memory, (current, recommended), now_ns);
                    decided(desired, reason)
                }
            }
        };
        memory.note(current, decision.desired, now_ns);
        decision
    }

    fn combine(&self, seen: &Seen) -> (Vec<Option<f64>>, Option<u32>, bool) {
        let proposals: Vec<_> = self
            .metrics
            .iter()
            .enumerate()
            .map(|(place, metric)| {
                let reading = seen.readings.get(place).unwrap_or(&Reading::Missing);
                self.proposal(metric, reading, seen.current).ok()
            })
            .collect();
        let values = proposals.iter().map(|proposal| proposal.map(|proposal| proposal.value)).collect();
        let recommended = proposals.iter().flatten().map(|proposal| proposal.replicas).max();
        (values, recommended, proposals.iter().any(Option::is_none))
    }

    /// The recommendation through windows, policies and bounds.
    fn limited(&self, memory: &mut Memory, (current, recommended): (u32, u32), now_ns: u64) -> (u32, Reason) {
        let steady = stabilized(&memory.recommendations, (&self.up, &self.down), (current, recommended), now_ns);
        memory.recommendations.push(At { at_ns: now_ns, replicas: recommended });
        let changes = (memory.ups.as_slice(), memory.downs.as_slice());
        let allowed = if steady > current {
            steady.min(most(&self.up, current, changes, now_ns))
        } else {
            steady.max(fewest(&self.down, current, changes, now_ns))
        };
        let desired = allowed.clamp(self.min, self.max);
        let reason = if desired < allowed {
            Reason::Max
        } else if desired > allowed {
            Reason::Min
        } else if allowed != steady {
            Reason::Policy
        } else if steady > recommended {
            Reason::WindowDown
        } else if steady < recommended {
            Reason::WindowUp
        } else {
            Reason::Metrics
        };
        (desired, reason)
    }

    fn forget(&self, memory: &mut Memory, now_ns: u64) {
        let ns = |of: std::time::Duration| u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
        let longest = ns(self.up.looks_back().max(self.down.looks_back()));
        for list in [&mut memory.recommendations, &mut memory.ups, &mut memory.downs] {
            forget(list, now_ns, longest);
        }
    }
}

impl Memory {
    fn note(&mut self, current: u32, desired: u32, now_ns: u64) {
        if desired > current {
            self.ups.push(At { at_ns: now_ns, replicas: desired - current });
        } else if desired < current {
            self.downs.push(At { at_ns: now_ns, replicas: current - desired });
        }
    }
}
