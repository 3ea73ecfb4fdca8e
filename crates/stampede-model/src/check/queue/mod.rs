//! Jobs that take effect at least once: nothing acknowledged is lost, nothing takes effect that nobody enqueued, and at the end
//! nothing is left over.
//!
//! Sums at the end, no order: what was acknowledged less what took effect after the drain must be empty, and the other way round.
//! With every job looked up after an empty queue, without a dead one, the jobs' names decide all of it: a witness.
//! Invariants: an enqueue without an answer may or may not have happened; a dead job is visible and so not lost, but which jobs are
//! dead is not told, so as many may be missing as are dead.
//! Absent on purpose: first in, first out. Workers side by side keep no order.
//!
//! Settings: `exactly_once` (false: a job may take effect more often), `redelivery_ms` (when a job whose worker died comes again),
//! `margin_ms` (2000: how late that may be), `complete_audit` (false: every effect is in the history, so one that is not there did
//! not happen), `expect` (`redelivery`, nothing if it does not say).

mod effects;
mod op;
mod redelivery;
#[cfg(test)]
mod tests;

use super::reading::{bad_setting, count, gather, ms, texts};
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{BadField, Heading, Model, Operation};

use op::QueueKey;

/// How much later than announced a job may come again.
const MARGIN_MS: u64 = 2_000;

/// What the history says of its queues.
struct Rules {
    exactly_once: bool,
    redelivery_ns: Option<u64>,
    margin_ns: u64,
    complete_audit: bool,
    expect_redelivery: bool,
}

impl Rules {
    fn of(heading: &Heading) -> Result<Self, BadField> {
        const REDELIVERY: &str = "redelivery";
        let settings = &heading.settings;
        let expect = texts(settings, "expect")?.unwrap_or_default();
        if let Some(word) = expect.iter().find(|word| *word != REDELIVERY) {
            let wanted = "a list of `redelivery`";
            return Err(BadField::Type { name: "expect".to_owned(), found: word.clone(), wanted });
        }
        Ok(Self {
            exactly_once: settings.truth("exactly_once")?.unwrap_or(false),
            redelivery_ns: count(settings, "redelivery_ms")?.map(ms),
            margin_ns: ms(count(settings, "margin_ms")?.unwrap_or(MARGIN_MS)),
            complete_audit: settings.truth("complete_audit")?.unwrap_or(false),
            expect_redelivery: !expect.is_empty(),
        })
    }
}

/// Judges a history of queues.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let name = Model::Queue.as_str();
    let mut findings = Findings::default();
    let rules = match Rules::of(heading) {
        Ok(rules) => rules,
        Err(error) => {
            findings.doubt(bad_setting(&error));
            return findings.conclude(name, Strength::Nothing, operations.len() as u64, 0);
        }
    };
    let gathered = gather(operations, QueueKey::new, QueueKey::add, &mut findings);
    let (mut comes_again, mut strength) = (false, Strength::Witness);
    for queue in &gathered.keys {
        let drained = effects::drain(queue, &mut findings);
        effects::check(queue, &drained, &rules, &mut findings);
        if !drained.is_empty() {
            strength = Strength::Rules;
        }
        comes_again |= redelivery::check(queue, &rules, &mut findings);
    }
    if !gathered.keys.iter().any(QueueKey::has_acknowledged) {
        findings.doubt(Finding::new("too-few-operations", "", "no job was acknowledged"));
    }
    if rules.expect_redelivery && !comes_again {
        findings.doubt(Finding::new(
            "never-redelivered",
            "",
            "no job came a second time: nothing was seen to be given again",
        ));
    }
    findings
        .conclude(name, strength, gathered.operations, gathered.all_keys)
        .with_indeterminate(gathered.unknown, "a job whose enqueue got no answer may be absent without being lost")
}
