//! A lock with a lease and a fencing number: never two holders, fences that rise, strangers refused, the free lock granted.
//!
//! A holder *must* hold from the answer of his acquire until he sends the release or the lease counted from his call has run out;
//! he *may* hold from his call until the release is answered or the lease counted from the answer has run out. Two that must hold
//! together were granted twice; an acquire refused while nobody may hold was refused without cause.
//! Invariants: the lock was free when the history began; a lease runs on the server's clock, which is at most `drift_ppm` off;
//! an acquire or release without an answer proves nobody's holding and excuses everybody's waiting.
//! Absent on purpose: a model of waiting. Who of several waiters is next is the server's affair.
//!
//! Settings: `drift_ppm` (10000), `ttl_ms` for operations that name none, `fences` (whether every grant must carry a fence; false
//! asks nothing of them), `margin_ms` (2000: how late an expired lease may be noticed and a wait may end), `reentrant` (the same
//! token may be granted again), `store_faults` (the store was restarted or paused: leases prove nothing, fences still do),
//! `expect` (what must have been seen: `contention`, `expiry`, `hand-over`; contention alone if it does not say).

mod fences;
mod guarded;
mod holds;
mod op;
mod pieces;
mod refusals;
mod sometimes;
mod strangers;
mod sweep;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::reading::{Drift, bad_setting, count, gather, ms, texts};
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{BadField, Heading, Model, Operation};

use holds::Holds;
use op::LockKey;
use pieces::Pieces;
use refusals::MayHold;

/// How late an expired lease may be noticed, and a wait may end.
const MARGIN_MS: u64 = 2_000;

/// What the history says of its locks.
#[derive(Clone, Debug)]
struct Rules {
    drift: Drift,
    ttl_ns: Option<u64>,
    fences: Option<bool>,
    margin_ns: u64,
    reentrant: bool,
    store_faults: bool,
    expect: Vec<String>,
}

impl Rules {
    fn of(heading: &Heading) -> Result<Self, BadField> {
        let settings = &heading.settings;
        let expect = texts(settings, "expect")?.unwrap_or_else(|| vec![sometimes::CONTENTION.to_owned()]);
        if let Some(word) = expect.iter().find(|word| !sometimes::KNOWN.contains(&word.as_str())) {
            let wanted = "a list of `contention`, `expiry`, `hand-over`";
            return Err(BadField::Type { name: "expect".to_owned(), found: word.clone(), wanted });
        }
        Ok(Self {
            drift: Drift::of(heading)?,
            ttl_ns: count(settings, "ttl_ms")?.map(ms),
            fences: settings.truth("fences")?,
            margin_ns: ms(count(settings, "margin_ms")?.unwrap_or(MARGIN_MS)),
            reentrant: settings.truth("reentrant")?.unwrap_or(false),
            store_faults: settings.truth("store_faults")?.unwrap_or(false),
            expect,
        })
    }
}

/// One lock with what is derived from its operations.
struct Lock<'a> {
    ops: LockKey<'a>,
    holds: Holds,
    pieces: Pieces,
    may: MayHold,
}

/// Judges a history of locks.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let name = Model::Lock.as_str();
    let mut findings = Findings::default();
    let rules = match Rules::of(heading) {
        Ok(rules) => rules,
        Err(error) => {
            findings.doubt(bad_setting(&error));
            return findings.conclude(name, Strength::Nothing, operations.len() as u64, 0);
        }
    };
    let gathered = gather(operations, LockKey::new, |key, operation| key.add(operation, rules.ttl_ns), &mut findings);
    let mut strength = if rules.fences == Some(false) { Strength::Bounds } else { Strength::Witness };
    let locks: Vec<Lock<'_>> = gathered
        .keys
        .into_iter()
        .map(|ops| {
            let holds = Holds::of(&ops, &rules);
            let pieces = sweep::must_hold(&ops, &holds, &rules, &mut findings);
            let may = MayHold::of(&ops, &holds);
            Lock { ops, holds, pieces, may }
        })
        .collect();
    for lock in &locks {
        strength = strength.min(fences::check(&lock.ops, &rules, &mut findings));
        guarded::check(lock, &rules, &mut findings);
        if !rules.store_faults {
            strangers::check(lock, &mut findings);
        }
        overlong_waits(lock, &rules, &mut findings);
    }
    if !rules.store_faults {
        check_refusals(&locks, &rules, &mut findings);
    }
    sometimes::check(&locks, &rules.expect, &mut findings);
    findings.conclude(name, strength, gathered.operations, gathered.all_keys).with_indeterminate(
        gathered.unknown,
        "an acquire without an answer may hold the lock from then on: a refusal or a free lock beside it proves nothing",
    )
}

/// Refusals of each lock, beside the locks of the same resource that belong to other tenants.
fn check_refusals(locks: &[Lock<'_>], rules: &Rules, findings: &mut Findings) {
    let mut of_resource: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, lock) in locks.iter().enumerate() {
        if let Some((_, resource)) = lock.ops.key.split_once('/') {
            of_resource.entry(resource).or_default().push(place);
        }
    }
    for (place, lock) in locks.iter().enumerate() {
        let namesakes = lock.ops.key.split_once('/').and_then(|(_, resource)| of_resource.get(resource));
        let others: Vec<&Lock<'_>> =
            namesakes.into_iter().flatten().filter(|&&other| other != place).map(|&other| &locks[other]).collect();
        refusals::check(lock, &others, rules, findings);
    }
}

/// An acquire that outlived its wait says something of the machine or of the lock; which of both cannot be told.
fn overlong_waits(lock: &Lock<'_>, rules: &Rules, findings: &mut Findings) {
    for acquire in &lock.ops.acquires {
        let Some(took_ns) = acquire.answered_after_ns() else { continue };
        if took_ns > acquire.wait_ns.saturating_add(rules.margin_ns) {
            let what = format!(
                "an acquire that was to wait {} at most was answered after {}",
                crate::units::show_ns(acquire.wait_ns),
                crate::units::show_ns(took_ns)
            );
            findings.doubt(Finding::new("overlong-wait", lock.ops.key, what).by([acquire.span.id]));
        }
    }
}
