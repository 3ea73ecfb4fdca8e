use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::check::Answer;
use crate::check::stock::Dice;
use crate::check::testing::{lost, operation, refused, violates};
use crate::history::Model;

/// An order of one unit each, answered with these versions.
fn order(id: u64, span: (u64, u64), lines: &[(&str, i64)]) -> Operation {
    let asked: Vec<Value> = lines.iter().map(|(key, _)| json!({"key": key, "units": 1})).collect();
    let made: Vec<Value> = lines.iter().map(|(key, version)| json!({"key": key, "version": version})).collect();
    operation(id, "order", span, json!({ "lines": asked }), json!({ "lines": made }))
}

/// A snapshot: key, version, available.
fn snapshot(id: u64, span: (u64, u64), lines: &[(&str, i64, i64)]) -> Operation {
    let seen: Vec<Value> = lines
        .iter()
        .map(|(key, version, available)| json!({"key": key, "version": version, "available": available}))
        .collect();
    let keys: Vec<&str> = lines.iter().map(|(key, ..)| *key).collect();
    operation(id, "snapshot", span, json!({ "keys": keys }), json!({ "lines": seen }))
}

fn checked(operations: &[Operation]) -> CheckReport {
    check(&Heading::of(Model::Transactions), operations)
}

/// Both rows before anything: version 1, ten units each.
fn begin() -> Operation {
    snapshot(0, (0, 1), &[("x", 1, 10), ("y", 1, 10)])
}

#[test]
fn orders_and_snapshots_in_one_order_hold() {
    let operations = [
        begin(),
        order(1, (10, 20), &[("x", 2), ("y", 2)]),
        order(2, (10, 20), &[("y", 3), ("x", 3)]),
        snapshot(3, (10, 20), &[("x", 2, 9), ("y", 2, 9)]),
        snapshot(4, (30, 31), &[("x", 3, 8), ("y", 3, 8)]),
    ];
    let report = checked(&operations);
    assert_eq!((report.answer, report.strength, report.keys), (Answer::Holds, Strength::Witness, 2), "{report:#?}");
}

#[test]
fn orders_that_overtake_each_other_are_a_write_cycle() {
    let operations = [begin(), order(1, (10, 20), &[("x", 2), ("y", 3)]), order(2, (10, 20), &[("x", 3), ("y", 2)])];
    let report = checked(&operations);
    violates(&report, "write-cycle", &[1, 2]);
    assert!(report.violations[0].what.contains("(G0)"), "{}", report.violations[0].what);
}

#[test]
fn a_snapshot_of_half_an_order_is_a_read_skew() {
    let operations =
        [begin(), order(1, (10, 20), &[("x", 2), ("y", 2)]), snapshot(2, (10, 20), &[("x", 2, 9), ("y", 1, 10)])];
    let report = checked(&operations);
    violates(&report, "read-skew", &[2, 1]);
    insta::assert_snapshot!(report.violations[0].what, @"each of these must come before the next, in a circle (G-single): a snapshot (2) saw `y` at version 1, without what an order (1) made; a snapshot (2) saw version 2 of `x`, or a later one, by an order (1)");
}

#[test]
fn two_snapshots_that_disagree_on_who_came_first_are_a_fork() {
    let operations = [
        begin(),
        order(1, (10, 50), &[("x", 2)]),
        order(2, (10, 50), &[("y", 2)]),
        snapshot(3, (10, 50), &[("x", 2, 9), ("y", 1, 10)]),
        snapshot(4, (10, 50), &[("x", 1, 10), ("y", 2, 9)]),
    ];
    let report = checked(&operations);
    assert_eq!(report.violation_count, 1, "{report:#?}");
    assert!(report.violations[0].what.contains("(G2-item)"), "{}", report.violations[0].what);
    assert_eq!(report.violations[0].operations.len(), 4);
}

