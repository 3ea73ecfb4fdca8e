//! A whole history judged: each tier that fits its model, cheapest first, and one verdict from all of them.
//!
//! The cheap tiers always run. The search runs where they could neither prove the answers by a witness nor decide them exactly: it
//! is dear, and after either it has nothing to add.
//! Invariants: a violation of any tier is a violation; a doubt that only says "this tier saw too little" is lifted by a tier that saw
//! more, every other doubt stays; a run that never met the trouble it is about is unknown.

use super::counterexample::{Counterexample, explain};
use super::search::Budget;
use super::{AUDIT, answers, audit, sometimes, stock, tenants, transactions};
use super::{
    Answer, CheckReport, Finding, Strength, WorkloadVerdict, counter, exact, idempotency, limit, lock, queue, register,
};
use crate::history::{Heading, History, Model, Operation, Outcome};

/// Doubts that say how far a tier can see, not that something is amiss.
const LIFTED_BY_SEARCH: [&str; 2] = ["no-witness", "no-quiescent-read"];
/// How often a history is judged anew to make a counterexample smaller.
const SHRINKS: u32 = 200;

/// Judges a history by every tier of its model.
pub fn judge(history: &History, budget: Budget) -> WorkloadVerdict {
    let heading = &history.heading;
    let audits: Vec<&Operation> = history.operations.iter().filter(|operation| operation.op == AUDIT).collect();
    // A history without audits, which may hold a million operations, is judged where it lies.
    let without: Vec<Operation>;
    let operations = if audits.is_empty() {
        history.operations.as_slice()
    } else {
        without = history.operations.iter().filter(|operation| operation.op != AUDIT).cloned().collect();
        without.as_slice()
    };
    let mut reports = tiers(heading, operations);
    if !is_decided(&reports) && has_search(heading.model) {
        reports.push(exact::check(heading, operations, budget));
    }
    reports.extend(sometimes::check(heading, operations));
    reports.extend(answers::check(heading, operations));
    reports.extend(audit::check(&audits));
    let (answer, strength) = combined(&reports);
    WorkloadVerdict {
        id: if heading.workload.is_empty() { heading.model.to_string() } else { heading.workload.clone() },
        model: heading.model,
        answer,
        strength,
        operations: operations.len() as u64,
        unresolved: operations.iter().filter(|operation| operation.outcome == Outcome::Info).count() as u64,
        unanswered_reads: 0,
        resolved: 0,
        skew_us: 0,
        counterexamples: smallest(heading, operations, &reports, budget),
        reports,
        history: None,
        elapsed_ms: 0,
    }
}

/// What needs no search.
fn tiers(heading: &Heading, operations: &[Operation]) -> Vec<CheckReport> {
    vec![match heading.model {
        Model::Stock => stock::check(heading, operations),
        Model::Lock => lock::check(heading, operations),
        Model::Register => register::check(heading, operations),
        Model::Counter => counter::check(heading, operations),
        Model::RateLimit => limit::check(heading, operations),
        Model::Tenants => tenants::check(heading, operations),
        Model::Idempotency => idempotency::check(heading, operations),
        Model::Queue => queue::check(heading, operations),
        Model::Transactions => transactions::check(heading, operations),
    }]
}

/// Whether a search could say more. A lock with a lease is no mutex: its holder loses it by the clock.
fn has_search(model: Model) -> bool {
    matches!(model, Model::Stock | Model::Register | Model::Counter)
}

fn is_decided(reports: &[CheckReport]) -> bool {
    reports.iter().any(|report| report.answer == Answer::Violated || report.strength >= Strength::Exact)
}

/// One answer from all tiers.
fn combined(reports: &[CheckReport]) -> (Answer, Strength) {
    if let Some(violated) = reports.iter().find(|report| report.answer == Answer::Violated) {
        return (Answer::Violated, violated.strength);
    }
    let best = reports.iter().filter(|report| report.answer == Answer::Holds).map(|report| report.strength).max();
    let Some(best) = best else { return (Answer::Unknown, Strength::Nothing) };
    let is_lifted = |finding: &Finding| best >= Strength::Exact && LIFTED_BY_SEARCH.contains(&finding.rule.as_str());
    // What a search could not finish takes nothing from what the cheaper tiers proved.
    let stays =
        |report: &CheckReport| report.check != exact::NAME || report.doubts.iter().any(|doubt| doubt.rule != "budget");
    let is_open = reports
        .iter()
        .filter(|report| stays(report))
        .any(|report| report.doubt_count > report.doubts.len() as u64 || !report.doubts.iter().all(is_lifted));
    if is_open { (Answer::Unknown, Strength::Nothing) } else { (Answer::Holds, best) }
}

/// The first violation of each rule, made small enough to be read.
fn smallest(
    heading: &Heading,
    operations: &[Operation],
    reports: &[CheckReport],
    budget: Budget,
) -> Vec<Counterexample> {
    let is_searched = reports.iter().any(|report| report.check == exact::NAME && report.answer == Answer::Violated);
    let mut again = |operations: &[Operation]| {
        let mut reports = tiers(heading, operations);
        if is_searched {
            reports.push(exact::check(heading, operations, budget));
        }
        reports.into_iter().flat_map(|report| report.violations).collect()
    };
    let violations = reports.iter().flat_map(|report| &report.violations);
    explain(operations, violations, &mut again, SHRINKS)
}
