//! Worked examples of <https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/> (algorithm details,
//! scaling policies, default behaviour), of its walkthrough, of
//! <https://kubernetes.io/blog/2025/04/28/kubernetes-v1-33-hpa-configurable-tolerance/>, and the stories of
//! <https://github.com/kubernetes/enhancements/tree/master/keps/sig-autoscaling/853-configurable-hpa-scale-velocity>.

use super::*;

#[test]
fn two_hundred_thousandths_on_a_hundred_double_and_fifty_halve() {
    let scaler = scaler(0.1, (1, 100));
    assert_eq!(recommended(&scaler, 4, ready(&[0.2; 4])), Some(8));
    assert_eq!(recommended(&scaler, 4, ready(&[0.05; 4])), Some(2));
}

#[test]
fn fifty_replicas_at_ninety_of_seventy_five_per_cent_become_sixty() {
    let metrics = vec![Metric::Utilization { resource: "cpu".into(), percent: 75 }];
    let scaler = Autoscaler { metrics, ..scaler(1.0, (1, 100)) };
    assert_eq!(recommended(&scaler, 50, ready(&[90.0; 50])), Some(60));
    // The walkthrough: one replica at 305 % of its request, with a target of 50 %, becomes seven.
    let metrics = vec![Metric::Utilization { resource: "cpu".into(), percent: 50 }];
    let scaler = Autoscaler { metrics, ..scaler };
    assert_eq!(recommended(&scaler, 1, ready(&[305.0])), Some(7));
}

#[test]
fn within_the_tolerance_nothing_changes() {
    let mut scaler = scaler(100.0, (1, 100));
    for (value, wanted) in [(90.0, 10), (110.0, 10), (110.1, 12), (89.9, 9)] {
        assert_eq!(recommended(&scaler, 10, ready(&[value; 10])), Some(wanted), "{value}");
    }
    // "a target memory consumption of 100MiB and a scale-up tolerance of 5%": it grows beyond 105.
    scaler.up.tolerance_milli = Some(50);
    assert_eq!(recommended(&scaler, 10, ready(&[105.0; 10])), Some(10));
    assert_eq!(recommended(&scaler, 10, ready(&[106.0; 10])), Some(11));
    assert_eq!(recommended(&scaler, 10, ready(&[90.0; 10])), Some(10), "the other direction keeps its own");
}

#[test]
fn silent_and_unready_replicas_make_it_careful() {
    use ReplicaReading::{NotReady, Ready, Unmeasured};
    let scaler = scaler(100.0, (1, 100));
    let of = |current, replicas: &[ReplicaReading]| recommended(&scaler, current, Reading::Each(replicas.to_vec()));
    // Growing: a silent one counts as idle. (250 + 250 + 0) / 3 = 166.6 -> ceil(1.666 * 3).
    assert_eq!(of(3, &[Ready(250.0), Ready(250.0), Unmeasured]), Some(5));
    // Growing: one that is not ready counts as idle.
    assert_eq!(of(3, &[Ready(250.0), Ready(250.0), NotReady]), Some(5));
    // Growing turned into shrinking by what was assumed: nothing.
    assert_eq!(of(4, &[Ready(130.0), NotReady, NotReady, NotReady]), Some(4));
    // Shrinking: a silent one counts as right on target. (20 + 20 + 100) / 3 = 46.6 -> ceil(0.466 * 3).
    assert_eq!(of(3, &[Ready(20.0), Ready(20.0), Unmeasured]), Some(2));
    // Right on target: a silent one counts as idle, as in growing. (100 * 3 + 0) / 4 = 75 -> ceil(0.75 * 4).
    assert_eq!(of(4, &[Ready(100.0), Ready(100.0), Ready(100.0), Unmeasured]), Some(3));
    // Shrinking: one that is not ready is set aside.
    assert_eq!(of(3, &[Ready(20.0), Ready(20.0), NotReady]), Some(1));
    // Nobody says anything.
    assert_eq!(of(3, &[NotReady, Unmeasured]), None);
}

#[test]
fn a_silent_replica_counts_as_using_its_whole_request_or_its_target() {
    use ReplicaReading::{Ready, Unmeasured};
    for (percent, wanted) in [(50, 3), (200, 2)] {
        let metrics = vec![Metric::Utilization { resource: "cpu".into(), percent }];
        let scaler = Autoscaler { metrics, ..scaler(1.0, (1, 100)) };
        let reading = Reading::Each(vec![Ready(10.0), Ready(10.0), Unmeasured]);
        // 50 %: (10 + 10 + 100) / 3 = 40, ceil(0.8 * 3); 200 %: (10 + 10 + 200) / 3 = 73, ceil(0.365 * 3).
        assert_eq!(recommended(&scaler, 3, reading), Some(wanted), "{percent}");
    }
}

