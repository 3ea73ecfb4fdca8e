//! What became of each request, added up on the thread that sent it.
//!
//! Invariants: every request handed in is counted in exactly one of succeeded, failed, unfinished, not sent; nothing is
//! allocated per request, except for the bounded samples a caller asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use stampede_model::failure::FailureKind;
use stampede_model::run_result::{Counts, FailureCount, Latencies, Traffic};

use super::samples::{FirstAnswer, Keep, Sample};
use super::series::{Second, Series};
use crate::http::RequestFailure;
use crate::http::metered::Travelled;

const NS_PER_S: u64 = 1_000_000_000;

/// The instants of one finished request, nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units last in names")]
pub(super) struct Stamps {
    /// When it should have left.
    pub(super) intent_ns: u64,
    /// When a worker took it up.
    pub(super) start_ns: u64,
    /// When it was handed to an established connection.
    pub(super) send_ns: u64,
    pub(super) first_byte_ns: u64,
    pub(super) end_ns: u64,
}

/// What a complete answer was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    pub(super) kept_alive: bool,
}

/// Why no end of a request was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// It took longer than allowed; it was sent at this instant, or still connecting.
    TimedOut { sent_at_ns: Option<u64> },
    /// The run was over; likewise.
    Unfinished { sent_at_ns: Option<u64> },
}

/// One thread's counts.
pub(super) struct Recorder {
    thread: usize,
    counts: Counts,
    latency: Latencies,
    statuses: Vec<u64>,
    failures: [Option<FailureCount>; FailureKind::ALL.len()],
    traffic: Traffic,
    second: u32,
    current: Second,
    series: Arc<Series>,
    keep: Keep,
    samples: Vec<Sample>,
    first_answer: Option<FirstAnswer>,
    last_end_ns: u64,
}

/// What one thread recorded.
pub(super) struct Recorded {
    pub(super) counts: Counts,
    pub(super) latency: Latencies,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) failures: Vec<FailureCount>,
    pub(super) traffic: Traffic,
    pub(super) samples: Vec<Sample>,
    pub(super) first_answer: Option<FirstAnswer>,
    pub(super) last_end_ns: u64,
}

