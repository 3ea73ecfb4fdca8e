//! What one step of the plan measured: one endpoint, one series.
//!
//! Invariants: a step is named by the plan, never by what an answer contained, so their number is known before the run;
//! exemplars are bounded by [`StepResult::MAX_SLOWEST`] and hold no secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Counts, FailureCount, Latencies};
use crate::histogram::Packed;

/// What one step measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StepResult {
    /// Its name in the plan, such as `GET /api/v1/products/{id}`.
    pub name: String,
    /// Request method.
    pub method: String,
    /// The plan's tags of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How many of its requests came to which end.
    pub counts: Counts,
    /// Its distributions.
    pub latency: Latencies,
    /// Complete answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Failed requests by kind, most frequent first.
    pub failures: Vec<FailureCount>,
    /// Its part of every point of the run in which something ended, ascending.
    pub seconds: Vec<StepSecond>,
    /// Its slowest finished requests, slowest first.
    pub slowest: Vec<Exemplar>,
}

impl StepResult {
    /// Most exemplars a step keeps.
    pub const MAX_SLOWEST: usize = 20;
}

/// What ended in one point of the run at one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSecond {
    /// The point's first second, from 0.
    pub second: u32,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// From the intended start: the successes, and as censored samples those whose end was not seen.
    pub latency: Packed,
}

/// One slow request, with what is needed to send it again. Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    /// Its intended start, after the start of the run.
    pub at_ns: u64,
    /// From the intended start to its end.
    pub total_ns: u64,
    /// From the intended start to handing it to a connection: queueing and connecting.
    pub wait_ns: u64,
    /// From handing it over to the first byte of the answer.
    pub first_byte_ns: u64,
    /// From the first byte to the last.
    pub receive_ns: u64,
    /// Status code.
    pub status: u16,
    /// The request as a `curl` command line; values of secret headers are replaced.
    pub curl: String,
    /// Headers of the answer that name its maker or its trace, such as `x-request-id`, `server`, `traceparent`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answer_headers: BTreeMap<String, String>,
}
