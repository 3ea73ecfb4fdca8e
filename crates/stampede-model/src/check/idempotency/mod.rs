//! A key of idempotency creates one thing: every answer names it, a replay is the first answer again, another body is refused, and
//! what is found afterwards is one thing with one effect.
//!
//! The object is a register that is written once. Which of several simultaneous requests wrote it does not matter, so no order is
//! searched: whatever was answered, one thing and one body must explain all of it.
//! Invariants: a creation without an answer may have happened or not, so nothing or one may be found; a creation that surely failed
//! has made nothing.
//! Absent on purpose: keys that run out. A key used again after its life would be another key.
//!
//! Settings: `units` (1): the effect of one creation whose input does not say.

mod audit;
mod op;
#[cfg(test)]
mod tests;

use super::reading::{End, bad_setting, gather};
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{Heading, Model, Operation};

use op::{Creation, IdempotencyKey};

/// Judges a history of creations.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let name = Model::Idempotency.as_str();
    let mut findings = Findings::default();
    let units = match heading.settings.integer("units") {
        Ok(units) => units.unwrap_or(1),
        Err(error) => {
            findings.doubt(bad_setting(&error));
            return findings.conclude(name, Strength::Nothing, operations.len() as u64, 0);
        }
    };
    let gathered = gather(operations, IdempotencyKey::new, |key, operation| key.add(operation, units), &mut findings);
    for key in &gathered.keys {
        check_ids(key, &mut findings);
        check_bodies(key, &mut findings);
        check_replays(key, &mut findings);
        check_refused(key, &mut findings);
        audit::check(key, &mut findings);
    }
    if !gathered.keys.iter().any(|key| key.creations.iter().filter(|one| one.end != End::Nothing).count() > 1) {
        findings.doubt(Finding::new("too-few-operations", "", "no key was used twice"));
    }
    let is_audited = gathered.keys.iter().all(is_audited);
    let strength = if is_audited { Strength::Witness } else { Strength::Rules };
    findings.conclude(name, strength, gathered.operations, gathered.all_keys).with_indeterminate(
        gathered.unknown,
        "each creation without an answer may have happened, once, unless what exists was looked up afterwards",
    )
}

/// Whether what exists was looked up after everything else, and nothing can have come later: the ids then decide all of it.
fn is_audited(key: &IdempotencyKey<'_>) -> bool {
    let last = key.creations.iter().map(|one| one.span.end).max().unwrap_or(0);
    key.found.iter().any(|found| found.span.call > last) && key.creations.iter().all(|one| one.end != End::Unknown)
}

fn done<'a>(key: &'a IdempotencyKey<'_>) -> impl Iterator<Item = &'a Creation> {
    key.creations.iter().filter(|one| one.end == End::Done)
}

fn check_ids(key: &IdempotencyKey<'_>, findings: &mut Findings) {
    let Some(first) = done(key).next() else { return };
    for other in done(key).filter(|other| other.made != first.made) {
        let what = format!(
            "operations {} and {} were answered with two things for one key: `{}` and `{}`",
            first.span.id,
            other.span.id,
            first.made.as_deref().unwrap_or_default(),
            other.made.as_deref().unwrap_or_default()
        );
        findings.violation(
            Finding::new("created-twice", key.key, what)
                .by([other.span.id, first.span.id])
                .allowed("one thing, however often and from wherever it is asked for"),
        );
    }
}

/// Two bodies under one key: at most one can have created.
fn check_bodies(key: &IdempotencyKey<'_>, findings: &mut Findings) {
    let Some(first) = done(key).next() else { return };
    for other in done(key).filter(|other| other.body.is_some() && first.body.is_some() && other.body != first.body) {
        let what = format!(
            "operations {} and {} sent different bodies under one key, both were accepted",
            first.span.id, other.span.id
        );
        findings.violation(
            Finding::new("body-not-checked", key.key, what)
                .by([other.span.id, first.span.id])
                .allowed("a refusal of the one that came second"),
        );
    }
}

fn check_replays(key: &IdempotencyKey<'_>, findings: &mut Findings) {
    let mut told = done(key).filter(|one| one.answer.is_some());
    let Some(first) = told.next() else { return };
    for other in told.filter(|other| other.answer != first.answer && other.made == first.made) {
        let what = format!("operations {} and {} were answered differently for one key", first.span.id, other.span.id);
        findings.violation(
            Finding::new("replay-differs", key.key, what)
                .by([other.span.id, first.span.id])
                .allowed("the first answer again, byte by byte"),
        );
    }
}

/// A conflict needs another body, or a request of the key that may be under way.
fn check_refused(key: &IdempotencyKey<'_>, findings: &mut Findings) {
    for (place, refused) in key.creations.iter().enumerate().filter(|(_, one)| one.end == End::Refused) {
        let excuses = |other: &Creation| {
            let is_over = other.span.end < refused.span.call && matches!(other.end, End::Done | End::Refused);
            other.span.call <= refused.span.end
                && (!is_over || other.body != refused.body || other.body.is_none() || refused.body.is_none())
        };
        let is_excused = key.creations.iter().enumerate().any(|(at, other)| at != place && excuses(other));
        if !is_excused {
            let what = format!(
                "operation {} was refused as in conflict although no other body had come under its key and nothing was under way",
                refused.span.id
            );
            let before = done(key).next().filter(|first| first.span.end < refused.span.call).map(|first| first.span.id);
            findings.violation(
                Finding::new("refused-without-cause", key.key, what)
                    .by([refused.span.id].into_iter().chain(before))
                    .allowed("a creation, or its first answer again"),
            );
        }
    }
}