impl Recorder {
    pub(super) fn new(thread: usize, series: Arc<Series>, keep: Keep) -> Self {
        Self {
            thread,
            counts: Counts::default(),
            latency: Latencies::default(),
            statuses: vec![0; 1_000],
            failures: [const { None }; FailureKind::ALL.len()],
            traffic: Traffic::default(),
            second: 0,
            current: Second::default(),
            series,
            keep,
            samples: Vec::new(),
            first_answer: None,
            last_end_ns: 0,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts a request for which a connection is sought.
    pub(super) fn sent(&mut self) {
        self.counts.asked += 1;
        self.counts.sent += 1;
    }

    /// Counts an arrival for which nothing will be done; it has waited `waited_ns` at least.
    pub(super) fn not_sent(&mut self, waited_ns: u64) {
        self.counts.asked += 1;
        self.counts.not_sent += 1;
        self.latency.intent.record_at_least(waited_ns);
    }

    /// Counts an established connection.
    pub(super) fn connected(&mut self, took_ns: u64) {
        self.latency.connect.record(took_ns);
        self.traffic.connections += 1;
    }

    /// Adds what a connection carried.
    pub(super) fn travelled(&mut self, travelled: Travelled) {
        self.traffic.received_bytes += travelled.read_bytes;
        self.traffic.sent_bytes += travelled.written_bytes;
    }

    /// Whether the head of the next answer is wanted.
    pub(super) fn wants_head(&self) -> bool {
        self.keep != Keep::Nothing
    }

    /// Notes what the first answer of all was like.
    pub(super) fn note_first(&mut self, first: impl FnOnce() -> FirstAnswer) {
        self.first_answer.get_or_insert_with(first);
    }

    /// Counts a complete answer with a wanted status.
    pub(super) fn succeeded(&mut self, stamps: Stamps, answered: Answered) {
        self.answered(stamps, answered);
        self.counts.succeeded += 1;
        let from_intent_ns = stamps.end_ns.saturating_sub(stamps.intent_ns);
        self.latency.intent.record(from_intent_ns);
        self.latency.service.record(stamps.end_ns.saturating_sub(stamps.send_ns));
        self.latency.first_byte.record(stamps.first_byte_ns.saturating_sub(stamps.send_ns));
        let second = self.second_of(stamps.end_ns);
        second.succeeded += 1;
        second.latency.record(from_intent_ns);
    }

    /// Counts a complete answer with an unwanted status.
    pub(super) fn refused(&mut self, stamps: Stamps, answered: Answered) {
        self.answered(stamps, answered);
        self.count_failure(FailureKind::of_status(answered.status), stamps.end_ns, || {
            format!("status {}", answered.status)
        });
        self.latency.failed.record(stamps.end_ns.saturating_sub(stamps.intent_ns));
        self.second_of(stamps.end_ns).failed += 1;
    }

    /// Counts a request that got no complete answer.
    pub(super) fn failed(&mut self, intent_ns: u64, end_ns: u64, failure: RequestFailure) {
        let RequestFailure { kind, text } = failure;
        self.count_failure(kind, end_ns, || text);
        self.latency.failed.record(end_ns.saturating_sub(intent_ns));
        self.second_of(end_ns).failed += 1;
        self.last_end_ns = self.last_end_ns.max(end_ns);
    }

    /// Counts a request whose end was not seen until `now_ns`.
    pub(super) fn unseen(&mut self, intent_ns: u64, now_ns: u64, unseen: Unseen) {
        let waited_ns = now_ns.saturating_sub(intent_ns);
        self.latency.intent.record_at_least(waited_ns);
        self.last_end_ns = self.last_end_ns.max(now_ns);
        let (Unseen::TimedOut { sent_at_ns } | Unseen::Unfinished { sent_at_ns }) = unseen;
        if let Some(sent_ns) = sent_at_ns {
            self.latency.service.record_at_least(now_ns.saturating_sub(sent_ns));
        }
        if matches!(unseen, Unseen::Unfinished { .. }) {
            self.counts.unfinished += 1;
            return;
        }
        let kind = if sent_at_ns.is_some() { FailureKind::Timeout } else { FailureKind::ConnectTimeout };
        self.count_failure(kind, now_ns, || "no end within the time-out".to_owned());
        let second = self.second_of(now_ns);
        second.failed += 1;
        second.latency.record_at_least(waited_ns);
    }

    /// Moves on to the second of `now_ns`, handing in what lies before.
    pub(super) fn move_on(&mut self, now_ns: u64) {
        let reached = u32::try_from(now_ns / NS_PER_S).unwrap_or(u32::MAX);
        if reached > self.second {
            self.series.hand_in(self.thread, (self.second, &self.current), reached);
            self.current.clear();
            self.second = reached;
        }
    }

    /// Everything recorded; the last second is handed in.
    pub(super) fn finish(&mut self) -> Recorded {
        self.series.hand_in(self.thread, (self.second, &self.current), u32::MAX);
        self.current.clear();
        let answered = self.statuses.iter().enumerate().filter(|(_, count)| **count > 0);
        Recorded {
            counts: self.counts,
            latency: std::mem::take(&mut self.latency),
            statuses: answered.map(|(status, count)| (status as u16, *count)).collect(),
            failures: self.failures.iter_mut().filter_map(Option::take).collect(),
            traffic: self.traffic,
            samples: std::mem::take(&mut self.samples),
            first_answer: self.first_answer.take(),
            last_end_ns: self.last_end_ns,
        }
    }

    fn answered(&mut self, stamps: Stamps, answered: Answered) {
        self.counts.answered += 1;
        self.traffic.body_bytes += answered.body_bytes;
        if let Some(count) = self.statuses.get_mut(usize::from(answered.status)) {
            *count += 1;
        }
        self.last_end_ns = self.last_end_ns.max(stamps.end_ns);
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
                kept_alive: answered.kept_alive,
            });
        }
    }

    fn count_failure(&mut self, kind: FailureKind, at_ns: u64, text: impl FnOnce() -> String) {
        self.counts.failed += 1;
        let entry = self.failures[kind as usize].get_or_insert_with(|| FailureCount {
            kind,
            count: 0,
            first_ns: at_ns,
            last_ns: at_ns,
            example: text(),
        });
        entry.count += 1;
        entry.last_ns = at_ns;
    }

    fn second_of(&mut self, at_ns: u64) -> &mut Second {
        self.move_on(at_ns);
        &mut self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder(keep: Keep) -> Recorder {
        Recorder::new(0, Arc::new(Series::new(1)), keep)
    }

    fn stamps(intent_ns: u64, end_ns: u64) -> Stamps {
        Stamps { intent_ns, start_ns: intent_ns + 5, send_ns: intent_ns + 10, first_byte_ns: end_ns - 1, end_ns }
    }

    const OK: Answered = Answered { status: 200, body_bytes: 7, kept_alive: true };

    #[test]
    fn every_end_is_counted_once() {
        let mut recorder = recorder(Keep::Nothing);
        for _ in 0..5 {
            recorder.sent();
        }
        recorder.succeeded(stamps(0, 100), OK);
        recorder.refused(stamps(0, 100), Answered { status: 503, ..OK });
        recorder.failed(0, 50, RequestFailure { kind: FailureKind::Reset, text: "gone".to_owned() });
        recorder.unseen(0, 200, Unseen::TimedOut { sent_at_ns: Some(20) });
        recorder.unseen(0, 200, Unseen::Unfinished { sent_at_ns: None });
        recorder.not_sent(300);
        let all = recorder.finish();
        let expected = Counts { asked: 6, sent: 5, answered: 2, succeeded: 1, failed: 3, unfinished: 1, not_sent: 1 };
        assert_eq!(all.counts, expected);
        assert_eq!(all.statuses, BTreeMap::from([(200, 1), (503, 1)]));
        assert_eq!(all.latency.intent.count(), 4, "one success and three without a seen end");
        assert_eq!(all.latency.intent.censored(), 3);
        assert_eq!(all.latency.service.count(), 2, "what was never sent has no service time");
        assert_eq!(all.latency.failed.count(), 2);
        let kinds: Vec<FailureKind> = all.failures.iter().map(|failure| failure.kind).collect();
        assert_eq!(kinds, [FailureKind::Reset, FailureKind::Timeout, FailureKind::Status5xx]);
    }

    #[test]
    fn samples_stop_at_their_bound() {
        let mut recorder = recorder(Keep::AtMost(2));
        for _ in 0..3 {
            recorder.succeeded(stamps(0, 100), OK);
        }
        let all = recorder.finish();
        assert_eq!(all.samples.len(), 2);
        assert_eq!(all.samples[0].connect_ns, 5);
        assert_eq!(all.samples[0].total_ns, 95);
    }
}
