use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const S: u64 = 1_000_000_000;

fn curve(stages: &[(u64, u32)], spawn_per_s: Option<f64>) -> UserCurve {
    let stages = stages.iter().map(|(s, to_users)| UserStage { over: Duration::from_secs(*s), to_users: *to_users });
    UserCurve::new(stages.collect(), spawn_per_s).unwrap()
}

#[test]
fn a_ramp_brings_one_user_after_the_other_and_takes_the_last_first() {
    let ramp = curve(&[(10, 10), (5, 10), (10, 0)], None);
    assert_eq!(ramp.presence(0), [Presence { from_ns: 0, until_ns: Some(25 * S) }]);
    assert_eq!(ramp.presence(9), [Presence { from_ns: 9 * S, until_ns: Some(16 * S) }]);
    assert_eq!(ramp.presence(10), []);
    let seen: Vec<u32> = [0, 1, 5, 12, 16, 20, 25, 30].iter().map(|s| ramp.users_at(s * S)).collect();
    assert_eq!(seen, [1, 2, 6, 10, 9, 5, 0, 0]);
    assert_eq!((ramp.peak_users(), ramp.ends_at_ns()), (10, 25 * S));
}

#[test]
fn a_constant_number_is_there_at_once_and_stays() {
    let users = UserCurve::constant(3).unwrap();
    assert_eq!(users.users_at(0), 3);
    assert_eq!(users.presence(2), [Presence { from_ns: 0, until_ns: None }]);
    assert_eq!(users.users_at(u64::MAX), 3);
}

#[test]
fn users_come_no_quicker_than_they_may() {
    let users = curve(&[(0, 100), (5, 100), (0, 20), (5, 20)], Some(10.0));
    assert_eq!(users.users_at(S - 1), 10);
    assert_eq!(users.users_at(5 * S - 1), 50, "a jump to 100 would take 10 s");
    assert_eq!(users.users_at(5 * S), 20, "leaving is not bounded");
    let late = curve(&[(1, 100)], Some(10.0));
    assert_eq!(late.users_at(20 * S), 100, "they still come after the last stage");
    assert_eq!(late.presence(99)[0].from_ns, 9_900_000_000);
    let caught_up = curve(&[(0, 10), (10, 10)], Some(5.0));
    assert_eq!((caught_up.users_at(S), caught_up.users_at(3 * S)), (6, 10));
}

#[test]
fn a_user_may_come_twice() {
    let waves = curve(&[(2, 2), (2, 0), (2, 2)], None);
    let times: Vec<(u64, Option<u64>)> = waves.presence(1).iter().map(|p| (p.from_ns, p.until_ns)).collect();
    assert_eq!(times, [(S, Some(3 * S)), (5 * S, None)]);
}

#[test]
fn a_live_change_keeps_the_past() {
    let ramp = curve(&[(10, 10)], Some(2.0));
    let changed = ramp.held(5 * S, 8).unwrap();
    for at_ns in [0, 2 * S, 4 * S, 5 * S - 1] {
        assert_eq!(changed.users_at(at_ns), ramp.users_at(at_ns), "at {at_ns}");
    }
    assert_eq!((changed.users_at(5 * S), changed.users_at(60 * S)), (6, 8));
    assert_eq!(changed.held(70 * S, 0).unwrap().users_at(70 * S), 0);
    let nobody_yet = ramp.held(0, 0).unwrap();
    assert_eq!((nobody_yet.users_at(60 * S), nobody_yet.peak_users()), (0, 0));
    assert_eq!(nobody_yet.held(70 * S, 3).unwrap().users_at(80 * S), 3);
}

#[test]
fn impossible_users_are_named() {
    let stage = |to_users| vec![UserStage { over: Duration::from_secs(1), to_users }];
    assert_eq!(UserCurve::new(stage(0), None), Err(BadUsers::Nobody));
    assert!(matches!(UserCurve::new(stage(2_000_000), None), Err(BadUsers::TooMany { stage: 1, .. })));
    for spawn_per_s in [0.0, -1.0, f64::NAN] {
        assert!(matches!(UserCurve::new(stage(1), Some(spawn_per_s)), Err(BadUsers::Spawn { .. })));
    }
    let long = vec![UserStage { over: Duration::MAX, to_users: 1 }; 2];
    assert_eq!(UserCurve::new(long, None), Err(BadUsers::TooLong));
}

proptest! {
    #[test]
    fn the_number_present_is_the_number_of_users_present(
        stages in vec((0_u64..8, 0_u32..30), 1..6),
        eighths in proptest::option::of(4_u16..320),
        moments in vec(0_u64..50 * S, 1..20),
    ) {
        prop_assume!(stages.iter().any(|(_, users)| *users > 0));
        // A number as people type it is read back to the last bit.
        let curve = curve(&stages, eighths.map(|eighths| f64::from(eighths) / 8.0));
        let text = serde_json::to_string(&curve).unwrap();
        prop_assert_eq!(&serde_json::from_str::<UserCurve>(&text).unwrap(), &curve);
        for at_ns in moments {
            let there = |user: &u32| {
                let spans = curve.presence(*user);
                spans.iter().any(|span| span.from_ns <= at_ns && span.until_ns.is_none_or(|until| at_ns < until))
            };
            prop_assert_eq!(u32::try_from((0..40).filter(there).count()).unwrap(), curve.users_at(at_ns));
            prop_assert!(curve.users_at(at_ns) <= curve.peak_users());
        }
    }

    #[test]
    fn no_more_come_in_a_second_than_may(
        stages in vec((0_u64..5, 0_u32..60), 1..5), spawn in 1.0_f64..20.0, at_ns in 0_u64..30 * S,
    ) {
        prop_assume!(stages.iter().any(|(_, users)| *users > 0));
        let curve = curve(&stages, Some(spawn));
        let grown = f64::from(curve.users_at(at_ns + S)) - f64::from(curve.users_at(at_ns));
        prop_assert!(grown <= spawn.ceil() + 1.0, "{} came", grown);
    }
}
