//! An honest limiter passes, each planted fault is named, a slow run is no pass.

use proptest::prelude::*;

use super::super::Verdict;
use super::*;
use crate::interval::Interval;

const SECOND_NS: u64 = 1_000_000_000;
const NOW_MS: i64 = 1_700_000_000_123;

fn rule() -> LimitRule {
    LimitRule {
        limit: 60,
        window_ns: 60 * SECOND_NS,
        kind: LimiterKind::Sliding,
        reset: ResetForm::UnixSeconds,
        origin: Origin::Started,
    }
}

fn call(number: u32, left: Option<i64>) -> LimitCall {
    let call_ns = u64::from(number) * 1_000_000;
    LimitCall {
        interval: Interval { call_ns, return_ns: call_ns + 900_000 },
        called_unix_ms: NOW_MS,
        returned_unix_ms: NOW_MS + 1,
        outcome: match left {
            Some(_) => Outcome::Accepted { status: 200 },
            None => Outcome::Refused { status: 429 },
        },
        limit: HeaderNumber::Is(60),
        remaining: HeaderNumber::Is(left.unwrap_or(0)),
        reset: HeaderNumber::Is(NOW_MS / 1_000 + 61),
        retry_after: if left.is_none() { HeaderNumber::Is(60) } else { HeaderNumber::Absent },
    }
}

fn honest_calls() -> Vec<LimitCall> {
    (0..70).map(|number| call(number, (number < 60).then(|| 59 - i64::from(number)))).collect()
}

fn honest() -> LimitHistory {
    let mut simultaneous = honest_calls();
    simultaneous.reverse();
    for call in &mut simultaneous {
        call.interval = Interval { call_ns: 0, return_ns: 50_000_000 };
    }
    LimitHistory { rule: rule(), sequential: honest_calls(), simultaneous, other: call(99, Some(59)) }
}

fn evidence(history: &LimitHistory) -> String {
    let ruling = judge_limit(history, 5);
    assert_eq!(ruling.verdict, Verdict::Violated, "{ruling:?}");
    ruling.evidence.join("\n")
}

/// A call within the first millisecond of a second: the limiter, a moment later, rounds up to the next one.
#[test]
fn a_reset_is_not_accused_for_the_clocks_resolution() {
    let mut history = honest();
    let start_ms = 1_700_000_000_000;
    for call in &mut history.sequential {
        (call.called_unix_ms, call.returned_unix_ms) = (start_ms, start_ms);
        call.reset = HeaderNumber::Is(start_ms / 1_000 + 61);
    }
    assert_eq!(judge_limit(&history, 5).verdict, Verdict::Pass);
    for call in &mut history.sequential {
        call.reset = HeaderNumber::Is(start_ms / 1_000 + 62);
    }
    assert!(evidence(&history).contains("Reset says"));
}

#[test]
fn an_honest_limiter_passes() {
    let ruling = judge_limit(&honest(), 5);
    assert_eq!(ruling.verdict, Verdict::Pass, "{ruling:?}");
    assert_eq!(
        ruling.figure,
        "sequential 60 passed, 10 refused; simultaneous 60 passed, 10 refused (skew 5 µs); other tenant 200"
    );
}

#[test]
fn one_too_many_and_one_too_few_are_named() {
    let mut more = honest();
    more.sequential[60] = call(60, Some(0));
    assert!(evidence(&more).contains("sequential: 61 calls passed, the limit is 60"));
    let mut fewer = honest();
    fewer.sequential[59] = call(59, None);
    assert!(evidence(&fewer).contains("sequential: only 59 calls passed, the limit is 60"));
}

#[test]
fn a_number_told_twice_is_two_calls_reading_one_counter() {
    let mut history = honest();
    let admitted = history.simultaneous.iter_mut().filter(|call| matches!(call.outcome, Outcome::Accepted { .. }));
    for call in admitted.take(2) {
        call.remaining = HeaderNumber::Is(1);
    }
    assert!(evidence(&history).contains("simultaneous: Remaining is dishonest"));
}

#[test]
fn a_sequence_in_the_wrong_order_is_dishonest_though_its_numbers_are_right() {
    let mut history = honest();
    history.sequential[3].remaining = HeaderNumber::Is(55);
    history.sequential[4].remaining = HeaderNumber::Is(56);
    assert!(evidence(&history).contains("sequential: Remaining is dishonest: 55 told at call 4 after 57"));
}