#[test]
fn a_version_made_twice_or_by_nobody() {
    let twice = [begin(), order(1, (10, 20), &[("x", 2)]), order(2, (10, 20), &[("x", 2)])];
    violates(&checked(&twice), "lost-update", &[1, 2]);
    let nobody = [begin(), order(1, (10, 20), &[("x", 3), ("y", 2)])];
    violates(&checked(&nobody), "lost-update", &[1, 0]);
    let half = [
        begin(),
        refused(order(2, (5, 30), &[("x", 0), ("y", 0)]), "insufficient"),
        order(1, (10, 20), &[("x", 3), ("y", 2)]),
    ];
    violates(&checked(&half), "dirty-order", &[1, 0, 2]);
}

#[test]
fn an_order_without_an_answer_is_in_all_of_its_rows_or_in_none() {
    let gone = || lost(order(2, (5, 6), &[("x", 0), ("y", 0)]));
    let with = |y: i64| {
        checked(&[
            begin(),
            gone(),
            order(1, (10, 20), &[("x", 3)]),
            snapshot(3, (30, 31), &[("x", 3, 8), ("y", y, 11 - y)]),
        ])
    };
    assert_eq!(with(2).violations, vec![]);
    assert_eq!((with(2).answer, with(2).indeterminate), (Answer::Unknown, 1));
    violates(&with(1), "dirty-order", &[2, 3, 1]);
}

#[test]
fn figures_follow_from_version_to_version() {
    let with = |available: i64| {
        checked(&[begin(), order(1, (10, 20), &[("x", 2)]), snapshot(2, (30, 31), &[("x", 2, available)])])
    };
    assert_eq!(with(9).answer, Answer::Holds);
    violates(&with(10), "lost-update", &[2, 1]);
    violates(&with(8), "units-lost", &[2, 1]);
    violates(&with(-1), "negative-stock", &[2]);
    let mut heading = Heading::of(Model::Transactions);
    heading.settings.set("initial", 1);
    let sold = [order(1, (10, 20), &[("x", 2)]), order(2, (10, 21), &[("x", 3)])];
    violates(&check(&heading, &sold), "oversold", &[2, 1]);
}

#[test]
fn a_refusal_needs_one_row_that_is_short() {
    let asked = |units: i64| {
        let lines = json!({"lines": [{"key": "x", "units": units}, {"key": "y", "units": 1}]});
        refused(operation(2, "order", (10, 20), lines, json!({})), "insufficient")
    };
    assert_eq!(checked(&[begin(), order(1, (15, 30), &[("x", 2)]), asked(10)]).violations, vec![]);
    violates(&checked(&[begin(), order(1, (15, 30), &[("x", 2)]), asked(9)]), "refused-without-cause", &[2]);
}

#[test]
fn an_answer_without_versions_is_a_doubt() {
    let bare = operation(1, "order", (10, 20), json!({"lines": [{"key": "x", "units": 1}]}), json!({"lines": []}));
    let report = checked(&[begin(), bare]);
    assert_eq!((report.answer, report.doubts[0].rule.as_str()), (Answer::Unknown, "no-witness"));
    let broken = operation(1, "order", (10, 20), json!({"lines": 3}), json!({}));
    let report = checked(&[begin(), broken]);
    assert_eq!(
        (report.answer, report.doubts[0].rule.as_str(), report.violation_count),
        (Answer::Unknown, "bad-field", 0)
    );
}