#[test]
fn the_largest_of_several_metrics_counts_and_a_missing_one_stops_shrinking() {
    let second = Metric::Pods { name: "other".into(), average: Amount::of(10.0) };
    let mut scaler = scaler(100.0, (1, 100));
    scaler.metrics.push(second);
    scaler.down.stabilization = Duration::ZERO;
    let decide = |readings: Vec<Reading>| {
        let decision = scaler.decide(&mut Memory::default(), &Seen { current: 4, readings }, 0);
        (decision.desired, decision.reason)
    };
    assert_eq!(decide(vec![ready(&[150.0; 4]), ready(&[20.0; 4])]), (8, Reason::Metrics));
    assert_eq!(decide(vec![ready(&[150.0; 4]), Reading::Missing]), (6, Reason::Metrics));
    assert_eq!(decide(vec![ready(&[25.0; 4]), Reading::Missing]), (4, Reason::MissingHolds));
    assert_eq!(decide(vec![Reading::Missing, Reading::Missing]), (4, Reason::NothingMeasured));
    assert_eq!(decide(vec![ready(&[25.0; 4])]), (4, Reason::MissingHolds), "what is not there is missing");
}

#[test]
fn of_eighty_replicas_ten_per_cent_leave_a_minute_and_of_forty_four() {
    let down = rules(0, Select::Max, &[(PolicyKind::Pods, 4, 60), (PolicyKind::Percent, 10, 60)]);
    let scaler = told((10, 100), Rules::up(), down);
    let went = follow(&scaler, 80, 60, &[10; 14]);
    assert_eq!(went[..2], [72, 64], "8 replicas, then 7.2 rounded up to 8");
    assert_eq!(went[went.iter().position(|one| *one < 40).unwrap()..][..3], [36, 32, 28]);
}

#[test]
fn the_smallest_policy_limits_and_a_disabled_direction_stays() {
    let policies = [(PolicyKind::Percent, 10, 60), (PolicyKind::Pods, 5, 60)];
    let scaler = told((1, 100), Rules::up(), rules(0, Select::Min, &policies));
    assert_eq!(follow(&scaler, 80, 60, &[10, 10]), [75, 70], "5 are fewer than 8");
    let scaler = told((1, 100), Rules::up(), rules(0, Select::Disabled, &policies));
    assert_eq!(follow(&scaler, 80, 60, &[10, 90, 10]), [80, 90, 90]);
}

#[test]
fn the_standard_behaviour_grows_by_four_or_twofold_and_shrinks_after_five_minutes() {
    let scaler = told((1, 100), Rules::up(), Rules::down());
    assert_eq!(follow(&scaler, 1, 15, &[50; 5]), [5, 10, 20, 40, 50]);
    let mut told = vec![8; 2];
    told.extend([1; 22]);
    let went = follow(&scaler, 3, 15, &told);
    // The last 8 was told at 15 s; it is forgotten at 315 s, which is the twenty-second look.
    assert_eq!(went[..2], [7, 8]);
    assert_eq!(went.iter().position(|one| *one == 1), Some(21), "{went:?}");
    assert!(went[2..21].iter().all(|one| *one == 8), "{went:?}");
}

#[test]
fn story_1_and_2_tenfold_up_and_one_down_in_ten_minutes() {
    let up = rules(0, Select::Max, &[(PolicyKind::Percent, 900, 60)]);
    let down = rules(0, Select::Max, &[(PolicyKind::Pods, 1, 600)]);
    let scaler = told((1, 1_000), up, down);
    assert_eq!(follow(&scaler, 1, 60, &[1_000; 3]), [10, 100, 1_000]);
    let went = follow(&scaler, 1_000, 60, &[1; 11]);
    assert!(went[..10].iter().all(|one| *one == 999), "{went:?}");
    assert_eq!(went[10], 998);
}

#[test]
fn story_3_one_more_every_five_minutes() {
    let up = rules(0, Select::Max, &[(PolicyKind::Pods, 1, 300)]);
    let scaler = told((1, 10), up, Rules::down());
    assert_eq!(follow(&scaler, 1, 300, &[10; 3]), [2, 3, 4]);
}

#[test]
fn story_5_the_largest_of_ten_minutes() {
    let down = rules(600, Select::Max, &[(PolicyKind::Pods, 5, 60)]);
    let scaler = told((1, 100), Rules::up(), down);
    let went = follow(&scaler, 10, 60, &[10, 9, 8, 9, 9, 8, 9, 8, 9, 8, 7]);
    assert_eq!(went, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9]);
}

#[test]
fn story_6_the_smallest_of_five_minutes() {
    let up = rules(300, Select::Max, &[(PolicyKind::Pods, 20, 60)]);
    let scaler = told((1, 100), up, Rules::down());
    // The story counts six looks within five minutes, so its first is not quite five minutes old at the sixth: every 59 s.
    let went = follow(&scaler, 2, 59, &[2, 3, 19, 10, 3, 4, 7]);
    assert_eq!(went, [2, 2, 2, 2, 2, 2, 3]);
}

#[test]
fn outside_its_bounds_it_goes_back_to_them() {
    let scaler = scaler(100.0, (3, 8));
    let decide = |current| {
        let decision = scaler.decide(&mut Memory::default(), &seen(current, Reading::Missing), 0);
        (decision.desired, decision.reason)
    };
    assert_eq!((decide(12), decide(1)), ((8, Reason::Max), (3, Reason::Min)));
}
