//! How many requests came to which end, and what the failed ones failed of.
//!
//! Invariant: `asked = sent + not_sent` and `sent = succeeded + failed + unfinished`, so no request can vanish.

use serde::{Deserialize, Serialize};

use crate::failure::FailureKind;

/// How many requests came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests the plan asked for: the arrivals of an open model, the requests started by a closed one.
    pub asked: u64,
    /// Requests a connection was sought for.
    pub sent: u64,
    /// Complete answers, whatever their status.
    pub answered: u64,
    /// Complete answers with a wanted status.
    pub succeeded: u64,
    /// Requests that ended in a [`FailureKind`], unwanted statuses included.
    pub failed: u64,
    /// Requests still under way when the run was over.
    pub unfinished: u64,
    /// Arrivals that found every connection busy and the queue full, or were still queued when the run was over.
    pub not_sent: u64,
}

/// How often one kind of failure happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// The kind.
    pub kind: FailureKind,
    /// How often.
    pub count: u64,
    /// When it happened first, nanoseconds after the start.
    pub first_ns: u64,
    /// When it happened last, nanoseconds after the start.
    pub last_ns: u64,
    /// The text of the first one.
    pub example: String,
}

impl Counts {
    /// Adds another generator's counts.
    pub fn merge(&mut self, other: &Self) {
        self.asked += other.asked;
        self.sent += other.sent;
        self.answered += other.answered;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.unfinished += other.unfinished;
        self.not_sent += other.not_sent;
    }
}

impl FailureCount {
    /// Adds as many failures of the same kind; the example is of the earliest.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.last_ns = self.last_ns.max(other.last_ns);
        if other.first_ns < self.first_ns {
            self.first_ns = other.first_ns;
            self.example.clone_from(&other.example);
        }
    }
}
