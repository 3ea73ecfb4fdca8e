//! A right server is never accused, each fault is named by its rule.

use proptest::prelude::*;

use super::simulation::{Fault, Plan, history};
use super::*;
use crate::check::Answer;
use crate::history::{Fields, Outcome};

const MS: u64 = 1_000_000;

struct Story {
    heading: Heading,
    operations: Vec<Operation>,
}

impl Story {
    fn new() -> Self {
        let mut heading = Heading::of(Model::Lock);
        heading.settings = Fields::new().with("expect", serde_json::json!([]));
        Self { heading, operations: Vec::new() }
    }

    fn add(&mut self, op: &str, (call_ms, return_ms): (u64, u64), input: Fields, end: Result<Fields, &str>) -> u64 {
        let id = self.operations.len() as u64;
        self.operations.push(Operation {
            id,
            process: id,
            key: "t/r".into(),
            op: op.into(),
            input,
            call_ns: call_ms * MS,
            return_ns: Some(return_ms * MS),
            outcome: if end.is_ok() { Outcome::Ok } else { Outcome::Fail },
            refused: end.as_ref().err().map(|word| (*word).to_owned()),
            output: end.unwrap_or_default(),
            note: String::new(),
            idempotency_key: None,
        });
        id
    }

    fn granted(&mut self, at: (u64, u64), token: &str, fence: i64) -> u64 {
        let input = Fields::new().with("ttl_ms", 1_000).with("wait_ms", 0);
        self.add("acquire", at, input, Ok(Fields::new().with("token", token).with("fence", fence)))
    }

    fn busy(&mut self, at: (u64, u64)) -> u64 {
        self.add("acquire", at, Fields::new().with("ttl_ms", 1_000).with("wait_ms", 0), Err("busy"))
    }

    fn released(&mut self, at: (u64, u64), token: &str) -> u64 {
        self.add("release", at, Fields::new().with("token", token), Ok(Fields::new()))
    }

    fn wrote(&mut self, at: (u64, u64), fence: i64, version: i64) -> u64 {
        let input = Fields::new().with("fence", fence).with("value", version);
        self.add("write", at, input, Ok(Fields::new().with("version", version)))
    }

    fn report(&self) -> CheckReport {
        check(&self.heading, &self.operations)
    }

    /// The rule and operations of the only violation.
    fn violation(&self) -> (String, Vec<u64>) {
        let report = self.report();
        assert_eq!(report.violation_count, 1, "{report:#?}");
        let first = report.violations[0].clone();
        (first.rule, first.operations)
    }
}

#[test]
fn a_lock_that_changes_hands_holds_with_its_fences_as_witness() {
    let mut story = Story::new();
    story.granted((0, 1), "a", 1);
    story.busy((2, 3));
    story.wrote((3, 4), 1, 1);
    story.released((5, 6), "a");
    story.granted((5, 7), "b", 2);
    story.wrote((8, 9), 2, 2);
    let report = story.report();
    assert_eq!((report.answer, report.strength), (Answer::Holds, Strength::Witness), "{report:#?}");
    story.heading.settings.set("expect", serde_json::json!(["contention", "expiry"]));
    let report = story.report();
    assert_eq!((report.answer, report.doubts[0].rule.as_str()), (Answer::Unknown, "never-expired-while-held"));
}

#[test]
fn two_holders_at_once_are_named_even_if_the_second_held_for_no_time() {
    let mut story = Story::new();
    let first = story.granted((0, 1), "a", 1);
    let second = story.granted((2, 3), "b", 2);
    story.released((3, 4), "b");
    assert_eq!(story.violation(), ("granted-twice".into(), vec![second, first]));
}

#[test]
fn a_renewal_keeps_the_lock_and_its_loss_is_seen() {
    let mut story = Story::new();
    let first = story.granted((0, 1), "a", 1);
    let input = || Fields::new().with("ttl_ms", 1_000).with("token", "a");
    story.add("renew", (900, 901), input(), Ok(Fields::new()));
    let second = story.granted((1_500, 1_501), "b", 2);
    assert_eq!(story.violation(), ("granted-twice".into(), vec![second, first]));
    // If it was no renewal, the lease had run out.
    story.operations[1].outcome = Outcome::Fail;
    assert_eq!(story.report().answer, Answer::Holds);
    let late = story.add("renew", (1_700, 1_701), input(), Ok(Fields::new()));
    assert_eq!(story.violation(), ("released-by-stranger".into(), vec![late, first, second]));
}

#[test]
fn a_waiter_counts_his_lease_from_the_end_of_the_hold_he_waited_for() {
    let mut story = Story::new();
    let first = story.granted((0, 1), "a", 1);
    story.released((900, 901), "a");
    let wait = Fields::new().with("ttl_ms", 1_000).with("wait_ms", 5_000);
    let out = Fields::new().with("token", "b").with("fence", 2);
    let second = story.add("acquire", (2, 905), wait, Ok(out));
    let third = story.granted((1_500, 1_501), "c", 3);
    assert_eq!(story.violation(), ("granted-twice".into(), vec![third, second]));
    assert_eq!(first, 0);
}

