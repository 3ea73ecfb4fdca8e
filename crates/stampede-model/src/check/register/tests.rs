use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::check::Answer;
use crate::check::stock::Dice;
use crate::check::testing::{lost, operation, refused, violates};
use crate::history::Model;

fn write(id: u64, span: (u64, u64), value: &str, output: Value) -> Operation {
    operation(id, "write", span, json!({ "value": value }), output)
}

fn cas(id: u64, span: (u64, u64), (from, to): (&str, &str), output: Value) -> Operation {
    operation(id, "cas", span, json!({ "from": from, "to": to }), output)
}

fn read(id: u64, span: (u64, u64), output: Value) -> Operation {
    operation(id, "read", span, json!({}), output)
}

fn checked(operations: &[Operation]) -> CheckReport {
    let mut heading = Heading::of(Model::Register);
    heading.settings.set("initial", "a");
    check(&heading, operations)
}

#[test]
fn values_written_once_each_are_an_order() {
    let operations = [
        write(0, (0, 10), "b", json!({})),
        read(1, (5, 8), json!({"value": "a"})),
        read(2, (9, 12), json!({"value": "b"})),
        write(3, (20, 30), "c", json!({})),
        read(4, (40, 41), json!({"value": "c"})),
    ];
    let report = checked(&operations);
    assert_eq!((report.answer, report.strength), (Answer::Holds, Strength::Exact), "{report:#?}");
    let mut early = operations.clone();
    (early[2].call_ns, early[2].return_ns) = (12, Some(13));
    early[2].output.set("value", "c");
    violates(&checked(&early), "not-linearizable", &[2, 3]);
    let mut late = operations.clone();
    late[4].output.set("value", "b");
    violates(&checked(&late), "stale-read", &[4, 3, 0]);
    let mut unknown = operations.clone();
    unknown[4].output.set("value", "z");
    violates(&checked(&unknown), "not-linearizable", &[4]);
}

#[test]
fn two_reads_in_the_wrong_order_show_an_old_value() {
    let operations = [
        write(0, (0, 100), "b", json!({})),
        read(1, (10, 20), json!({"value": "b"})),
        read(2, (30, 40), json!({"value": "a"})),
        read(3, (110, 111), json!({"value": "b"})),
    ];
    violates(&checked(&operations), "stale-read", &[2, 1, 3]);
}

#[test]
fn two_swaps_of_one_value_overwrite_each_other() {
    let swaps = [cas(0, (0, 10), ("a", "b"), json!({})), cas(1, (0, 10), ("a", "c"), json!({}))];
    violates(&checked(&swaps), "lost-update", &[0, 1]);
    let right = [
        cas(0, (0, 10), ("a", "b"), json!({})),
        refused(cas(1, (0, 10), ("a", "c"), json!({})), "conflict"),
        read(2, (11, 12), json!({"value": "b"})),
    ];
    assert_eq!((checked(&right).answer, checked(&right).strength), (Answer::Holds, Strength::Bounds));
    let without_cause = [
        read(3, (0, 1), json!({"value": "a"})),
        refused(cas(1, (2, 3), ("a", "c"), json!({})), "conflict"),
        cas(0, (4, 10), ("a", "b"), json!({})),
        read(2, (11, 12), json!({"value": "b"})),
    ];
    violates(&checked(&without_cause), "refused-without-cause", &[1, 0]);
}

#[test]
fn versions_are_replayed() {
    let operations = [
        cas(0, (0, 10), ("a", "b"), json!({"version": 2})),
        write(1, (0, 10), "a", json!({"version": 3})),
        cas(2, (12, 20), ("a", "d"), json!({"version": 4})),
        refused(cas(3, (12, 20), ("a", "e"), json!({})), "conflict"),
        read(4, (21, 22), json!({"value": "d", "version": 4})),
    ];
    let report = checked(&operations);
    assert_eq!((report.answer, report.strength), (Answer::Holds, Strength::Witness), "{report:#?}");
    let mut wrong = operations.clone();
    wrong[2].input.set("from", "b");
    violates(&checked(&wrong), "lost-update", &[2, 1]);
    let mut wrong = operations.clone();
    wrong[4].output.set("value", "b");
    violates(&checked(&wrong), "not-linearizable", &[4, 2]);
    let mut wrong = operations.clone();
    wrong[4].output.set("version", 3).set("value", "a");
    violates(&checked(&wrong), "stale-read", &[4, 2]);
    let mut wrong = operations.clone();
    wrong[2].output.set("version", 3);
    violates(&checked(&wrong), "lost-update", &[1, 2]);
    let mut wrong = operations;
    wrong[3].input.set("from", "a");
    (wrong[3].call_ns, wrong[3].return_ns, wrong[2].call_ns) = (11, Some(12), 13);
    violates(&checked(&wrong), "refused-without-cause", &[3, 1]);
}

