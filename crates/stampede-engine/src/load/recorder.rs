//! What became of each request, added up on the thread that sent it, a second at a time.
//!
//! Invariants: every request handed in is counted in exactly one of succeeded, failed, unfinished, not sent; nothing is
//! allocated per request, except for the bounded samples a caller asked for; a second leaves the thread whole, as one
//! [`Sheet`], and another one comes back empty.

use std::sync::Arc;

use stampede_model::chaos::Outcome;
use stampede_model::failure::FailureKind;
use stampede_model::run_result::{Counts, Exemplar};

use super::link::Call;
use super::outcome::{Answered, Seen, Stamps, Unseen, Verdict};
use super::samples::{FirstAnswer, Keep, Sample};
use super::series::Series;
use super::sheet::Sheet;
use super::slowest::{Slowest, curl, telling};
use crate::http::RequestFailure;
use crate::http::origin::Opened;
use crate::http::stream::Travelled;

const NS_PER_S: u64 = 1_000_000_000;

/// One thread's counts.
pub(super) struct Recorder {
    thread: usize,
    sheet: Sheet,
    second_end_ns: u64,
    series: Arc<Series>,
    /// Since the start, for whoever watches.
    counts: Counts,
    slowest: Vec<Slowest>,
    redacted: Arc<[String]>,
    keep: Keep,
    samples: Vec<Sample>,
    outcomes: Vec<Outcome>,
    outcomes_left_out: u64,
    first_answer: Option<FirstAnswer>,
}

/// What one thread brings home besides its seconds.
pub(super) struct Recorded {
    pub(super) slowest: Vec<Slowest>,
    pub(super) samples: Vec<Sample>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) outcomes_left_out: u64,
    pub(super) first_answer: Option<FirstAnswer>,
}

impl Recorder {
    pub(super) fn new(thread: usize, series: Arc<Series>, keep: Keep, redacted: Arc<[String]>) -> Self {
        let steps = series.steps();
        Self {
            thread,
            sheet: Sheet::new(steps),
            second_end_ns: NS_PER_S,
            series,
            counts: Counts::default(),
            slowest: (0..steps).map(|_| Slowest::default()).collect(),
            redacted,
            keep,
            samples: Vec::new(),
            outcomes: Vec::new(),
            outcomes_left_out: 0,
            first_answer: None,
        }
    }

    /// Counts since the start.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts a request for which a connection is sought.
    pub(super) fn sent(&mut self, series: u32) {
        let counts = &mut self.sheet.steps[series as usize].counts;
        counts.asked += 1;
        counts.sent += 1;
        self.counts.sent += 1;
    }

    /// Counts an arrival for which nothing will be done; it has waited `waited_ns` at least.
    pub(super) fn not_sent(&mut self, series: u32, waited_ns: u64) {
        let step = &mut self.sheet.steps[series as usize];
        step.counts.asked += 1;
        step.counts.not_sent += 1;
        step.latency.intent.record_at_least(waited_ns);
        self.counts.not_sent += 1;
    }

    /// Notes how late the generator was.
    pub(super) fn departed(&mut self, late_ns: u64) {
        self.sheet.lag.record(late_ns);
    }

    /// Counts an established connection.
    pub(super) fn connected(&mut self, series: u32, opened: Opened) {
        let latency = &mut self.sheet.steps[series as usize].latency;
        latency.connect.record(opened.connect_ns);
        if let Some(tls_ns) = opened.tls_ns {
            latency.tls.record(tls_ns);
        }
        self.sheet.traffic.connections += 1;
    }

    /// Adds what a connection carried.
    pub(super) fn travelled(&mut self, travelled: Travelled) {
        self.sheet.traffic.received_bytes += travelled.read_bytes;
        self.sheet.traffic.sent_bytes += travelled.written_bytes;
    }

    /// Whether single answers are kept.
    pub(super) fn keeps_samples(&self) -> bool {
        matches!(self.keep, Keep::AtMost(_))
    }

