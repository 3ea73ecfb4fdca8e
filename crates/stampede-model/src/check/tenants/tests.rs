//! Separate tenants hold, each way through the wall is named.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::check::Answer;
use crate::check::dice::Dice;
use crate::history::{Fields, Outcome};

fn operation(id: u64, tenant: &str, op: &str, input: Fields, end: Result<Fields, Option<&str>>) -> Operation {
    Operation {
        id,
        process: id,
        key: tenant.into(),
        op: op.into(),
        input,
        call_ns: id,
        return_ns: Some(id + 5),
        outcome: if end.is_ok() { Outcome::Ok } else { Outcome::Fail },
        refused: end.as_ref().err().and_then(|word| word.map(str::to_owned)),
        output: end.unwrap_or_default(),
        note: String::new(),
        idempotency_key: None,
    }
}

fn see(id: u64, tenant: &str, canaries: &[String]) -> Operation {
    operation(
        id,
        tenant,
        "see",
        Fields::new().with("route", "/orders"),
        Ok(Fields::new().with("canaries", json!(canaries))),
    )
}

fn foreign(id: u64, tenant: &str, owner: &str, end: Result<Fields, Option<&str>>) -> Operation {
    operation(id, tenant, "foreign", Fields::new().with("route", "/orders/1").with("owner", owner), end)
}

/// Tenants whose names begin alike, who see their own and try each other's.
fn separate(seed: u64, tries: u64) -> Vec<Operation> {
    let mut dice = Dice(seed);
    let tenants = ["acme", "acme-2", "b"];
    let mut operations = Vec::new();
    for id in 0..tries {
        let me = tenants[(id % 3) as usize];
        let other = tenants[((id + 1 + dice.below(2)) % 3) as usize];
        let one = match dice.below(4) {
            0 | 1 => see(id, me, &[format!("cnry-{me}-{}", dice.below(99)), format!("cnry-{me}-x{id}")]),
            2 => foreign(id, me, other, Err(Some("absent"))),
            _ => foreign(id, me, other, Err(None)),
        };
        operations.push(one);
    }
    operations
}

fn report(operations: &[Operation]) -> CheckReport {
    check(&Heading::of(Model::Tenants), operations)
}

fn violation(operations: &[Operation]) -> (String, Vec<u64>) {
    let report = report(operations);
    assert_eq!(report.violation_count, 1, "{report:#?}");
    (report.violations[0].rule.clone(), report.violations[0].operations.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn separate_tenants_are_never_accused_and_each_leak_is_named(seed: u64, at in 0_usize..300, way in 0_u64..4) {
        let mut operations = separate(seed, 300);
        let before = report(&operations);
        prop_assert_eq!(before.answer, Answer::Holds, "{:#?}", before);
        let id = at as u64;
        let me = operations[at].key.clone();
        let other = if me == "b" { "acme" } else { "b" };
        let (planted, rule) = match way {
            0 => (see(id, &me, &[format!("cnry-{other}-7")]), "tenant-leak"),
            1 => (foreign(id, &me, other, Ok(Fields::new())), "foreign-id-accepted"),
            2 => {
                let mut shown = foreign(id, &me, other, Err(Some("absent")));
                shown.output.set("shows", true);
                (shown, "tenant-leak")
            }
            _ => {
                let mut failed = foreign(id, &me, other, Err(None));
                failed.output.set("canaries", json!([format!("cnry-{other}-7")]));
                (failed, "tenant-leak")
            }
        };
        operations[at] = planted;
        prop_assert_eq!(violation(&operations), (rule.to_owned(), vec![id]));
    }
}

#[test]
fn a_name_that_begins_like_another_is_not_taken_for_it() {
    let mut operations = separate(1, 100);
    operations.push(see(100, "acme", &["cnry-acme-2-77".into()]));
    let unclear = report(&operations);
    assert_eq!((unclear.answer, unclear.doubts[0].rule.as_str()), (Answer::Unknown, "indeterminate"));
    operations[100].key = "acme-2".into();
    assert_eq!(report(&operations).answer, Answer::Holds);
    operations[100].key = "b".into();
    assert_eq!(violation(&operations), ("tenant-leak".into(), vec![100]));
}

#[test]
fn what_was_not_tried_is_doubted() {
    let operations = separate(1, 100);
    let without_tries: Vec<Operation> = operations.iter().filter(|one| one.op == "see").cloned().collect();
    let report_of = |operations: &[Operation]| {
        let report = report(operations);
        assert_eq!(report.answer, Answer::Unknown);
        report.doubts[0].rule.clone()
    };
    assert_eq!(report_of(&without_tries), "too-few-operations");
    let alone: Vec<Operation> = operations.iter().filter(|one| one.op == "see" && one.key == "b").cloned().collect();
    assert_eq!(report_of(&alone), "too-few-operations");
    let mut told = operations.clone();
    told.push(foreign(100, "b", "acme", Err(Some("forbidden"))));
    assert_eq!(report_of(&told), "not-as-absent");
    let mut garbled = operations;
    garbled[0].output.set("canaries", "all of them");
    assert_eq!(report_of(&garbled), "bad-field");
}

#[test]
fn answers_that_change_with_the_load_of_others_are_interference() {
    let script = |id, op: &str, digest: &str| {
        operation(id, "b", op, Fields::new().with("script", "s"), Ok(Fields::new().with("digest", digest)))
    };
    let mut operations = separate(1, 100);
    operations.push(script(100, "baseline", "d1"));
    assert_eq!(report(&operations).answer, Answer::Unknown);
    operations.push(script(101, "loaded", "d1"));
    assert_eq!(report(&operations).answer, Answer::Holds);
    // A script that did not end well is doubted, unless somebody breaks the system meanwhile.
    let mut unanswered = operations.clone();
    unanswered.push(operation(102, "b", "loaded", Fields::new().with("script", "s"), Err(None)));
    assert_eq!(report(&unanswered).answer, Answer::Unknown);
    let mut broken = Heading::of(Model::Tenants);
    broken.settings.set("unanswered", "expected");
    assert_eq!(check(&broken, &unanswered).answer, Answer::Holds);
    operations.push(script(102, "loaded", "d2"));
    assert_eq!(violation(&operations), ("interference".into(), vec![102, 100]));
    operations.push(script(103, "baseline", "d3"));
    assert_eq!(report(&operations).doubts[0].rule, "indeterminate");
}