#[test]
fn a_write_without_an_answer_may_show_later_or_never() {
    let gone = || lost(write(0, (0, 1), "b", json!({})));
    let seen = |value: &str| checked(&[gone(), read(1, (50, 51), json!({ "value": value }))]);
    assert_eq!((seen("a").answer, seen("b").answer), (Answer::Unknown, Answer::Unknown));
    let back = [gone(), read(1, (50, 51), json!({"value": "b"})), read(2, (60, 61), json!({"value": "a"}))];
    violates(&checked(&back), "stale-read", &[2, 1]);
}

/// A correct register; values are unique or few, versions are shown or not.
fn history(seed: u64, clients: u64, lost_per_mille: u64, (versions, is_unique): (bool, bool)) -> Vec<Operation> {
    let mut dice = Dice::new(seed);
    let mut calls: Vec<(u64, u64, u64)> = Vec::new();
    for _ in 0..clients {
        let mut now = dice.below(300);
        for _ in 0..12 {
            let at = now + dice.below(200);
            let end = at + dice.below(200);
            calls.push((at, now, end));
            now = end + 1 + dice.below(50);
        }
    }
    calls.sort_unstable();
    let (mut value, mut version) = ("a".to_owned(), 3_i64);
    let mut recent = vec!["a".to_owned()];
    let mut operations = Vec::new();
    let mut late: Vec<(u64, String)> = Vec::new();
    for (id, (at, call, end)) in calls.into_iter().enumerate() {
        let (id, span) = (id as u64, (call, end));
        late.retain(|(due, new)| {
            if *due <= at {
                (value, version) = (new.clone(), version + 1);
            }
            *due > at
        });
        let new = if is_unique { format!("v{id}") } else { format!("v{}", dice.below(4)) };
        let shown = |mut output: Value, version: i64| {
            if versions {
                output["version"] = json!(version);
            }
            output
        };
        match dice.below(10) {
            0..4 => operations.push(read(id, span, shown(json!({ "value": value }), version))),
            4..7 if dice.per_mille(lost_per_mille) => {
                operations.push(lost(write(id, span, &new, json!({}))));
                if dice.per_mille(600) {
                    late.push((at + dice.below(1_000), new.clone()));
                }
            }
            4..7 => {
                (value, version) = (new.clone(), version + 1);
                operations.push(write(id, span, &new, shown(json!({}), version)));
            }
            _ => {
                let from = recent[recent.len() - 1 - dice.below(recent.len().min(3) as u64) as usize].clone();
                let swap = cas(id, span, (&from, &new), json!({}));
                if from == value {
                    (value, version) = (new.clone(), version + 1);
                    operations.push(cas(id, span, (&from, &new), shown(json!({}), version)));
                } else {
                    operations.push(refused(swap, "conflict"));
                }
            }
        }
        recent.push(value.clone());
    }
    operations.sort_by_key(|operation| (operation.call_ns, operation.id));
    operations
}

proptest! {
    #[test]
    fn a_correct_register_is_never_accused(
        seed in any::<u64>(),
        clients in 1_u64..20,
        lost in prop_oneof![Just(0_u64), 1_u64..300],
        shows in (any::<bool>(), any::<bool>()),
    ) {
        let report = checked(&history(seed, clients, lost, shows));
        prop_assert_eq!(&report.violations, &vec![]);
        let is_doubtful = report.doubts.iter().any(|doubt| doubt.rule != "indeterminate" && doubt.rule != "no-quiescent-read");
        prop_assert!(!is_doubtful, "{:?}", report.doubts);
    }

    #[test]
    fn an_old_value_at_the_end_is_a_stale_read(seed in any::<u64>(), clients in 2_u64..20, versions in any::<bool>()) {
        let mut operations = history(seed, clients, 0, (versions, true));
        let end = operations.iter().filter_map(|operation| operation.return_ns).max().unwrap();
        let is_shown = |operation: &&Operation| operation.op == "read" && operation.return_ns < Some(end / 3);
        let Some(old) = operations.iter().find(is_shown).cloned() else { return Ok(()) };
        operations.push(write(7_777, (end + 1, end + 2), "z", json!({})));
        operations.push(Operation { id: 8_888, call_ns: end + 3, return_ns: Some(end + 4), ..old });
        let report = checked(&operations);
        prop_assert!(report.violations.iter().any(|finding| finding.rule == "stale-read"), "{report:#?}");
    }
}
