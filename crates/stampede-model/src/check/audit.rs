//! What a target said of its own soundness at the end: sums, invariants, rows that contradict each other.
//!
//! An audit is a request of the target file; its refusal means "not sound". It says nothing of when or why, and so proves nothing
//! when it is content: the strength is that of the other checks.

use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{Operation, Outcome};

/// The word for an audit in a history of any model.
pub const AUDIT: &str = "audit";

/// Judges the audits of a history; `None` without any.
pub(super) fn check(audits: &[&Operation]) -> Option<CheckReport> {
    if audits.is_empty() {
        return None;
    }
    let mut findings = Findings::default();
    for audit in audits {
        let name = audit.input.text("audit").ok().flatten().unwrap_or_default();
        match audit.outcome {
            Outcome::Ok => {}
            Outcome::Fail if audit.is_refused() => {
                let answer = audit.output.text("answer").ok().flatten().unwrap_or_default();
                let what = format!("the audit `{name}` found the system not sound: {answer}");
                findings
                    .violation(Finding::new("audit-failed", "", what).by([audit.id]).allowed("nothing to be found"));
            }
            Outcome::Fail | Outcome::Info => {
                let what = format!("the audit `{name}` was not answered: {}", audit.note);
                findings.doubt(Finding::new("audit-unanswered", "", what).by([audit.id]));
            }
        }
    }
    Some(findings.conclude(AUDIT, Strength::Rules, audits.len() as u64, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Answer;
    use crate::history::Fields;

    fn audit(outcome: Outcome, refused: Option<&str>) -> Operation {
        Operation {
            id: 7,
            process: 0,
            key: String::new(),
            op: AUDIT.to_owned(),
            input: Fields::new().with("audit", "sums"),
            call_ns: 1,
            return_ns: Some(2),
            outcome,
            refused: refused.map(str::to_owned),
            output: Fields::new().with("answer", "row 3"),
            note: "503".to_owned(),
            idempotency_key: None,
        }
    }

    #[test]
    fn a_refusal_is_a_violation_and_silence_a_doubt() {
        assert_eq!(check(&[]), None);
        let judge = |one: Operation| check(&[&one]).unwrap();
        assert_eq!(judge(audit(Outcome::Ok, None)).answer, Answer::Holds);
        let report = judge(audit(Outcome::Fail, Some("unsound")));
        assert_eq!((report.answer, report.violations[0].rule.as_str()), (Answer::Violated, "audit-failed"));
        assert!(report.violations[0].what.contains("`sums`") && report.violations[0].what.contains("row 3"));
        for outcome in [Outcome::Info, Outcome::Fail] {
            assert_eq!(judge(audit(outcome, None)).answer, Answer::Unknown);
        }
    }
}
