//! Reading, judging and showing thresholds.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Threshold {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn run_with(latencies_ms: &[u64]) -> LoadResult {
    let mut result = LoadResult::default();
    for ms in latencies_ms {
        result.latency.intent.record(ms * 1_000_000);
        result.latency.service.record(1_000_000);
    }
    let count = latencies_ms.len() as u64;
    result.counts.asked = count;
    result.counts.sent = count;
    result.counts.succeeded = count;
    result.elapsed_ns = 1_000_000_000;
    result
}

fn judged(text: &str, result: &LoadResult) -> Judgement {
    parse(text).judge(result).judgement
}

#[test]
fn both_spellings_are_one_threshold() {
    assert_eq!(parse("p95<500ms"), parse("p(95) < 500"));
    assert_eq!(parse("p95<500ms"), parse("intent.p95 < 0.5s"));
    assert_eq!(parse("med<5ms"), parse("p50<5ms"));
    assert_eq!(parse("errors<1%"), Threshold::IMPLICIT);
    assert_eq!(parse("errors<1%"), parse("error_rate<0.01"));
    assert_ne!(parse("p95<500ms"), parse("service.p95<500ms"));
    assert_ne!(parse("p95<500ms"), parse("p95<=500ms"));
}

#[test]
fn what_cannot_be_read_says_why() {
    for (text, word) in [
        ("p95", "compares nothing"),
        ("p95=500ms", "compares nothing"),
        ("p0<5ms", "no metric is called `p0`"),
        ("p101<5ms", "no metric"),
        ("p<5ms", "no metric"),
        ("latency<5ms", "no metric is called `latency`"),
        ("p95<fast", "no duration"),
        ("p95<", "no duration"),
        ("p95<-5", "no duration"),
        ("errors<5ms", "no share"),
        ("rps>lots", "no rate"),
    ] {
        let error = text.parse::<Threshold>().unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
        assert!(error.contains(text), "{text}: the message does not show what was typed: {error}");
    }
}

#[test]
fn the_limit_itself_decides_by_its_sign() {
    let run = run_with(&[10]);
    assert_eq!(judged("max<10ms", &run), Judgement::Fail);
    assert_eq!(judged("max<=10ms", &run), Judgement::Pass);
    assert_eq!(judged("max>10ms", &run), Judgement::Fail);
    assert_eq!(judged("max>=10ms", &run), Judgement::Pass);
    assert_eq!(judged("rps>=1", &run), Judgement::Pass);
    assert_eq!(judged("success>=100%", &run), Judgement::Pass);
}

#[test]
fn service_and_intent_are_different_series() {
    let run = run_with(&[900; 100]);
    assert_eq!(judged("p95<500ms", &run), Judgement::Fail);
    assert_eq!(judged("service.p95<500ms", &run), Judgement::Pass);
}

#[test]
fn nothing_measured_is_never_a_pass() {
    let nothing = LoadResult::default();
    for text in ["p95<500ms", "max>0ms", "errors<1%", "success>99%"] {
        assert_eq!(judged(text, &nothing), Judgement::Unknown, "{text}");
    }
    assert_eq!(judged("rps>1", &nothing), Judgement::Fail);
}

#[test]
fn a_lower_bound_can_break_a_limit_but_not_keep_it() {
    let mut run = run_with(&[1; 90]);
    for _ in 0..10 {
        run.latency.intent.record_at_least(2_000_000_000);
    }
    assert_eq!(judged("p99<1s", &run), Judgement::Fail);
    assert_eq!(judged("p99<3s", &run), Judgement::Unknown);
    assert_eq!(judged("p99>1s", &run), Judgement::Pass);
    assert_eq!(judged("p99>3s", &run), Judgement::Unknown);
    assert_eq!(judged("p50<3s", &run), Judgement::Pass, "the median lies below every open sample");
}

#[test]
fn lateness_is_taken_off_the_intent_only() {
    let run = run_with(&[510; 100]);
    let lag = Duration::from_millis(20);
    assert_eq!(parse("p95<500ms").judge_less(&run, lag).judgement, Judgement::Pass);
    assert_eq!(parse("service.p95<0.5ms").judge_less(&run, lag).judgement, Judgement::Fail);
}

proptest! {
    #[test]
    fn a_shown_threshold_reads_back(percent in 1_u32..=100, ms in 1_u64..100_000, sign in 0_usize..4, service in any::<bool>()) {
        let sign = ["<", "<=", ">", ">="][sign];
        let series = if service { "service." } else { "" };
        let threshold = parse(&format!("{series}p{percent}{sign}{ms}ms"));
        prop_assert_eq!(parse(&threshold.to_string()), threshold);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,30}") {
        let _either: Result<Threshold, BadThreshold> = text.parse();
    }
}
