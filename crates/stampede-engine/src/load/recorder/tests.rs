use std::collections::BTreeMap;

use super::super::ledger::Ledger;
use super::super::scenario::{StepSpec, Want};
use super::*;
use crate::http::RequestPlan;

struct Bench {
    recorder: Recorder,
    series: Arc<Series>,
    request: RequestPlan,
}

impl Bench {
    fn new(keep: Keep) -> Self {
        let series = Arc::new(Series::new(1, 1));
        let recorder = Recorder::new(0, Arc::clone(&series), keep, Arc::default());
        Self { recorder, series, request: RequestPlan::get("http://x.test/").unwrap() }
    }

    fn answered(&mut self, (intent_ns, end_ns): (u64, u64), status: u16, verdict: Verdict) {
        let (start_ns, send_ns) = (intent_ns + 5, intent_ns + 10);
        let call = Call { origin: 0, request: &self.request, series: 0, want: Want::STATUS, intent_ns, start_ns };
        let stamps = Stamps { intent_ns, start_ns, send_ns, first_byte_ns: end_ns - 1, end_ns };
        self.recorder.answered(&call, stamps, &Answered { status, body_bytes: 7, headers: None }, verdict);
    }

    fn finish(mut self) -> (stampede_model::run_result::LoadResult, Recorded) {
        let recorded = self.recorder.finish();
        let mut ledger = Ledger::new(vec![StepSpec::new("GET", "GET /")]);
        ledger.collect(&self.series, |_| ());
        (ledger.finish(), recorded)
    }
}

#[test]
fn every_end_is_counted_once() {
    let mut bench = Bench::new(Keep::Nothing);
    (0..6).for_each(|_| bench.recorder.sent(0));
    bench.answered((0, 100), 200, Verdict::Good);
    bench.answered((0, 100), 503, Verdict::Bad(FailureKind::Status5xx, None));
    bench.recorder.failed((0, 0), 50, RequestFailure { kind: FailureKind::Reset, text: "gone".to_owned() });
    bench.recorder.unseen((0, 0), 200, Unseen::TimedOut { sent_at_ns: Some(20), seen: Seen::Nothing });
    bench.recorder.unseen((0, 0), 200, Unseen::TimedOut { sent_at_ns: Some(20), seen: Seen::Part });
    bench.recorder.unseen((0, 0), 200, Unseen::Unfinished { sent_at_ns: None });
    bench.recorder.not_sent(0, 300);
    let (all, recorded) = bench.finish();
    let expected = Counts { asked: 7, sent: 6, answered: 2, succeeded: 1, failed: 4, unfinished: 1, not_sent: 1 };
    assert_eq!(all.counts, expected);
    assert!(all.is_balanced());
    assert_eq!(all.statuses, BTreeMap::from([(200, 1), (503, 1)]));
    assert_eq!(all.latency.intent.count(), 5, "one success and four without a seen end");
    assert_eq!(all.latency.intent.censored(), 4);
    assert_eq!(all.latency.service.count(), 3, "what was never sent has no service time");
    assert_eq!(all.latency.failed.count(), 2);
    let mut kinds: Vec<FailureKind> = all.failures.iter().map(|failure| failure.kind).collect();
    kinds.sort_unstable();
    let expected = [FailureKind::Reset, FailureKind::Timeout, FailureKind::TimeoutInAnswer, FailureKind::Status5xx];
    assert_eq!(kinds, expected);
    assert_eq!(recorded.slowest.len(), 1);
}

#[test]
fn samples_stop_at_their_bound() {
    let mut bench = Bench::new(Keep::AtMost(2));
    (0..3).for_each(|_| bench.answered((0, 100), 200, Verdict::Good));
    let (_, recorded) = bench.finish();
    assert_eq!(recorded.samples.len(), 2);
    assert_eq!(recorded.samples[0].connect_ns, 5);
    assert_eq!(recorded.samples[0].total_ns, 95);
}

#[test]
fn a_request_belongs_to_the_second_in_which_it_ended() {
    let mut bench = Bench::new(Keep::Nothing);
    for (from, to) in [(0, 1), (0, NS_PER_S), (NS_PER_S / 2, 5 * NS_PER_S + 1), (5 * NS_PER_S, 5 * NS_PER_S + 9)] {
        bench.recorder.sent(0);
        bench.answered((from, to), 200, Verdict::Good);
    }
    let (all, _) = bench.finish();
    let seconds: Vec<(u32, u64)> = all.seconds.iter().map(|point| (point.second, point.succeeded)).collect();
    assert_eq!(seconds, [(0, 1), (1, 1), (5, 2)]);
}

#[test]
fn the_slowest_are_remembered_with_the_way_to_repeat_them() {
    let mut bench = Bench::new(Keep::Nothing);
    for end_ns in 20..=120 {
        bench.answered((0, end_ns), 200, Verdict::Good);
    }
    let (_, mut recorded) = bench.finish();
    let slowest = recorded.slowest.remove(0).into_sorted();
    assert_eq!(slowest.iter().map(|one| one.total_ns).collect::<Vec<_>>(), (101..=120).rev().collect::<Vec<_>>());
    let Exemplar { wait_ns, first_byte_ns, receive_ns, total_ns, .. } = slowest[0];
    assert_eq!(wait_ns + first_byte_ns + receive_ns, total_ns);
    assert_eq!(slowest[0].curl, "curl 'http://x.test/'");
}

#[test]
fn outcomes_tell_how_each_request_ended_and_how_many_were_beyond_the_bound() {
    let mut bench = Bench::new(Keep::Outcomes(3));
    bench.answered((0, 100), 200, Verdict::Good);
    bench.answered((0, 110), 503, Verdict::Bad(FailureKind::Status5xx, None));
    bench.recorder.failed((0, 20), 120, RequestFailure { kind: FailureKind::Reset, text: "gone".to_owned() });
    bench.recorder.unseen((0, 0), 200, Unseen::TimedOut { sent_at_ns: Some(20), seen: Seen::Nothing });
    let (_, recorded) = bench.finish();
    let outcome = |intent_ns, end_ns, failure| Outcome { intent_ns, end_ns, failure };
    let expected = [
        outcome(0, 100, None),
        outcome(0, 110, Some(FailureKind::Status5xx)),
        outcome(20, 120, Some(FailureKind::Reset)),
    ];
    assert_eq!((recorded.outcomes.as_slice(), recorded.outcomes_left_out), (expected.as_slice(), 1));
    assert!(recorded.samples.is_empty());
}