#[test]
fn headers_are_missed_and_checked() {
    let mut history = honest();
    history.sequential[0].reset = HeaderNumber::Absent;
    history.sequential[1].limit = HeaderNumber::Is(100);
    history.sequential[2].reset = HeaderNumber::Is(NOW_MS / 1_000 - 1);
    history.sequential[3].reset = HeaderNumber::Garbled("soon".into());
    history.sequential[69].retry_after = HeaderNumber::Absent;
    let text = evidence(&history);
    for expected in [
        "Reset is missing",
        "the limit header says 100, due is 60",
        "Reset says",
        "Reset is no number: soon",
        "Retry-After is missing",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    history = honest();
    history.sequential[4].reset = HeaderNumber::Is(NOW_MS / 1_000 + 62);
    assert!(evidence(&history).contains("Reset says"));
}

#[test]
fn the_other_tenant_must_not_notice() {
    let mut history = honest();
    history.other = call(99, None);
    assert!(evidence(&history).contains("other tenant: a user of another tenant was answered 429"));
}

#[test]
fn a_run_slower_than_the_window_is_unknown_unless_one_window_proves_it() {
    let mut slow = honest();
    for (number, call) in slow.sequential.iter_mut().enumerate() {
        let call_ns = number as u64 * SECOND_NS;
        call.interval = Interval { call_ns, return_ns: call_ns + 1 };
    }
    let ruling = judge_limit(&slow, 5);
    assert_eq!(ruling.verdict, Verdict::Unknown, "{ruling:?}");
    assert!(ruling.reason.contains("too slow to count exactly"), "{ruling:?}");
    // All pass although 61 of them fit one window: proven even then.
    slow.sequential[0].interval = Interval { call_ns: 0, return_ns: 1 };
    for (number, one) in slow.sequential.iter_mut().enumerate().skip(1) {
        let call_ns = 100 * SECOND_NS + number as u64;
        one.interval = Interval { call_ns, return_ns: call_ns + 1 };
        one.outcome = Outcome::Accepted { status: 200 };
    }
    assert!(evidence(&slow).contains("sequential: 69 calls passed inside one window"));
}

#[test]
fn a_used_up_user_on_a_found_target_is_unknown_but_a_violation_on_a_fresh_one() {
    let mut used = honest();
    used.sequential = (0..70).map(|number| call(number, (number < 40).then(|| 39 - i64::from(number)))).collect();
    assert!(evidence(&used).contains("sequential: only 40 calls passed"));
    used.rule.origin = Origin::Found;
    let ruling = judge_limit(&used, 5);
    assert_eq!(ruling.verdict, Verdict::Unknown, "{ruling:?}");
    assert!(ruling.reason.contains("39 was left after the first call"), "{ruling:?}");
}

#[test]
fn a_fixed_window_that_starts_anew_is_unknown() {
    let mut history = honest();
    history.rule.kind = LimiterKind::Fixed;
    history.rule.window_ns = 120 * SECOND_NS;
    assert_eq!(judge_limit(&history, 5).verdict, Verdict::Pass);
    for call in &mut history.simultaneous[30..] {
        call.reset = HeaderNumber::Is(NOW_MS / 1_000 + 120);
    }
    let ruling = judge_limit(&history, 5);
    assert!(ruling.verdict == Verdict::Unknown && ruling.reason.contains("started anew"), "{ruling:?}");
}

#[test]
fn an_unanswered_call_is_no_pass() {
    let mut history = honest();
    history.simultaneous[0].outcome = Outcome::NoAnswer { cause: "timeout".into() };
    assert_eq!(judge_limit(&history, 5).verdict, Verdict::Unknown);
}

/// Calls with these starts and lengths, admitted in the order of an instant inside each while fewer than `most` were.
fn decided(most: usize, plan: &[(u64, u64, u64)]) -> Vec<LimitCall> {
    let mut order: Vec<_> = plan.to_vec();
    order.sort_by_key(|(start, lead, _)| start + lead);
    let calls = order.into_iter().enumerate().map(|(place, (start, lead, trail))| {
        let left = (place < most).then(|| (59 - i64::try_from(place).unwrap()).max(0));
        let interval = Interval { call_ns: start, return_ns: start + lead + trail };
        LimitCall { interval, ..call(0, left) }
    });
    calls.collect()
}

proptest! {
    #[test]
    fn a_limiter_that_decides_one_by_one_is_never_accused(
        plan in prop::collection::vec((0_u64..2_000_000, 0_u64..900_000, 0_u64..900_000), 61..120),
    ) {
        let history = LimitHistory { simultaneous: decided(60, &plan), ..honest() };
        let ruling = judge_limit(&history, 0);
        prop_assert_eq!(ruling.verdict, Verdict::Pass, "{:?}", ruling);
    }

    #[test]
    fn any_other_limit_is_always_found(
        plan in prop::collection::vec((0_u64..2_000_000, 0_u64..900_000, 0_u64..900_000), 71..120),
        most in (0_usize..71).prop_filter("the right limit", |most| *most != 60),
    ) {
        let history = LimitHistory { simultaneous: decided(most, &plan), ..honest() };
        let ruling = judge_limit(&history, 0);
        prop_assert_eq!(ruling.verdict, Verdict::Violated, "{:?}", ruling);
    }

    #[test]
    fn one_counter_value_told_twice_is_always_found(
        plan in prop::collection::vec((0_u64..2_000_000, 0_u64..900_000, 0_u64..900_000), 71..120),
        (from, to) in (0_usize..60, 0_usize..60).prop_filter("two calls", |(from, to)| from != to),
    ) {
        let mut simultaneous = decided(60, &plan);
        simultaneous[to].remaining = simultaneous[from].remaining.clone();
        let ruling = judge_limit(&LimitHistory { simultaneous, ..honest() }, 0);
        prop_assert!(ruling.verdict == Verdict::Violated && ruling.reason.contains("dishonest"), "{:?}", ruling);
    }
}