#[test]
fn a_refusal_is_excused_by_whoever_may_hold_and_by_nobody_else() {
    let mut story = Story::new();
    let lone = story.busy((0, 1));
    assert_eq!(story.violation(), ("refused-without-cause".into(), vec![lone]));
    let mut story = Story::new();
    story.granted((10, 11), "a", 1);
    story.released((20, 25), "a");
    story.busy((24, 30));
    assert!(!story.report().answer.eq(&Answer::Violated));
    let late = story.busy((26, 30));
    assert_eq!(story.violation(), ("refused-without-cause".into(), vec![late, 0]));
}

#[test]
fn a_lease_that_never_ends_is_named_after_the_margin() {
    let mut story = Story::new();
    story.granted((0, 1), "a", 1);
    story.busy((2_900, 2_901));
    assert_ne!(story.report().answer, Answer::Violated);
    let late = story.busy((3_100, 3_101));
    assert_eq!(story.violation(), ("never-freed".into(), vec![late, 0]));
    let mut looked = Story::new();
    looked.granted((0, 1), "a", 1);
    let look = looked.add("exists", (4_000, 4_001), Fields::new(), Ok(Fields::new().with("held", true)));
    assert_eq!(looked.violation(), ("never-freed".into(), vec![look, 0]));
}

#[test]
fn an_acquire_without_an_answer_excuses_every_later_refusal() {
    let mut story = Story::new();
    story.granted((0, 1), "a", 1);
    story.released((2, 3), "a");
    story.granted((4, 5), "lost", 2);
    let lost = story.operations.last_mut().unwrap();
    (lost.outcome, lost.return_ns, lost.output) = (Outcome::Info, None, Fields::new());
    story.busy((60_000, 60_001));
    let report = story.report();
    assert_ne!(report.answer, Answer::Violated);
    assert_eq!(report.indeterminate, 1);
}

#[test]
fn another_tenants_lock_of_that_name_is_no_reason() {
    let mut story = Story::new();
    let other = story.granted((0, 1), "a", 1);
    story.operations[0].key = "other/r".into();
    let refused = story.busy((2, 3));
    assert_eq!(story.violation(), ("cross-tenant-lock".into(), vec![refused, other]));
}

#[test]
fn fences_rise_in_time_and_are_never_given_twice() {
    let mut story = Story::new();
    let first = story.granted((0, 1), "a", 7);
    story.released((2, 3), "a");
    let second = story.granted((4, 5), "b", 7);
    assert_eq!(story.violation(), ("fence-order".into(), vec![second, first]));
    story.operations[2].output.set("fence", 6);
    assert_eq!(story.violation(), ("fence-order".into(), vec![second, first]));
    story.heading.settings.set("fences", false);
    let report = story.report();
    assert_eq!((report.answer, report.strength), (Answer::Holds, Strength::Bounds), "{report:#?}");
}

#[test]
fn a_write_behind_a_higher_fence_is_stale_by_time_and_by_version() {
    let mut story = Story::new();
    story.granted((0, 1), "a", 1);
    story.granted((2_000, 2_001), "b", 2);
    let newer = story.wrote((2_002, 2_010), 2, 1);
    let stale = story.wrote((2_020, 2_030), 1, 2);
    assert_eq!(story.violation(), ("stale-write-accepted".into(), vec![stale, newer]));
    // At the same time, the versions tell.
    story.operations[3].call_ns = 2_005 * MS;
    assert_eq!(story.violation(), ("stale-write-accepted".into(), vec![stale, newer]));
    story.operations[3].output.set("version", 0);
    assert_eq!(story.report().answer, Answer::Holds);
}

#[test]
fn a_strangers_release_is_named_and_a_repeated_one_is_not() {
    let mut story = Story::new();
    let holder = story.granted((0, 1), "a", 1);
    let stranger = story.released((2, 3), "made-up");
    assert_eq!(story.violation(), ("released-by-stranger".into(), vec![stranger, holder]));
    let mut again = Story::new();
    again.granted((0, 1), "a", 1);
    again.released((2, 3), "a");
    again.granted((4, 5), "b", 2);
    again.released((6, 7), "a");
    assert_eq!(again.report().answer, Answer::Holds);
    let refused = again.add("release", (8, 9), Fields::new().with("token", "b"), Err("not-owner"));
    assert_eq!(again.violation(), ("refused-without-cause".into(), vec![refused, 2]));
}

