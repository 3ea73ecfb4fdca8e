use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::check::Answer;
use crate::check::stock::Dice;
use crate::check::testing::{lost, operation, violates};
use crate::history::Model;

fn increment(id: u64, span: (u64, u64), by: i64, output: Value) -> Operation {
    operation(id, "increment", span, json!({ "by": by }), output)
}

fn read(id: u64, span: (u64, u64), output: Value) -> Operation {
    operation(id, "read", span, json!({}), output)
}

fn checked(operations: &[Operation]) -> CheckReport {
    check(&Heading::of(Model::Counter), operations)
}

#[test]
fn a_hundred_simultaneous_updates_make_a_hundred_versions() {
    let all = |lose: Option<u64>| -> Vec<Operation> {
        let version = |id: u64| if Some(id) == lose { id } else { id + 1 };
        let updates = (0..100).map(|id| increment(id, (0, 500 + id), 1, json!({"version": version(id)})));
        let at_end = if lose.is_some() { 99 } else { 100 };
        updates.chain([read(100, (1_000, 1_001), json!({"value": at_end, "version": at_end}))]).collect()
    };
    let report = checked(&all(None));
    assert_eq!((report.answer, report.strength), (Answer::Holds, Strength::Witness), "{report:#?}");
    violates(&checked(&all(Some(50))), "lost-update", &[49, 50]);
}

#[test]
fn values_are_an_order_when_all_increments_are_positive() {
    let operations = [
        increment(0, (0, 10), 2, json!({"value": 2})),
        increment(1, (0, 10), 3, json!({"value": 5})),
        read(2, (11, 12), json!({"value": 5})),
    ];
    let report = checked(&operations);
    assert_eq!((report.answer, report.strength), (Answer::Holds, Strength::Witness), "{report:#?}");
    let overwritten = [increment(0, (0, 10), 2, json!({"value": 2})), increment(1, (0, 10), 3, json!({"value": 3}))];
    violates(&checked(&overwritten), "lost-update", &[1, 0]);
    let same = [increment(0, (0, 10), 2, json!({"value": 2})), increment(1, (0, 10), 2, json!({"value": 2}))];
    violates(&checked(&same), "lost-update", &[0, 1]);
}

#[test]
fn without_either_the_last_read_tells() {
    let updates = [increment(0, (0, 10), 2, json!({})), increment(1, (0, 10), 3, json!({}))];
    let with = |value| checked(&[&updates[..], &[read(2, (20, 21), json!({ "value": value }))]].concat());
    assert_eq!((with(5).answer, with(5).strength), (Answer::Holds, Strength::Bounds));
    violates(&with(3), "lost-update", &[2, 1, 0]);
    violates(&with(6), "not-linearizable", &[2, 1, 0]);
    assert_eq!(checked(&updates).doubts[0].rule, "no-quiescent-read");
    let old =
        [&updates[..], &[read(2, (20, 21), json!({"value": 0})), read(3, (30, 31), json!({"value": 5}))]].concat();
    violates(&checked(&old), "stale-read", &[2, 1, 0]);
}

#[test]
fn a_lost_call_is_a_doubt_unless_the_versions_account_for_it() {
    let one = || increment(0, (0, 10), 2, json!({"version": 8, "value": 2}));
    let gone = || lost(increment(1, (5, 6), 7, json!({})));
    let settled = checked(&[
        read(3, (0, 0), json!({"value": 0, "version": 7})),
        one(),
        gone(),
        read(2, (20, 21), json!({"value": 2, "version": 8})),
    ]);
    assert_eq!(settled.violations, vec![]);
    let open = checked(&[one(), gone()]);
    assert_eq!((open.answer, open.indeterminate), (Answer::Unknown, 1));
    assert_eq!(open.could_hide, "increments of together 7 that were lost or counted twice");
}

/// A correct counter under clients that each do one thing at a time; some calls get no answer.
fn history(seed: u64, clients: u64, lost_per_mille: u64, answers: (bool, bool, bool)) -> Vec<Operation> {
    let (with_values, with_versions, is_negative) = answers;
    let mut dice = Dice::new(seed);
    // Call, moment of effect, end, client's order: effects are taken in the order of their moments.
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
    let (mut value, mut version) = (0_i64, 3_i64);
    let mut operations = Vec::new();
    let mut late: Vec<(u64, i64)> = Vec::new();
    let end_ns = calls.iter().map(|call| call.2).max().unwrap() + 1;
    for (id, (at, call, end)) in calls.into_iter().enumerate() {
        let id = id as u64;
        late.retain(|&(due, by)| {
            if due <= at {
                (value, version) = (value + by, version + 1);
            }
            due > at
        });
        let shown = |value: i64, version: i64, is_read: bool| {
            let mut output = serde_json::Map::new();
            if with_values || is_read {
                output.insert("value".into(), json!(value));
            }
            if with_versions {
                output.insert("version".into(), json!(version));
            }
            Value::Object(output)
        };
        if dice.per_mille(300) {
            operations.push(read(id, (call, end), shown(value, version, true)));
            continue;
        }
        let by = if is_negative && dice.per_mille(300) { -1 } else { 1 + dice.below(3) as i64 };
        if dice.per_mille(lost_per_mille) {
            operations.push(lost(increment(id, (call, end), by, json!({}))));
            if dice.per_mille(600) {
                late.push((at + dice.below(1_000), by));
            }
            continue;
        }
        (value, version) = (value + by, version + 1);
        operations.push(increment(id, (call, end), by, shown(value, version, false)));
    }
    let mut output = json!({ "value": value });
    if with_versions {
        output["version"] = json!(version);
    }
    operations.push(read(99_999, (end_ns, end_ns + 1), output));
    operations.sort_by_key(|operation| (operation.call_ns, operation.id));
    operations
}

proptest! {
    #[test]
    fn a_correct_counter_is_never_accused(
        seed in any::<u64>(),
        clients in 1_u64..20,
        lost in prop_oneof![Just(0_u64), 1_u64..200],
        shows in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let report = checked(&history(seed, clients, lost, shows));
        prop_assert_eq!(&report.violations, &vec![]);
        prop_assert!(lost > 0 || report.answer == Answer::Holds, "{:?}", report.doubts);
    }

    #[test]
    fn an_increment_that_is_not_counted_is_a_lost_update(seed in any::<u64>(), clients in 2_u64..20, shows in any::<(bool, bool)>()) {
        let mut operations = history(seed, clients, 0, (shows.0, shows.1, false));
        let spans = (operations[0].call_ns, operations[0].return_ns.unwrap_or(0));
        operations.push(increment(5_555, spans, 2, json!({})));
        // No version, no value: only the read at the end can tell.
        let report = checked(&operations);
        prop_assert!(report.violations.iter().any(|finding| finding.rule == "lost-update"), "{report:#?}");
    }
}
