//! What one load run measured: counts, distributions, failures, the seconds, and the generator's own health.
//!
//! Invariants: `asked = sent + not_sent` and `sent = succeeded + failed + unfinished`, so no request can vanish;
//! `failed` is the sum of the failures by kind; the whole is the sum of its steps; the size does not grow with the number
//! of requests (the series is bounded by [`MAX_POINTS`]); merging the results of several generators adds.
//! Absent on purpose: verdicts ([`crate::threshold`], [`crate::run_trust`]) and single samples, except where a caller asks
//! for a bounded number of them.

mod step;
mod timeline;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::FailureKind;
use crate::histogram::Histogram;

pub use step::{Exemplar, StepResult, StepSecond};
pub use timeline::{Event, EventKind, Meeting, SecondPoint};

/// Most points a series keeps. A longer run keeps them all and doubles what a point covers, as often as need be
/// ([`LoadResult::point_s`]).
pub const MAX_POINTS: usize = 3_600;

/// Everything one run measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoadResult {
    /// How many requests came to which end.
    pub counts: Counts,
    /// The distributions.
    pub latency: Latencies,
    /// Complete answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Failed requests by kind, most frequent first.
    pub failures: Vec<FailureCount>,
    /// The same, step by step: one for each series the plan names, in the plan's order. A run of one URL has one.
    pub steps: Vec<StepResult>,
    /// One point per second of the run, ascending; in a long run one per [`LoadResult::point_s`] seconds.
    pub seconds: Vec<SecondPoint>,
    /// Seconds that one point covers: 1, or a power of two in a run of more than [`MAX_POINTS`] seconds.
    pub point_s: u32,
    /// What happened when: changes of load, pauses, stops, phases.
    pub events: Vec<Event>,
    /// How closely together users left who were to leave together.
    pub meetings: Vec<Meeting>,
    /// From the start of the run to the end of its last request, in nanoseconds.
    pub elapsed_ns: u64,
    /// What travelled.
    pub traffic: Traffic,
    /// How the generator itself did.
    pub health: GeneratorHealth,
    /// How the run came to its end.
    pub ending: Ending,
}

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

/// The distributions, in nanoseconds.
///
/// Samples are the successes, plus as censored samples those whose end was not seen: timed out, unfinished, not sent.
/// Other failures are kept apart: a quick refusal must not make a percentile look better.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latencies {
    /// From the intended start to the last byte of the body, connecting and waiting for a connection included: what a
    /// user of the service would see.
    pub intent: Histogram,
    /// From handing the request to the connection to the last byte of the body: what a closed-loop tool calls latency.
    pub service: Histogram,
    /// From handing the request to the connection to the first byte of the answer; successes only.
    pub first_byte: Histogram,
    /// From the first byte of the answer to the last byte of its body; successes only.
    pub receive: Histogram,
    /// Establishing a connection without its TLS handshake; every one that succeeded.
    pub connect: Histogram,
    /// The TLS handshakes that succeeded.
    pub tls: Histogram,
    /// From the intended start to the end of requests that failed by an answer or an error, time-outs excepted.
    pub failed: Histogram,
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

/// What travelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes read from the sockets, status lines and headers included.
    pub received_bytes: u64,
    /// Bytes written to the sockets.
    pub sent_bytes: u64,
    /// Bytes of answer bodies.
    pub body_bytes: u64,
    /// Connections established.
    pub connections: u64,
}

/// How the generator itself did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GeneratorHealth {
    /// Generator threads.
    pub threads: u32,
    /// How late the generator was, in nanoseconds; of what, [`GeneratorHealth::lag_of`] says.
    pub lag: Histogram,
    /// What the lag was measured on.
    pub lag_of: LagOf,
    /// CPU time of the generator threads in nanoseconds.
    pub cpu_ns: u64,
    /// Time the generator threads existed, added up, in nanoseconds.
    pub wall_ns: u64,
    /// Arrivals not yet looked at when their schedule was over.
    pub behind: u64,
    /// Requests in flight or queued, averaged over regular looks while the run issued.
    pub in_flight_mean: f64,
    /// How many looks that was.
    pub in_flight_looks: u64,
    /// Limit of open files in force.
    pub open_files_limit: u64,
    /// TCP segments this machine sent again during the run, whoever sent them; `None` where the system does not say.
    #[serde(default)]
    pub retransmits: Option<u64>,
    /// Tasks of this machine running or waiting for a CPU, averaged over looks once a second.
    #[serde(default)]
    pub runnable_mean: Option<f64>,
    /// Cores this process may use.
    #[serde(default)]
    pub cores: u32,
}

