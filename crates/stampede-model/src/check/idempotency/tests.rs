//! A key that creates once is never accused, each way to create twice is named.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::check::Answer;
use crate::check::dice::Dice;
use crate::history::{Fields, Outcome};

/// A right server: the first request to be decided creates, later ones get its answer or a conflict.
fn history(seed: u64, keys: u64, tries: u64) -> Vec<Operation> {
    let mut dice = Dice(seed);
    let mut operations = Vec::new();
    for key in 0..keys {
        let mut calls: Vec<(u64, u64, u64)> = (0..=dice.below(tries))
            .map(|_| {
                let call = dice.below(1_000);
                let decided = call + dice.below(200);
                (decided, call, decided + dice.below(200))
            })
            .collect();
        calls.sort_unstable();
        let mut made: Option<(u64, String)> = None;
        for (number, (_, call, end)) in calls.into_iter().enumerate() {
            let body = if dice.percent(80) { 0 } else { dice.below(3) };
            let fate = dice.below(20);
            let mut one = operation(operations.len() as u64, key, "create", (call, Some(end)));
            one.input = Fields::new().with("body", format!("b{body}"));
            if fate == 0 {
                // It never arrived, and that was seen.
                one.outcome = Outcome::Fail;
            } else if fate == 1 {
                (one.outcome, one.return_ns) = (Outcome::Info, None);
            } else {
                let (owner, id) = made.get_or_insert_with(|| (body, format!("o{key}-{number}"))).clone();
                let is_conflict = owner != body;
                one.output = Fields::new().with("id", id.clone()).with("body", format!("answer-{id}"));
                one.outcome = if is_conflict { Outcome::Fail } else { Outcome::Ok };
                one.refused = is_conflict.then(|| "conflict".into());
                if fate == 2 {
                    (one.outcome, one.return_ns, one.refused, one.output) = (Outcome::Info, None, None, Fields::new());
                }
            }
            operations.push(one);
        }
        let ids: Vec<String> = made.iter().map(|(_, id)| id.clone()).collect();
        let mut found = operation(operations.len() as u64, key, "find", (5_000, Some(5_001)));
        found.output = Fields::new().with("ids", json!(ids));
        operations.push(found);
        let mut effect = operation(operations.len() as u64, key, "effect", (5_000, Some(5_001)));
        effect.output = Fields::new().with("units", ids.len());
        operations.push(effect);
    }
    operations.sort_by_key(|operation| (operation.call_ns, operation.id));
    operations
}

fn operation(id: u64, key: u64, op: &str, (call_ns, return_ns): (u64, Option<u64>)) -> Operation {
    Operation {
        id,
        process: id,
        key: format!("k{key}"),
        op: op.into(),
        input: Fields::new(),
        call_ns,
        return_ns,
        outcome: Outcome::Ok,
        refused: None,
        output: Fields::new(),
        note: String::new(),
        idempotency_key: None,
    }
}

fn report(operations: &[Operation]) -> CheckReport {
    check(&Heading::of(Model::Idempotency), operations)
}

fn rules(operations: &[Operation]) -> Vec<String> {
    report(operations).violations.into_iter().map(|finding| finding.rule).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_right_server_is_never_accused(seed: u64, keys in 1_u64..6, tries in 1_u64..9) {
        let report = report(&history(seed, keys, tries));
        prop_assert_eq!(report.violation_count, 0, "{:#?}", report.violations);
    }

    /// Whatever is changed in a right history is named by its rule.
    #[test]
    fn each_fault_is_named(seed: u64, way in 0_u64..6, body in 1_u64..3) {
        let mut operations = history(seed, 3, 8);
        let Some(at) = operations.iter().position(|one| one.op == "create" && one.outcome == Outcome::Ok) else { return Ok(()) };
        let key = operations[at].key.clone();
        let last = operations.len() as u64;
        let of = |op: &str| operations.iter().position(|one| one.op == op && one.key == key).unwrap();
        let mut again = operations[at].clone();
        (again.id, again.call_ns, again.return_ns) = (last, 4_000, Some(4_001));
        let rule = match way {
            0 => {
                again.output.set("id", "another");
                operations.push(again);
                "created-twice"
            }
            1 => {
                again.output.set("body", "another");
                operations.push(again);
                "replay-differs"
            }
            2 => {
                again.input.set("body", format!("other-{body}"));
                operations.push(again);
                "body-not-checked"
            }
            3 => {
                let found = of("find");
                operations[found].output.set("ids", json!([]));
                "lost-update"
            }
            4 => {
                let found = of("find");
                let id = operations[at].output.text("id").unwrap();
                operations[found].output.set("ids", json!([id, "another"]));
                "created-twice"
            }
            _ => {
                let effect = of("effect");
                operations[effect].output.set("units", 2);
                "effect-twice"
            }
        };
        prop_assert!(rules(&operations).iter().any(|found| found == rule), "{}: {:?}", rule, rules(&operations));
    }
}

#[test]
fn a_conflict_needs_another_body_or_a_request_under_way() {
    let create = |id, at, end, refused: Option<&str>| {
        let mut one = operation(id, 0, "create", (at, Some(end)));
        one.input = Fields::new().with("body", "b");
        one.outcome = if refused.is_some() { Outcome::Fail } else { Outcome::Ok };
        one.refused = refused.map(str::to_owned);
        one.output = Fields::new().with("id", "o");
        one
    };
    let beside = [create(0, 0, 10, None), create(1, 5, 8, Some("conflict"))];
    assert_eq!(report(&beside).answer, Answer::Holds);
    let after = [create(0, 0, 10, None), create(1, 15, 18, Some("conflict"))];
    assert_eq!(rules(&after), ["refused-without-cause"]);
    assert_eq!(report(&after).violations[0].operations, [1, 0]);
    let mut unclear = after.clone();
    (unclear[0].outcome, unclear[0].return_ns) = (Outcome::Info, None);
    let report_of = report(&unclear);
    assert_eq!((report_of.answer, report_of.doubts[0].rule.as_str()), (Answer::Unknown, "no-quiescent-read"));
}

#[test]
fn what_failed_has_made_nothing_and_single_use_proves_nothing() {
    let mut failed = operation(0, 0, "create", (0, Some(1)));
    failed.outcome = Outcome::Fail;
    let mut found = operation(1, 0, "find", (10, Some(11)));
    found.output = Fields::new().with("ids", json!(["o"]));
    assert_eq!(rules(&[failed, found]), ["created-twice"]);
    let mut single = operation(0, 0, "create", (0, Some(1)));
    single.output = Fields::new().with("id", "o");
    assert_eq!(report(&[single.clone()]).doubts[0].rule, "too-few-operations");
    single.output = Fields::new();
    assert_eq!(report(&[single]).doubts[0].rule, "bad-field");
}