    /// Whether a request that took `total_ns` would be among the slowest.
    pub(super) fn is_slow(&self, series: u32, total_ns: u64) -> bool {
        self.slowest[series as usize].is_slow(total_ns)
    }

    /// Counts a complete answer.
    pub(super) fn answered(&mut self, call: &Call<'_>, stamps: Stamps, answered: &Answered<'_>, verdict: Verdict) {
        let Stamps { intent_ns, send_ns, first_byte_ns, end_ns, .. } = stamps;
        self.reach(end_ns);
        let sheet = &mut self.sheet;
        sheet.traffic.body_bytes += answered.body_bytes;
        sheet.last_end_ns = sheet.last_end_ns.max(end_ns);
        self.counts.answered += 1;
        let step = &mut sheet.steps[call.series as usize];
        step.status(answered.status);
        let total_ns = end_ns.saturating_sub(intent_ns);
        let failure = if let Verdict::Bad(kind, _) = &verdict { Some(*kind) } else { None };
        match verdict {
            Verdict::Good => {
                step.counts.succeeded += 1;
                step.latency.intent.record(total_ns);
                step.latency.service.record(end_ns.saturating_sub(send_ns));
                step.latency.first_byte.record(first_byte_ns.saturating_sub(send_ns));
                step.latency.receive.record(end_ns.saturating_sub(first_byte_ns));
            }
            Verdict::Bad(kind, text) => {
                step.failure(kind, end_ns, || text.unwrap_or_else(|| format!("status {}", answered.status)));
                step.latency.failed.record(total_ns);
                self.counts.failed += 1;
            }
        }
        if self.slowest[call.series as usize].is_slow(total_ns) {
            self.remember(call, stamps, answered);
        }
        match self.keep {
            Keep::Nothing => {}
            Keep::AtMost(_) => self.keep_sample(stamps, answered),
            Keep::Outcomes(most) => self.keep_outcome(most, Outcome { intent_ns, end_ns, failure }),
        }
    }

    /// Counts a request that got no complete answer.
    pub(super) fn failed(&mut self, (series, intent_ns): (u32, u64), end_ns: u64, failure: RequestFailure) {
        self.reach(end_ns);
        self.sheet.last_end_ns = self.sheet.last_end_ns.max(end_ns);
        let RequestFailure { kind, text } = failure;
        let step = &mut self.sheet.steps[series as usize];
        step.failure(kind, end_ns, || text);
        step.latency.failed.record(end_ns.saturating_sub(intent_ns));
        self.counts.failed += 1;
        if let Keep::Outcomes(most) = self.keep {
            self.keep_outcome(most, Outcome { intent_ns, end_ns, failure: Some(kind) });
        }
    }

    /// Counts a request whose end was not seen until `now_ns`, and says as what.
    pub(super) fn unseen(&mut self, (series, intent_ns): (u32, u64), now_ns: u64, unseen: Unseen) -> FailureKind {
        self.reach(now_ns);
        self.sheet.last_end_ns = self.sheet.last_end_ns.max(now_ns);
        let step = &mut self.sheet.steps[series as usize];
        step.latency.intent.record_at_least(now_ns.saturating_sub(intent_ns));
        let (Unseen::TimedOut { sent_at_ns, .. } | Unseen::Unfinished { sent_at_ns }) = unseen;
        if let Some(sent_ns) = sent_at_ns {
            step.latency.service.record_at_least(now_ns.saturating_sub(sent_ns));
        }
        let kind = match unseen {
            Unseen::TimedOut { seen: Seen::Part, .. } => FailureKind::TimeoutInAnswer,
            _ if sent_at_ns.is_some() => FailureKind::Timeout,
            _ => FailureKind::ConnectTimeout,
        };
        if matches!(unseen, Unseen::Unfinished { .. }) {
            step.counts.unfinished += 1;
        } else {
            step.failure(kind, now_ns, || "no end within the time-out".to_owned());
            self.counts.failed += 1;
            if let Keep::Outcomes(most) = self.keep {
                self.keep_outcome(most, Outcome { intent_ns, end_ns: now_ns, failure: Some(kind) });
            }
        }
        kind
    }

