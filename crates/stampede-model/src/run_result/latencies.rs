//! The distributions of a run or of a step.

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;

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

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        let Self { intent, service, first_byte, receive, connect, tls, failed } = self;
        [intent, service, first_byte, receive, connect, tls, failed].into_iter().for_each(Histogram::clear);
    }
}
