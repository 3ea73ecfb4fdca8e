//! Operations for the tests of several checkers.

use serde_json::Value;

use super::{Answer, CheckReport};
use crate::history::{Fields, Operation, Outcome};

/// `op` on the key `k`, answered.
pub(crate) fn operation(id: u64, op: &str, span: (u64, u64), input: Value, output: Value) -> Operation {
    let fields = |value: Value| -> Fields { serde_json::from_value(value).unwrap() };
    Operation {
        id,
        process: id,
        key: "k".into(),
        op: op.into(),
        input: fields(input),
        call_ns: span.0,
        return_ns: Some(span.1),
        outcome: Outcome::Ok,
        refused: None,
        output: fields(output),
        note: String::new(),
        idempotency_key: None,
    }
}

/// The same, refused.
pub(crate) fn refused(mut operation: Operation, word: &str) -> Operation {
    operation.outcome = Outcome::Fail;
    operation.refused = Some(word.into());
    operation
}

/// The same, without an answer.
pub(crate) fn lost(mut operation: Operation) -> Operation {
    operation.outcome = Outcome::Info;
    operation.return_ns = None;
    operation.output = Fields::new();
    operation
}

/// That the report has a violation of `rule` by exactly these operations.
#[track_caller]
pub(crate) fn violates(report: &CheckReport, rule: &str, operations: &[u64]) {
    assert_eq!(report.answer, Answer::Violated, "{report:#?}");
    let mut of_rule = report.violations.iter().filter(|finding| finding.rule == rule);
    assert!(
        of_rule.any(|finding| finding.operations == operations),
        "no {rule} by {operations:?}: {:#?}",
        report.violations
    );
}
