//! What holds whatever is measured.

use proptest::prelude::*;

use super::*;

fn any_rules() -> impl Strategy<Value = Rules> {
    let select = prop_oneof![Just(Select::Max), Just(Select::Min), Just(Select::Disabled)];
    let kind = prop_oneof![Just(PolicyKind::Pods), Just(PolicyKind::Percent)];
    let policies = prop::collection::vec((kind, 1..1_000_u32, 1..120_u64), 1..4);
    (0..400_u64, select, policies).prop_map(|(window, select, policies)| rules(window, select, &policies))
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let replica = prop_oneof![
        5 => (0.0..5_000.0).prop_map(ReplicaReading::Ready),
        1 => Just(ReplicaReading::Unmeasured),
        1 => Just(ReplicaReading::NotReady),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)].prop_map(ReplicaReading::Ready),
    ];
    prop_oneof![
        8 => prop::collection::vec(replica, 0..12).prop_map(Reading::Each),
        1 => Just(Reading::Missing),
        1 => Just(Reading::Whole(1.0, 1)),
    ]
}

proptest! {
    #[test]
    fn no_decision_is_out_of_bounds_or_against_a_disabled_direction(
        (min, more) in (1..10_u32, 0..20_u32),
        (up, down) in (any_rules(), any_rules()),
        looks in prop::collection::vec((any_reading(), 1..90_u64), 1..40),
        first in 0..40_u32,
    ) {
        let max = min + more;
        let (no_up, no_down) = (up.select == Select::Disabled, down.select == Select::Disabled);
        let scaler = Autoscaler { up, down, ..scaler(100.0, (min, max)) };
        let (mut memory, mut current, mut now_ns) = (Memory::default(), first, 0);
        for (reading, passed_s) in looks {
            now_ns += passed_s * S;
            let decision = scaler.decide(&mut memory, &seen(current, reading), now_ns);
            prop_assert!((min..=max).contains(&decision.desired), "{decision:?}");
            let inside = (min..=max).contains(&current);
            prop_assert!(!(inside && no_up && decision.desired > current), "{decision:?}");
            prop_assert!(!(inside && no_down && decision.desired < current), "{decision:?}");
            current = decision.desired;
        }
    }

    #[test]
    fn more_load_never_asks_for_fewer_replicas(
        values in prop::collection::vec(0.0..5_000.0_f64, 1..12),
        more in 0.0..5_000.0_f64,
        silent in 0..4_usize,
        unready in 0..4_usize,
    ) {
        let scaler = scaler(300.0, (1, 10_000));
        let current = (values.len() + silent + unready) as u32;
        let of = |more: f64| {
            let ready = values.iter().map(|value| ReplicaReading::Ready(value + more));
            let silent = std::iter::repeat_n(ReplicaReading::Unmeasured, silent);
            let unready = std::iter::repeat_n(ReplicaReading::NotReady, unready);
            recommended(&scaler, current, Reading::Each(ready.chain(silent).chain(unready).collect()))
        };
        prop_assert!(of(more) >= of(0.0), "{:?} with {more} more, {:?} without", of(more), of(0.0));
    }

    #[test]
    fn within_the_tolerance_it_is_still(replicas in 1..30_u32, ratio in 0.901..1.099_f64) {
        let scaler = scaler(100.0, (1, 100));
        prop_assert_eq!(recommended(&scaler, replicas, ready(&vec![ratio * 100.0; replicas as usize])), Some(replicas));
    }

    #[test]
    fn a_steady_load_comes_to_rest(load in 1.0..20_000.0_f64, first in 1..30_u32) {
        let scaler = scaler(100.0, (1, 100));
        let (mut memory, mut current) = (Memory::default(), first);
        let mut went = Vec::new();
        for look in 0..80_u64 {
            let each = vec![load / f64::from(current); current as usize];
            current = scaler.decide(&mut memory, &seen(current, ready(&each)), look * 15 * S).desired;
            went.push(current);
        }
        let last = went[went.len() - 1];
        prop_assert!(went[60..].iter().all(|one| *one == last), "{went:?}");
        prop_assert!(last == 100 || load / f64::from(last) <= 110.0 + 1e-6, "{last} replicas for {load}");
    }
}