#[test]
fn what_cannot_be_read_is_doubted_by_its_line() {
    let mut story = Story::new();
    story.granted((0, 1), "a", 1);
    story.granted((2, 3), "b", 2);
    story.operations[1].output = Fields::new();
    let report = story.report();
    assert_eq!((report.answer, report.doubts[0].rule.as_str()), (Answer::Unknown, "bad-field"));
    assert_eq!(report.doubts[0].operations, [1]);
    story.heading.settings.set("expect", serde_json::json!(["luck"]));
    assert_eq!(story.report().doubts[0].rule, "bad-field");
}

/// Restarted without memory, a store grants a held lock again: only the fences can be held to.
#[test]
fn after_a_fault_of_the_store_only_fences_are_judged() {
    let mut story = Story::new();
    story.heading.settings.set("store_faults", true);
    story.granted((0, 1), "a", 1);
    story.granted((2, 3), "b", 2);
    let report = story.report();
    assert_eq!((report.answer, report.strength), (Answer::Holds, Strength::Witness), "{report:#?}");
    story.granted((4, 5), "c", 2);
    assert_eq!(story.violation().0, "fence-order");
}

fn plans() -> impl Strategy<Value = Plan> {
    let losses = prop::sample::select(vec![0, 0, 3, 15]);
    let ticks = prop::sample::select(vec![1, MS / 10, 2 * MS, 20 * MS]);
    (any::<u64>(), 1_usize..10, 5_usize..250, 20_u64..200, (losses, ticks), any::<bool>()).prop_map(
        |(seed, clients, operations, ttl_ms, (lost, tick_ns), own_tokens)| Plan {
            seed,
            clients,
            operations,
            ttl_ms,
            lost,
            tick_ns,
            own_tokens,
            fault: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_right_server_is_never_accused(plan in plans()) {
        let (heading, operations) = history(plan);
        let report = check(&heading, &operations);
        prop_assert_eq!(report.violation_count, 0, "{:#?}", report.violations);
    }

    /// Two tenants' locks of one name, each right by itself.
    #[test]
    fn locks_of_one_name_are_apart(plan in plans(), other in plans()) {
        let (heading, mut operations) = history(plan);
        let (_, others) = history(other);
        let first = operations.len() as u64;
        operations.extend(others.into_iter().map(|one| Operation { id: first + one.id, key: "u/r".into(), ..one }));
        operations.sort_by_key(|operation| operation.call_ns);
        let report = check(&heading, &operations);
        prop_assert_eq!((report.violation_count, report.keys), (0, 2), "{:#?}", report.violations);
    }
}

#[test]
fn most_busy_and_faultless_runs_hold() {
    let holds = (0..100).filter(|&seed| {
        let plan = Plan {
            seed,
            clients: 6,
            operations: 300,
            ttl_ms: 100,
            lost: 0,
            tick_ns: 1,
            own_tokens: false,
            fault: None,
        };
        let (mut heading, operations) = history(plan);
        heading.settings.set("margin_ms", 200);
        check(&heading, &operations).answer == Answer::Holds
    });
    assert!(holds.count() > 90);
}

/// Every seed of a long run shows the fault, and by its own rule.
#[test]
fn each_fault_is_found_by_its_rule() {
    let faults = [
        (Fault::GrantsTwice, "granted-twice"),
        (Fault::ExpiresEarly, "granted-twice"),
        (Fault::RepeatsFences, "fence-order"),
        (Fault::LowersFences, "fence-order"),
        (Fault::NeverExpires, "never-freed"),
        (Fault::AnyoneReleases, "released-by-stranger"),
        (Fault::AcceptsStale, "stale-write-accepted"),
        (Fault::RefusesFree, "refused-without-cause"),
        (Fault::ForgetsHolder, "refused-without-cause"),
    ];
    for (fault, rule) in faults {
        let found = (0..20).filter(|&seed| {
            let clients = if fault == Fault::RefusesFree { 2 } else { 6 };
            let plan = Plan {
                seed,
                clients,
                operations: 1_200,
                ttl_ms: 100,
                lost: 0,
                tick_ns: 1,
                own_tokens: false,
                fault: Some(fault),
            };
            let (heading, operations) = history(plan);
            let report = check(&heading, &operations);
            report.violations.iter().any(|finding| finding.rule == rule)
        });
        let count = found.count();
        assert!(count >= 18, "{fault:?}: {rule} in {count} of 20");
    }
}

/// `cargo nextest run --release -p stampede-model --run-ignored only million --no-capture`
#[test]
#[ignore = "a measurement, for a release build"]
fn a_million_operations() {
    for (clients, lost) in [(10, 0), (100, 0), (100, 1)] {
        let plan = Plan {
            seed: 7,
            clients,
            operations: 1_000_000,
            ttl_ms: 100,
            lost,
            tick_ns: 1,
            own_tokens: false,
            fault: None,
        };
        let (heading, operations) = history(plan);
        let began = std::time::Instant::now();
        let report = check(&heading, &operations);
        println!("lock, {clients} clients, {lost} % lost: {:?}, {:?}", began.elapsed(), report.answer);
        assert_eq!(report.violation_count, 0);
    }
}
