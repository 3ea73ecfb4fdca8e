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

fn limit(text: &str) -> Limit {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_limit_is_a_threshold_of_the_run_or_of_a_step() {
    assert_eq!(limit("p95<500ms"), Limit::from(parse("p95<500ms")));
    assert_eq!(limit("p(95)<500 for GET /a b").step.as_deref(), Some("GET /a b"));
    assert_eq!(limit("errors<5% abort").abort, Some(AbortAfter::DEFAULT));
    let whole = limit("errors<5% abort 30s for GET /x");
    assert_eq!((whole.step.as_deref(), whole.abort), (Some("GET /x"), Some(AbortAfter(Duration::from_secs(30)))));
    assert_eq!(limit("p99<1s for wait for it").step.as_deref(), Some("wait for it"));
    for (text, word) in [
        ("p95<500ms for", "names no step"),
        ("p95<500ms for   ", "names no step"),
        ("errors<5% abort soon", "no duration"),
        ("p95 for GET /x", "compares nothing"),
    ] {
        let error = text.parse::<Limit>().unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn a_step_is_judged_by_its_own_figures() {
    let mut run = run_with(&[900; 100]);
    let quick = run_with(&[5; 10]);
    run.steps = vec![
        StepResult { name: "GET /quick".into(), counts: quick.counts, latency: quick.latency, ..StepResult::default() },
        StepResult { name: "GET /never".into(), ..StepResult::default() },
    ];
    let judged = |text: &str| limit(text).judge(&run);
    assert_eq!(judged("p95<500ms").judgement, Judgement::Fail);
    let kept = judged("p95<500ms for GET /quick");
    assert_eq!((kept.judgement, kept.step.as_deref()), (Judgement::Pass, Some("GET /quick")));
    assert_eq!(judged("rps>=10 for GET /quick").judgement, Judgement::Pass);
    assert_eq!(judged("rps>10 for GET /quick").judgement, Judgement::Fail);
    assert_eq!(judged("p95<1ms for GET /quick").judgement, Judgement::Fail);
    for open in ["p95<500ms", "errors<1%", "success>0%", "rps>=1", "rps<5", "max>0ms"] {
        for step in ["GET /never", "GET /unheard of"] {
            assert_eq!(judged(&format!("{open} for {step}")).judgement, Judgement::Unknown, "{open} for {step}");
        }
    }
}

#[test]
fn limits_that_say_nothing_are_known() {
    for (text, always, never) in [
        ("errors<=100%", true, false),
        ("success>=0%", true, false),
        ("rps>=0.001", false, false),
        ("errors<0%", false, true),
        ("success>100%", false, true),
        ("p95<0", false, true),
        ("p95<500ms", false, false),
        ("errors<1%", false, false),
    ] {
        assert_eq!((parse(text).always_holds(), parse(text).never_holds()), (always, never), "{text}");
    }
    assert_eq!(parse("p95<500ms").latency_at_most(), Some(Duration::from_millis(500)));
    assert_eq!(parse("p95>500ms").latency_at_most(), None);
    assert_eq!(parse("rps>2000").rate_at_least(), Some(2_000.0));
}

proptest! {
    #[test]
    fn a_shown_limit_reads_back(ms in 1_u64..100_000, after_s in 0_u64..100, step in "[A-Z]{3,6} /[a-z{}/]{0,20}", abort in any::<bool>()) {
        let shown = Limit {
            step: Some(step.trim().to_owned()),
            threshold: parse(&format!("p95<{ms}ms")),
            abort: abort.then_some(AbortAfter(Duration::from_secs(after_s))),
        };
        prop_assert_eq!(limit(&shown.to_string()), shown);
    }

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
