//! A queue that keeps its jobs is never accused, each loss and excess is named.

use proptest::prelude::*;

use super::*;
use crate::check::Answer;
use crate::check::dice::Dice;
use crate::history::{Fields, Outcome};

fn operation(id: u64, op: &str, input: Fields, end: Option<Fields>) -> Operation {
    Operation {
        id,
        process: id,
        key: "q".into(),
        op: op.into(),
        input,
        call_ns: id * 10,
        return_ns: end.is_some().then_some(id * 10 + 5),
        outcome: if end.is_some() { Outcome::Ok } else { Outcome::Info },
        refused: None,
        output: end.unwrap_or_default(),
        note: String::new(),
        idempotency_key: None,
    }
}

fn job(name: u64) -> Fields {
    Fields::new().with("job", name)
}

fn drained(id: u64, ready: u64, dead: u64) -> Operation {
    let left = Fields::new().with("ready", ready).with("delayed", 0).with("reserved", 0).with("dead", dead);
    operation(id, "drained", Fields::new(), Some(left))
}

/// Enqueues with every end, handled in some order, some twice, some dead; then the drain and the count.
fn history(seed: u64, jobs: u64, exactly_once: bool) -> Vec<Operation> {
    let mut dice = Dice(seed);
    let mut operations = Vec::new();
    let mut counted = Vec::new();
    let mut dead = 0;
    for name in 0..jobs {
        let mut enqueue = operation(name, "enqueue", job(name), Some(Fields::new()));
        let fate = dice.below(10);
        if fate == 0 {
            enqueue.outcome = Outcome::Fail;
        } else if fate < 3 {
            (enqueue.outcome, enqueue.return_ns) = (Outcome::Info, None);
        }
        operations.push(enqueue);
        let times = match dice.below(20) {
            _ if fate == 0 => 0,
            0 => {
                dead += 1;
                0
            }
            1 if !exactly_once => 2,
            2 if fate < 3 => 0,
            _ => 1,
        };
        counted.push((name, times));
    }
    operations.extend([drained(jobs, 0, dead), drained(jobs + 1, 0, dead)]);
    for (name, times) in counted {
        let id = operations.len() as u64;
        operations.push(operation(id, "effect", job(name), Some(Fields::new().with("times", times))));
    }
    operations
}

fn heading(exactly_once: bool) -> Heading {
    let mut heading = Heading::of(Model::Queue);
    heading.settings = Fields::new().with("exactly_once", exactly_once);
    heading
}

fn rules(operations: &[Operation]) -> Vec<String> {
    check(&heading(true), operations).violations.into_iter().map(|finding| finding.rule).collect()
}

/// Three jobs done once each.
fn sound() -> Vec<Operation> {
    let mut operations: Vec<Operation> =
        (0..3).map(|name| operation(name, "enqueue", job(name), Some(Fields::new()))).collect();
    operations.extend([drained(3, 0, 0), drained(4, 0, 0)]);
    operations
        .extend((0..3).map(|name| operation(5 + name, "effect", job(name), Some(Fields::new().with("times", 1)))));
    operations
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_queue_that_keeps_its_jobs_is_never_accused(seed: u64, jobs in 1_u64..60, exactly_once: bool) {
        let report = check(&heading(exactly_once), &history(seed, jobs, exactly_once));
        prop_assert_eq!(report.violation_count, 0, "{:#?}", report.violations);
    }

    #[test]
    fn a_job_lost_made_up_or_done_twice_is_named(at in 0_usize..3, way in 0_u64..3) {
        let mut operations = sound();
        let id = operations[at].id;
        let (rule, by) = match way {
            0 => {
                operations[5 + at].output.set("times", 0);
                ("job-lost", vec![id, id + 5])
            }
            1 => {
                operations[5 + at].output.set("times", 2);
                ("job-twice", vec![id + 5, id])
            }
            _ => {
                operations[at].outcome = Outcome::Fail;
                ("job-unexpected", vec![id + 5, id])
            }
        };
        let report = check(&heading(true), &operations);
        prop_assert_eq!(report.violation_count, 1);
        prop_assert_eq!((report.violations[0].rule.as_str(), &report.violations[0].operations), (rule, &by));
    }
}

#[test]
fn a_dead_job_is_visible_and_one_more_is_lost() {
    let mut operations = sound();
    operations[4] = drained(4, 0, 1);
    operations[5].output.set("times", 0);
    assert_eq!(check(&heading(true), &operations).answer, Answer::Holds);
    operations[6].output.set("times", 0);
    assert_eq!(rules(&operations), ["job-lost", "job-lost"]);
}

#[test]
fn a_queue_that_is_not_empty_at_the_end_has_a_backlog_and_has_lost_nothing_yet() {
    let mut operations = sound();
    operations[4] = drained(4, 1, 0);
    operations[5].output.set("times", 0);
    assert_eq!(rules(&operations), ["backlog-left"]);
    operations.remove(4);
    let report = check(&heading(true), &operations);
    assert_eq!((report.answer, report.doubts[0].rule.as_str()), (Answer::Unknown, "no-quiescent-read"));
}

#[test]
fn what_nobody_counted_is_lost_only_if_the_audit_is_complete() {
    let mut operations = sound();
    operations.remove(5);
    assert_eq!(check(&heading(true), &operations).doubts[0].rule, "no-quiescent-read");
    let mut complete = heading(true);
    complete.settings.set("complete_audit", true);
    let report = check(&complete, &operations);
    assert_eq!((report.violations[0].rule.as_str(), report.violations[0].operations[0]), ("job-lost", 0));
}

#[test]
fn a_job_that_comes_again_late_is_doubted() {
    let mut operations = sound();
    let handled = |id, attempt: u64, at_ns: u64, end: Option<Fields>| {
        let mut one = operation(id, "handled", job(0).with("attempt", attempt), end);
        (one.call_ns, one.return_ns) = (at_ns, one.return_ns.map(|_| at_ns + 1));
        one
    };
    let second_ns = 1_000_000_000;
    let mut heading = heading(true);
    heading.settings.set("redelivery_ms", 1_000).set("expect", serde_json::json!(["redelivery"]));
    assert_eq!(check(&heading, &operations).doubts[0].rule, "never-redelivered");
    operations.push(handled(8, 1, 100, None));
    operations.push(handled(9, 2, 2 * second_ns, Some(Fields::new())));
    assert_eq!(check(&heading, &operations).answer, Answer::Holds);
    operations[9].call_ns = 4 * second_ns;
    let report = check(&heading, &operations);
    assert_eq!((report.doubts[0].rule.as_str(), &report.doubts[0].operations), ("never-redelivered", &vec![9, 8]));
}

#[test]
fn what_cannot_be_read_is_doubted() {
    let mut operations = sound();
    operations[0].input = Fields::new();
    let report = check(&heading(true), &operations);
    assert_eq!((report.answer, report.doubts[0].rule.as_str()), (Answer::Unknown, "bad-field"));
    assert_eq!(check(&heading(true), &[]).answer, Answer::Unknown);
}
