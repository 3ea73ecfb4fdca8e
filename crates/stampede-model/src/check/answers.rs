//! What no answer may be, whatever the model: a 500. A server that met a condition it did not expect is wrong by its own word; a
//! deadlock that it reports is one of the ways.
//!
//! Other failures (502, 503, 504) may be honest: busy, going down, coming up. Setting: `server_errors = "expected"` where somebody
//! breaks the system meanwhile.

use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{Heading, Operation};

/// The name of this tier.
const NAME: &str = "answers";
/// A server's word for its own failure.
const INTERNAL: i64 = 500;

/// Judges each answer by itself; `None` when there is nothing to say.
pub(super) fn check(heading: &Heading, operations: &[Operation]) -> Option<CheckReport> {
    if heading.settings.text("server_errors").ok().flatten().as_deref() == Some("expected") {
        return None;
    }
    let mut findings = Findings::default();
    for operation in operations {
        if operation.output.integer("status").ok().flatten() != Some(INTERNAL) {
            continue;
        }
        let error = operation.output.text("error").ok().flatten().unwrap_or_default();
        let is_deadlock = error.to_ascii_lowercase().contains("deadlock");
        let rule = if is_deadlock { "deadlock" } else { "server-error" };
        let what = format!("operation {} ({}) was answered 500: {error}", operation.id, operation.op);
        findings.violation(
            Finding::new(rule, &operation.key, what).by([operation.id]).allowed("an answer that says what happened"),
        );
    }
    let report = findings.conclude(NAME, Strength::Rules, operations.len() as u64, 1);
    (!report.violations.is_empty()).then_some(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Answer;
    use crate::history::{FORMAT, Fields, Model, Outcome, VERSION};

    fn heading(settings: Fields) -> Heading {
        Heading {
            history: FORMAT.to_owned(),
            version: VERSION,
            model: Model::Stock,
            workload: String::new(),
            seed: 0,
            started_unix_ns: 0,
            settings,
        }
    }

    fn answered(status: Option<u16>, error: &str) -> Operation {
        let mut output = Fields::new();
        if let Some(status) = status {
            output.set("status", status);
            output.set("error", error);
        }
        Operation {
            id: 3,
            process: 0,
            key: "k".to_owned(),
            op: "order".to_owned(),
            input: Fields::new(),
            call_ns: 1,
            return_ns: Some(2),
            outcome: Outcome::Info,
            refused: None,
            output,
            note: String::new(),
            idempotency_key: None,
        }
    }

    #[test]
    fn a_500_is_a_violation_unless_it_is_expected() {
        let quiet = heading(Fields::new());
        assert_eq!(check(&quiet, &[answered(None, ""), answered(Some(503), "busy")]), None);
        let rule = |error| {
            let report = check(&quiet, &[answered(Some(500), error)])?;
            Some((report.answer, report.violations[0].rule.clone()))
        };
        assert_eq!(rule("oops"), Some((Answer::Violated, "server-error".to_owned())));
        assert_eq!(rule("ERROR: Deadlock detected"), Some((Answer::Violated, "deadlock".to_owned())));
        let broken = heading(Fields::new().with("server_errors", "expected"));
        assert_eq!(check(&broken, &[answered(Some(500), "oops")]), None);
    }
}
