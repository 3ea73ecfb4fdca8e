//! Contenders served one after the other pass; double grants, wrong fences and refusals are named.

use proptest::prelude::*;

use super::super::Verdict;
use super::*;
use crate::row::Release;

const TTL_NS: u64 = 10_000_000_000;

fn hold(call_ns: u64, granted_ns: u64, released_ns: u64, fence: i64) -> Hold {
    Hold {
        acquire: Interval { call_ns, return_ns: granted_ns },
        outcome: Outcome::Accepted { status: 201 },
        fence: Some(fence),
        release: Some(Release {
            interval: Interval { call_ns: released_ns, return_ns: released_ns + 10 },
            outcome: Outcome::Accepted { status: 204 },
        }),
    }
}

/// Contenders that all call at once and are served with gaps and holds of these lengths.
fn served(turns: &[(u64, u64)]) -> ExclusiveHistory {
    let mut now_ns = 1_000;
    let holds = turns
        .iter()
        .zip(1..)
        .map(|(&(gap_ns, hold_ns), fence)| {
            let granted_ns = now_ns + gap_ns;
            now_ns = granted_ns + hold_ns;
            hold(0, granted_ns, now_ns, fence)
        })
        .collect();
    ExclusiveHistory { ttl_ns: TTL_NS, holds }
}

fn evidence(history: &ExclusiveHistory) -> String {
    let ruling = judge_exclusive(history, 3);
    assert_eq!(ruling.verdict, Verdict::Violated, "{ruling:?}");
    ruling.evidence.join("\n")
}

#[test]
fn one_after_the_other_passes() {
    let ruling = judge_exclusive(&served(&[(5, 100); 50]), 3);
    assert_eq!(ruling.verdict, Verdict::Pass, "{ruling:?}");
    assert_eq!(ruling.figure, "50 of 50 served, 0 overlaps, longest wait 6.15 µs (skew 3 µs)");
}

#[test]
fn a_double_grant_is_named_with_both_fences() {
    let mut history = served(&[(5, 100); 3]);
    history.holds.push(hold(0, 1_050, 1_060, 9));
    let text = evidence(&history);
    assert!(text.contains("granted twice: two contenders held the lock together for 10 ns (fences 1 and 9)"), "{text}");
}

#[test]
fn an_overlap_after_the_time_to_live_is_no_proof() {
    let slow = hold(0, 10, 2 * TTL_NS, 1);
    let heir = hold(0, TTL_NS, TTL_NS + 100, 2);
    let ruling = judge_exclusive(&ExclusiveHistory { ttl_ns: TTL_NS, holds: vec![slow, heir] }, 3);
    assert_eq!(ruling.verdict, Verdict::Pass, "{ruling:?}");
}

#[test]
fn fences_must_rise() {
    let mut history = served(&[(5, 100); 3]);
    history.holds[2].fence = Some(2);
    assert!(evidence(&history).contains("fencing numbers do not rise: 2 was granted after 2"));
    history.holds[2].fence = None;
    assert!(evidence(&history).contains("1 grants came without a fencing number"));
}

#[test]
fn everybody_must_be_served_and_able_to_release() {
    let mut history = served(&[(5, 100); 3]);
    history.holds[1].outcome = Outcome::Refused { status: 409 };
    history.holds[1].release = None;
    assert!(evidence(&history).contains("not served: an acquire was refused with 409"));
    let mut stuck = served(&[(5, 100); 3]);
    stuck.holds[0].release.as_mut().unwrap().outcome = Outcome::Refused { status: 409 };
    assert!(evidence(&stuck).contains("a holder's release answered 409"));
}

#[test]
fn an_unanswered_acquire_is_no_pass() {
    let mut history = served(&[(5, 100); 3]);
    history.holds[1].outcome = Outcome::NoAnswer { cause: "reset".into() };
    history.holds[1].release = None;
    assert_eq!(judge_exclusive(&history, 3).verdict, Verdict::Unknown);
}

proptest! {
    #[test]
    fn served_in_turn_is_never_accused(turns in prop::collection::vec((0_u64..50, 1_u64..50), 1..60), rotate in 0_usize..60) {
        let mut history = served(&turns);
        let middle = rotate % history.holds.len();
        history.holds.rotate_left(middle);
        prop_assert_eq!(judge_exclusive(&history, 0).verdict, Verdict::Pass);
    }

    #[test]
    fn a_grant_inside_anothers_hold_is_always_found(
        turns in prop::collection::vec((0_u64..50, 3_u64..50), 1..60),
        victim in any::<prop::sample::Index>(),
    ) {
        let mut history = served(&turns);
        let held = victim.get(&history.holds).clone();
        history.holds.push(hold(0, held.acquire.return_ns + 1, held.acquire.return_ns + 2, 1_000));
        prop_assert_eq!(judge_exclusive(&history, 0).verdict, Verdict::Violated);
    }
}
