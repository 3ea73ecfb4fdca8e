//! The schedule against its definition: formulas, partition, order, integral, replay, live changes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const S: u64 = 1_000_000_000;

fn schedule(rate: f64, spacing: Spacing) -> Schedule {
    Schedule::new(rate, spacing, 7).unwrap()
}

fn stages(parts: &[(u64, f64)]) -> Vec<Stage> {
    parts.iter().map(|(ms, to_per_s)| Stage { over: Duration::from_millis(*ms), to_per_s: *to_per_s }).collect()
}

fn ramped(parts: &[(u64, f64)]) -> Schedule {
    Schedule::curve(stages(parts), Spacing::Uniform, 7).unwrap()
}

fn times(schedule: &Schedule, count: usize) -> Vec<u64> {
    schedule.arrivals(Share::WHOLE).take(count).map(|arrival| arrival.at_ns).collect()
}

#[test]
fn uniform_arrivals_follow_the_formula() {
    assert_eq!(times(&schedule(1_000.0, Spacing::Uniform), 4), [0, 1_000_000, 2_000_000, 3_000_000]);
    let third = schedule(3.0, Spacing::Uniform).arrivals(Share::WHOLE).nth(3_000).unwrap();
    assert_eq!(third.at_ns, 1_000_000_000_000, "thirds of a second must not drift");
}

#[test]
fn a_ramp_sends_where_its_integral_passes_whole_numbers() {
    // t^2 / 2 per second: arrival i at sqrt(2 i) seconds.
    let ramp = ramped(&[(100_000, 100.0)]);
    for (index, at_ns) in times(&ramp, 200).into_iter().enumerate() {
        let exact = (2.0 * index as f64).sqrt() * 1e9;
        assert!((at_ns as f64 - exact).abs() <= 2.0, "arrival {index} at {at_ns}, not {exact}");
    }
    assert_eq!(ramp.count_before(100 * S), 5_000);
    assert_eq!(ramp.count_before(101 * S), 5_100, "the last rate holds");
    assert_eq!((ramp.rate_at(50 * S), ramp.rate_at(200 * S)), (50.0, 100.0));
}

#[test]
fn nothing_arrives_at_a_rate_of_zero() {
    let late = ramped(&[(5_000, 0.0), (0, 10.0)]);
    assert_eq!(times(&late, 2), [5 * S, 5 * S + S / 10]);
    let holed = ramped(&[(0, 10.0), (1_000, 10.0), (0, 0.0), (3_000, 0.0), (0, 10.0)]);
    assert_eq!(times(&holed, 12)[9..], [900_000_000, 4 * S, 4 * S + S / 10]);
    let ending = ramped(&[(0, 10.0), (1_000, 10.0)]).ending().unwrap();
    assert_eq!(ending.arrivals(Share::WHOLE).count(), 10);
    assert_eq!(ending.count_before(u64::MAX), 10);
    assert_eq!(ending.ends_at_ns(), Some(S));
}

#[test]
fn nonsense_rates_and_stages_are_refused() {
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e9] {
        assert!(Schedule::new(rate, Spacing::Uniform, 0).is_err(), "{rate}");
    }
    let refused = |parts: &[(u64, f64)]| Schedule::curve(stages(parts), Spacing::Uniform, 0).unwrap_err();
    assert_eq!(refused(&[]), BadCurve::Never);
    assert_eq!(refused(&[(1_000, 0.0)]), BadCurve::Never);
    assert!(matches!(refused(&[(1_000, 5.0), (1, -1.0)]), BadCurve::Rate { stage: 2, .. }));
    assert_eq!(refused(&[(u64::MAX / 4, 1.0)]), BadCurve::TooLong { stage: 1 });
    assert_eq!(refused(&vec![(1, 1.0); 10_001]), BadCurve::TooMany { stages: 10_001 });
}

#[test]
fn poisson_gaps_have_the_mean_and_spread_of_an_exponential() {
    let times = times(&schedule(1_000.0, Spacing::Poisson), 200_000);
    let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    let beyond = gaps.iter().filter(|gap| **gap > 3.0).count() as f64 / gaps.len() as f64;
    assert!((mean - 1.0).abs() < 0.02, "mean gap {mean} ms");
    assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
    assert!((beyond - (-3.0_f64).exp()).abs() < 0.005, "share beyond three means {beyond}");
}

