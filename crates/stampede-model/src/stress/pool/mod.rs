//! How a service takes it when its database has no connection left: judged from every single answer.
//!
//! The rule: while connections are held, each request is answered within its time-out by a 2xx or a 503, never by silence,
//! another error, or a broken connection; once they are released, answers are good again within the given time, without
//! a restart.
//!
//! Invariants: a request that overlaps the exhaustion by a moment belongs to it; a service that did not answer well before
//! is not judged at all; a request that was never sent is a doubt about the bench and no fault of the service.

mod judge;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::FailureKind;
use crate::run::LatencyMs;

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// When it should leave, nanoseconds after the start of the run.
    pub at_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// How.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a complete answer.
    Answered {
        /// Its status.
        status: u16,
        /// Whether it said when to come again.
        retry_after: bool,
    },
    /// Without one.
    Failed(FailureKind),
    /// It was not sent, because too many were under way.
    NotSent,
}

/// The moments of a run, nanoseconds after its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    /// The first connection was about to be taken.
    pub taken_ns: u64,
    /// All of them were held.
    pub held_ns: u64,
    /// They were given back, as the server saw it.
    pub released_ns: u64,
    /// The last request was issued.
    pub end_ns: u64,
}

/// Parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was held.
    Before,
    /// Connections were held.
    During,
    /// They were given back.
    After,
}

/// The connections that were held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    /// What was asked, such as `all-but 0`.
    pub asked: String,
    /// How: `idle`, `in a transaction`, `LOCK TABLE orders`.
    pub manner: String,
    /// Most connections held at once.
    pub held: u32,
    /// Connections of others before.
    pub used_before: u32,
    /// What the server allows to ordinary users.
    pub allowed: u32,
    /// Fewest connections that were free while they were held, looked at now and then.
    pub free_least: u32,
}

/// How a service took the loss of its connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// The held connections.
    pub hold: HoldRecord,
    /// When what happened.
    pub moments: Moments,
    /// Before, during, after.
    pub phases: Vec<PhaseRecord>,
    /// From the release to the end of the first good answer, in nanoseconds; `None` when there was none.
    pub first_good_ns: Option<u64>,
    /// From the release to the end of the first good answer after which none was bad; `None` when there was none.
    pub settled_ns: Option<u64>,
    /// Each second of the run.
    pub seconds: Vec<PoolSecond>,
}

/// The answers of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Which.
    pub phase: Phase,
    /// Requests that should leave.
    pub asked: u64,
    /// Good answers.
    pub good: u64,
    /// Answers 503.
    pub unavailable: u64,
    /// Of these, how many said when to come again.
    pub retry_after: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by kind.
    pub failures: BTreeMap<FailureKind, u64>,
    /// Requests that were not sent.
    pub not_sent: u64,
    /// From the intended start to the end of the answer, whatever it was; a time-out counts at its length.
    pub latency_ms: LatencyMs,
}

/// One second; requests belong to the second in which they should leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSecond {
    /// From 0.
    pub second: u64,
    /// Good answers.
    pub good: u64,
    /// Answers 503.
    pub unavailable: u64,
    /// Everything else.
    pub bad: u64,
}

/// What the service must keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRule {
    /// Time from the release to good answers, in nanoseconds.
    pub recover_within_ns: u64,
    /// Statuses that are as good as a 2xx.
    pub also_good: Vec<u16>,
}

impl PhaseRecord {
    /// The part of all requests that were answered 503.
    pub fn unavailable_share(&self) -> f64 {
        if self.asked == 0 { 0.0 } else { self.unavailable as f64 / self.asked as f64 }
    }
}

impl Phase {
    /// The phase in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during the exhaustion",
            Self::After => "after the release",
        }
    }
}

impl Moments {
    /// To which phase a request belongs.
    fn phase(&self, probe: &Probe) -> Phase {
        if self.released_ns <= probe.at_ns {
            Phase::After
        } else if probe.end_ns <= self.taken_ns {
            Phase::Before
        } else {
            Phase::During
        }
    }
}

#[cfg(test)]
mod tests;