/// A correct store of six rows.
fn history(seed: u64, clients: u64, lost_per_mille: u64, stock: i64) -> Vec<Operation> {
    let mut dice = Dice::new(seed);
    let mut calls: Vec<(u64, u64, u64)> = Vec::new();
    for _ in 0..clients {
        let mut now = 10 + dice.below(300);
        for _ in 0..10 {
            let at = now + dice.below(200);
            let end = at + dice.below(200);
            calls.push((at, now, end));
            now = end + 1 + dice.below(50);
        }
    }
    calls.sort_unstable();
    let mut rows = [(stock, 1_i64); 6];
    let mut late: Vec<(u64, Vec<(usize, i64)>)> = Vec::new();
    let take = |rows: &mut [(i64, i64); 6], lines: &[(usize, i64)]| {
        let is_enough = lines.iter().all(|(row, units)| rows[*row].0 >= *units);
        for (row, units) in lines.iter().filter(|_| is_enough) {
            rows[*row] = (rows[*row].0 - units, rows[*row].1 + 1);
        }
        is_enough
    };
    let shown = |rows: &[(i64, i64); 6], which: &[usize]| -> Value {
        let line = |&row: &usize| json!({"key": format!("r{row}"), "version": rows[row].1, "available": rows[row].0});
        json!({ "lines": which.iter().map(line).collect::<Vec<_>>() })
    };
    let all: Vec<usize> = (0..6).collect();
    let mut operations = vec![operation(0, "snapshot", (0, 1), json!({}), shown(&rows, &all))];
    for (id, (at, call, end)) in calls.into_iter().enumerate() {
        let (id, span) = (id as u64 + 1, (call, end));
        late.retain(|(due, lines)| {
            if *due <= at {
                take(&mut rows, lines);
            }
            *due > at
        });
        let first = dice.below(6) as usize;
        let count = 1 + dice.below(3) as usize;
        let which: Vec<usize> = (0..count).map(|step| (first + step * 2) % 6).collect();
        if dice.per_mille(400) {
            operations.push(operation(id, "snapshot", span, json!({}), shown(&rows, &which)));
            continue;
        }
        let lines: Vec<(usize, i64)> = which.iter().map(|&row| (row, 1 + dice.below(2) as i64)).collect();
        let asked: Vec<Value> =
            lines.iter().map(|(row, units)| json!({"key": format!("r{row}"), "units": units})).collect();
        let asked = json!({ "lines": asked });
        if dice.per_mille(lost_per_mille) {
            operations.push(lost(operation(id, "order", span, asked, json!({}))));
            if dice.per_mille(600) {
                late.push((at + dice.below(1_000), lines));
            }
        } else if take(&mut rows, &lines) {
            operations.push(operation(id, "order", span, asked, shown(&rows, &which)));
        } else {
            operations.push(refused(operation(id, "order", span, asked, json!({})), "insufficient"));
        }
    }
    operations.sort_by_key(|operation| (operation.call_ns, operation.id));
    operations
}

proptest! {
    #[test]
    fn a_correct_store_is_never_accused(
        seed in any::<u64>(),
        clients in 1_u64..20,
        lost in prop_oneof![Just(0_u64), 1_u64..300],
        stock in 1_i64..60,
    ) {
        let report = checked(&history(seed, clients, lost, stock));
        prop_assert_eq!(&report.violations, &vec![]);
        prop_assert!(lost > 0 || (report.answer, report.strength) == (Answer::Holds, Strength::Witness), "{:?}", report.doubts);
    }

    #[test]
    fn a_snapshot_that_lacks_a_part_is_a_read_skew(seed in any::<u64>(), clients in 2_u64..20) {
        let mut operations = history(seed, clients, 0, 500);
        // An order over two rows, and a snapshot during it that shows one of them after it and the other before.
        let end = operations.iter().filter_map(|operation| operation.return_ns).max().unwrap();
        let version = |name: &str| -> i64 {
            let lines = operations.iter().filter_map(|operation| operation.output.get("lines")?.as_array());
            let seen = lines.flatten().filter(|line| line["key"] == name).filter_map(|line| line["version"].as_i64());
            seen.max().unwrap()
        };
        let (one, other) = (version("r0"), version("r1"));
        operations.push(order(7_777, (end + 1, end + 100), &[("r0", one + 1), ("r1", other + 1)]));
        let keys = json!({"lines": [{"key": "r0", "version": one + 1}, {"key": "r1", "version": other}]});
        operations.push(operation(8_888, "snapshot", (end + 2, end + 90), json!({}), keys));
        let report = checked(&operations);
        violates(&report, "read-skew", &[8_888, 7_777]);
    }
}