#[test]
fn poisson_arrivals_of_a_ramp_follow_its_integral() {
    let ramp = Schedule::curve(stages(&[(100_000, 1_000.0)]), Spacing::Poisson, 3).unwrap();
    for s in (10..=100).step_by(10) {
        let expected = ramp.expected_before(s * S);
        let got = ramp.count_before(s * S) as f64;
        assert!((got - expected).abs() < 5.0 * expected.sqrt(), "{got} before {s} s, not about {expected}");
    }
}

#[test]
fn another_seed_is_another_run_and_the_same_seed_the_same() {
    let first = |seed| Schedule::new(100.0, Spacing::Poisson, seed).unwrap().arrivals(Share::WHOLE).nth(50).unwrap();
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn a_schedule_is_stored_as_it_was_asked_for() {
    let constant = serde_json::to_value(schedule(5.0, Spacing::Poisson)).unwrap();
    assert_eq!(constant, serde_json::json!({"rate_per_s": 5.0, "spacing": "poisson", "seed": 7}));
    let ramp = Schedule::curve_from(2.0, stages(&[(1_500, 4.0)]), Spacing::Uniform, 1).unwrap();
    let stored = serde_json::to_value(&ramp).unwrap();
    assert_eq!(stored["from_per_s"], 2.0);
    assert_eq!(stored["stages"], serde_json::json!([{"over_ns": 1_500_000_000, "to_per_s": 4.0}]));
    assert_eq!(serde_json::from_value::<Schedule>(stored).unwrap(), ramp);
    let broken = serde_json::json!({"rate_per_s": -5.0, "spacing": "uniform", "seed": 7});
    assert!(serde_json::from_value::<Schedule>(broken).is_err());
}

#[test]
fn a_schedule_says_its_rate_in_words() {
    assert_eq!(schedule(200.0, Spacing::Uniform).to_string(), "200/s");
    assert_eq!(ramped(&[(30_000, 100.0), (0, 80.0)]).to_string(), "0/s, 30s to 100/s, at once 80/s");
}

#[test]
fn a_pause_shifts_what_follows_and_holds_nothing_back() {
    let paused = schedule(10.0, Spacing::Uniform).paused(S, 5 * S).unwrap();
    assert_eq!(times(&paused, 12)[9..], [900_000_000, 5 * S, 5 * S + S / 10]);
}

#[test]
fn a_walk_goes_on_under_another_rate_with_the_next_number() {
    let slow = schedule(10.0, Spacing::Uniform);
    let mut arrivals = slow.arrivals(Share::WHOLE);
    let given: Vec<Arrival> = arrivals.by_ref().take(21).collect();
    assert_eq!(given.last(), Some(&Arrival { index: 20, at_ns: 2 * S }));
    // Number 20 waits for its time; at 1.95 s the rate is multiplied by ten.
    arrivals.follow(&slow.rebase(1_950_000_000, 10.0).unwrap());
    assert_eq!(arrivals.again(), Some(Arrival { index: 20, at_ns: 1_955_000_000 }));
    assert_eq!(arrivals.next(), Some(Arrival { index: 21, at_ns: 1_965_000_000 }));
}

#[test]
fn a_walk_that_came_to_its_end_can_be_continued() {
    let ending = ramped(&[(0, 10.0), (1_000, 10.0)]).ending().unwrap();
    let mut arrivals = ending.arrivals(Share { index: 1, of: 2 });
    assert_eq!(arrivals.by_ref().count(), 5);
    assert_eq!(arrivals.next(), None);
    arrivals.follow(&ending.held(3 * S, 10.0).unwrap());
    assert_eq!(arrivals.next(), Some(Arrival { index: 11, at_ns: 3 * S + S / 10 }));
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    // Numbers as people type them, which a file gives back to the last bit.
    let eighths = |most: u32| (0..most * 8).prop_map(|eighths| f64::from(eighths) / 8.0);
    let stage = (0_u64..3_000, prop_oneof![1 => Just(0.0), 4 => eighths(2_000)]);
    (eighths(500), vec(stage, 0..6), any::<bool>(), any::<u64>()).prop_filter_map("never", |parts| {
        let (from, parts, poisson, seed) = parts;
        let spacing = if poisson { Spacing::Poisson } else { Spacing::Uniform };
        Schedule::curve_from(from, stages(&parts), spacing, seed).ok()
    })
}

proptest! {
    #[test]
    fn shares_are_a_partition_of_the_whole(of in 1_u64..8, schedule in any_schedule()) {
        let whole: Vec<Arrival> = schedule.arrivals(Share::WHOLE).take(300).collect();
        let mut parts: Vec<Arrival> = (0..of)
            .flat_map(|index| schedule.arrivals(Share { index, of }).take_while(|a| a.index < 300).collect::<Vec<_>>())
            .collect();
        parts.sort_unstable_by_key(|arrival| arrival.index);
        prop_assert_eq!(&parts, &whole);
        prop_assert!(whole.iter().enumerate().all(|(place, arrival)| arrival.index == place as u64));
        let stored = serde_json::to_string(&schedule).unwrap();
        let again: Schedule = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(times(&again, 300), times(&schedule, 300), "a stored schedule replays the run");
    }

    #[test]
    fn times_never_descend(rate in 0.001_f64..1e9, poisson in any::<bool>(), seed in any::<u64>()) {
        let spacing = if poisson { Spacing::Poisson } else { Spacing::Uniform };
        let times = times(&Schedule::new(rate, spacing, seed).unwrap(), 300);
        prop_assert!(times.is_sorted());
    }

    #[test]
    fn times_of_a_curve_never_descend(schedule in any_schedule()) {
        prop_assert!(times(&schedule, 2_000).is_sorted());
    }

    #[test]
    fn counting_agrees_with_walking(schedule in any_schedule(), end_ns in 0_u64..8 * S) {
        let walked = schedule.arrivals(Share::WHOLE).take_while(|a| a.at_ns < end_ns).count() as u64;
        prop_assert_eq!(schedule.count_before(end_ns), walked);
    }

    #[test]
    fn the_count_is_the_integral(schedule in any_schedule(), end_ns in 0_u64..20 * S) {
        let expected = schedule.expected_before(end_ns);
        let got = schedule.count_before(end_ns) as f64;
        // A Poisson count has the variance of its mean; six deviations never happen.
        let slack = if schedule.spacing() == Spacing::Uniform { 1.0 } else { 6.0 * expected.sqrt() + 20.0 };
        prop_assert!((got - expected).abs() <= slack, "{} arrivals, integral {}", got, expected);
    }

    #[test]
    fn the_integral_adds_up_the_rate(schedule in any_schedule(), end_ns in 1_u64..20 * S) {
        let steps = 20_000;
        let width = end_ns as f64 / f64::from(steps);
        let sum: f64 = (0..steps).map(|step| schedule.rate_at(((f64::from(step) + 0.5) * width) as u64) * width / 1e9).sum();
        let exact = schedule.expected_before(end_ns);
        // A jump inside a step is off by at most its height times the step; there are at most six.
        let slack = 6.0 * 2_000.0 * width / 1e9 + 1e-6 * exact + 1e-6;
        prop_assert!((sum - exact).abs() < slack, "{} by steps, {} by formula", sum, exact);
    }

    #[test]
    fn a_change_of_rate_loses_and_doubles_nothing(
        schedule in any_schedule(), at_ns in 0_u64..8 * S, factor in 0.1_f64..10.0,
    ) {
        let changed = schedule.rebase(at_ns, factor).unwrap();
        let before = schedule.count_before(at_ns);
        prop_assert!(changed.count_before(at_ns).abs_diff(before) <= 1);
        for (old, new) in schedule.arrivals(Share::WHOLE).zip(changed.arrivals(Share::WHOLE)).take(2_000) {
            prop_assert_eq!(old.index, new.index);
            if old.at_ns < at_ns {
                prop_assert!(old.at_ns.abs_diff(new.at_ns) <= 1, "{:?} became {:?}", old, new);
            } else {
                prop_assert!(new.at_ns + 1 >= at_ns, "{:?} became {:?}", old, new);
            }
        }
        let later = at_ns + 2 * S;
        let (asked, plain) = (changed.expected_before(later), schedule.expected_before(later));
        let at_change = schedule.expected_before(at_ns);
        prop_assert!((asked - at_change - (plain - at_change) * factor).abs() < 1e-6 * asked.max(1.0));
        prop_assert!((changed.rate_at(at_ns) - schedule.rate_at(at_ns) * factor).abs() < 1e-6);
    }

    #[test]
    fn a_pause_delays_and_changes_nothing_else(schedule in any_schedule(), at_ns in 0_u64..4 * S, for_ns in 0_u64..3 * S) {
        let paused = schedule.paused(at_ns, at_ns + for_ns).unwrap();
        for (old, new) in schedule.arrivals(Share::WHOLE).zip(paused.arrivals(Share::WHOLE)).take(500) {
            let expected = if old.at_ns < at_ns { old.at_ns } else { old.at_ns + for_ns };
            let near = new.at_ns.abs_diff(expected) <= 2;
            // What lies within rounding of the pause may fall on either side of it.
            prop_assert!(near || old.at_ns.abs_diff(at_ns) <= 2, "{:?} became {:?}", old, new);
        }
    }
}