/// What the generator's lag is measured on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LagOf {
    /// Open model: how long after its intended time a request left although a connection was free. It is part of the
    /// latency from the intent.
    #[default]
    Departures,
    /// Closed model, which knows no intended times: how late a regular tick of the thread came. Up to a millisecond of it is
    /// the tick's own resolution; the rest is time in which answers could lie unread.
    Ticks,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It did all it was asked to.
    #[default]
    Complete,
    /// It was stopped before.
    Interrupted,
    /// A limit broke that was to end it; [`LoadResult::events`] says which.
    Aborted,
}

impl LoadResult {
    /// The part of all asked requests that succeeded; 0 when nothing was asked.
    pub fn success_share(&self) -> f64 {
        share(self.counts.succeeded, self.counts.asked)
    }

    /// The part of all asked requests that did not succeed: failed, unfinished or not sent. 1 when nothing was asked,
    /// because a run without requests shows nothing good.
    pub fn error_share(&self) -> f64 {
        1.0 - self.success_share()
    }

    /// Complete answers per second of the whole run.
    pub fn answered_per_s(&self) -> f64 {
        per_s(self.counts.answered, self.elapsed_ns)
    }

    /// Successes per second of the whole run.
    pub fn succeeded_per_s(&self) -> f64 {
        per_s(self.counts.succeeded, self.elapsed_ns)
    }

    /// How often `kind` happened.
    pub fn failures_of(&self, kind: FailureKind) -> u64 {
        self.failures.iter().find(|failure| failure.kind == kind).map_or(0, |failure| failure.count)
    }

    /// Whether the counts add up as the module promises.
    pub fn is_balanced(&self) -> bool {
        let Counts { asked, sent, succeeded, failed, unfinished, not_sent, .. } = self.counts;
        let by_kind: u64 = self.failures.iter().map(|failure| failure.count).sum();
        let whole = asked == sent + not_sent && sent == succeeded + failed + unfinished && failed == by_kind;
        let mut sum = Counts::default();
        self.steps.iter().for_each(|step| sum.merge(&step.counts));
        whole && (self.steps.is_empty() || sum == self.counts)
    }
}

impl GeneratorHealth {
    /// CPU time per thread and second, 0 to 1.
    pub fn cpu_share(&self) -> f64 {
        share(self.cpu_ns, self.wall_ns)
    }
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

impl Latencies {
    /// Adds another generator's distributions.
    pub fn merge(&mut self, other: &Self) {
        self.intent.merge(&other.intent);
        self.service.merge(&other.service);
        self.first_byte.merge(&other.first_byte);
        self.receive.merge(&other.receive);
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.failed.merge(&other.failed);
    }
}

impl Latencies {
    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        let Self { intent, service, first_byte, receive, connect, tls, failed } = self;
        [intent, service, first_byte, receive, connect, tls, failed].into_iter().for_each(Histogram::clear);
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

impl Traffic {
    /// Adds another generator's traffic.
    pub fn merge(&mut self, other: &Self) {
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.body_bytes += other.body_bytes;
        self.connections += other.connections;
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn per_s(count: u64, elapsed_ns: u64) -> f64 {
    if elapsed_ns == 0 { 0.0 } else { count as f64 * 1e9 / elapsed_ns as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-12
    }

    #[test]
    fn a_run_without_requests_is_no_success() {
        let nothing = LoadResult::default();
        assert!(near(nothing.error_share(), 1.0));
        assert!(near(nothing.success_share(), 0.0));
        assert!(near(nothing.answered_per_s(), 0.0));
    }

    #[test]
    fn whatever_did_not_succeed_is_an_error() {
        let counts = Counts { asked: 10, sent: 8, answered: 6, succeeded: 5, failed: 2, unfinished: 1, not_sent: 2 };
        let result = LoadResult { counts, ..LoadResult::default() };
        assert!(near(result.error_share(), 0.5));
    }

    #[test]
    fn counts_that_do_not_add_up_are_seen() {
        let mut result = LoadResult::default();
        assert!(result.is_balanced());
        result.counts.failed = 1;
        result.counts.sent = 1;
        result.counts.asked = 1;
        assert!(!result.is_balanced(), "a failure of no kind");
    }
}