    /// Moves on to the second of `now_ns`, handing in what lies before; notes how many are at it.
    pub(super) fn tick(&mut self, now_ns: u64, in_flight: usize, users: usize) {
        self.reach(now_ns);
        (self.sheet.in_flight, self.sheet.users) = (in_flight as u64, users as u64);
    }

    /// Hands in the last second.
    pub(super) fn finish(&mut self) -> Recorded {
        self.hand_in(u32::MAX);
        Recorded {
            slowest: std::mem::take(&mut self.slowest),
            samples: std::mem::take(&mut self.samples),
            outcomes: std::mem::take(&mut self.outcomes),
            outcomes_left_out: self.outcomes_left_out,
            first_answer: self.first_answer.take(),
        }
    }

    fn reach(&mut self, at_ns: u64) {
        if at_ns >= self.second_end_ns {
            self.turn_page(at_ns);
        }
    }

    #[cold]
    fn turn_page(&mut self, at_ns: u64) {
        let second = u32::try_from(at_ns / NS_PER_S).unwrap_or(u32::MAX - 1);
        self.hand_in(second);
        self.sheet.second = second;
        self.second_end_ns = (u64::from(second) + 1) * NS_PER_S;
    }

    fn hand_in(&mut self, reached: u32) {
        let fresh = self.series.spare();
        let (in_flight, users) = (self.sheet.in_flight, self.sheet.users);
        let filled = std::mem::replace(&mut self.sheet, fresh);
        // Until the next tick looks again.
        (self.sheet.in_flight, self.sheet.users) = (in_flight, users);
        self.series.hand_in(self.thread, filled, reached);
    }

    #[cold]
    fn remember(&mut self, call: &Call<'_>, stamps: Stamps, answered: &Answered<'_>) {
        let Stamps { intent_ns, send_ns, first_byte_ns, end_ns, .. } = stamps;
        self.slowest[call.series as usize].add(Exemplar {
            at_ns: intent_ns,
            total_ns: end_ns.saturating_sub(intent_ns),
            wait_ns: send_ns.saturating_sub(intent_ns),
            first_byte_ns: first_byte_ns.saturating_sub(send_ns),
            receive_ns: end_ns.saturating_sub(first_byte_ns),
            status: answered.status,
            curl: curl(call.request, &self.redacted),
            answer_headers: telling(answered.headers, &self.redacted),
        });
    }

    fn keep_outcome(&mut self, most: usize, outcome: Outcome) {
        if self.outcomes.len() < most {
            self.outcomes.push(outcome);
        } else {
            self.outcomes_left_out += 1;
        }
    }

    #[cold]
    fn keep_sample(&mut self, stamps: Stamps, answered: &Answered<'_>) {
        let text = |name| answered.headers.and_then(|headers| headers.get(name)?.to_str().ok());
        self.first_answer.get_or_insert_with(|| FirstAnswer {
            server: text(http::header::SERVER).map(ToOwned::to_owned),
            body_bytes: answered.body_bytes,
        });
        if let Keep::AtMost(most) = self.keep
            && self.samples.len() < most
        {
            self.samples.push(Sample {
                start_ns: stamps.start_ns,
                connect_ns: stamps.send_ns.saturating_sub(stamps.start_ns),
                first_byte_ns: stamps.first_byte_ns.saturating_sub(stamps.start_ns),
                total_ns: stamps.end_ns.saturating_sub(stamps.start_ns),
                body_bytes: answered.body_bytes,
                status: answered.status,
                kept_alive: text(http::header::CONNECTION)
                    .is_some_and(|value| value.eq_ignore_ascii_case("keep-alive")),
            });
        }
    }
}

#[cfg(test)]
mod tests;
