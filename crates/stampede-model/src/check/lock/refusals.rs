//! Acquires that were refused, and looks that saw the lock held, while nobody can have held it.
//!
//! What may have stood in the line counts as holding too, for the moment in which the lock was handed to it in vain: a refusal
//! beside such a one is judged only when everybody who was in the line when the lock fell free is long gone.
//! Absent on purpose: refusals that only came late in a wait. A server that was stopped meanwhile may give up at once.

use super::holds::Holds;
use super::op::{Acquire, AcquireEnd, LockKey};
use super::{Lock, Rules};
use crate::check::reading::Span;
use crate::check::{Finding, Findings};
use crate::units::show_ns;

/// A stretch in which somebody may hold.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: u64,
    end: u64,
    /// Whose end it is.
    by: u64,
    /// Whether it ends because a lease has surely run out.
    lapses: bool,
    /// When its last holder first sent a release.
    released_from: u64,
}

/// When somebody may hold, and who may have stood in the line.
#[derive(Debug)]
pub(super) struct MayHold {
    stretches: Vec<Stretch>,
    /// Ends of those in the line, sorted.
    queue_ends: Vec<u64>,
    /// Their calls, sorted, with the latest end up to each.
    queue_calls: Vec<(u64, u64)>,
}

/// A stretch in which nobody may hold.
#[derive(Clone, Copy, Debug)]
struct Free {
    since: u64,
    /// The last who may have held before.
    after: Option<Stretch>,
    /// Whether somebody got the lock later without a release of that one: then it had been free.
    comes_back: bool,
}

impl MayHold {
    pub(super) fn of(ops: &LockKey<'_>, holds: &Holds) -> Self {
        let mut raw: Vec<Stretch> = holds
            .grants
            .iter()
            .map(|grant| Stretch {
                start: grant.span.call,
                end: grant.may_end,
                by: grant.span.id,
                lapses: grant.lapses,
                released_from: grant.released_from,
            })
            .collect();
        let unknown = ops.acquires.iter().filter(|acquire| matches!(acquire.end, AcquireEnd::Unknown { .. }));
        raw.extend(unknown.map(|acquire| Stretch {
            start: acquire.span.call,
            end: u64::MAX,
            by: acquire.span.id,
            lapses: false,
            released_from: u64::MAX,
        }));
        raw.sort_by_key(|stretch| stretch.start);
        let mut stretches: Vec<Stretch> = Vec::new();
        for stretch in raw {
            match stretches.last_mut() {
                Some(last) if stretch.start <= last.end => {
                    if stretch.end > last.end {
                        *last = Stretch { start: last.start, ..stretch };
                    }
                }
                _ => stretches.push(stretch),
            }
        }
        let queued: Vec<Span> =
            ops.acquires.iter().filter(|acquire| acquire.may_have_queued()).map(|acquire| acquire.span).collect();
        let mut queue_ends: Vec<u64> = queued.iter().map(|span| span.end).collect();
        queue_ends.sort_unstable();
        let mut latest = 0;
        let queue_calls = queued
            .iter()
            .map(|span| {
                latest = latest.max(span.end);
                (span.call, latest)
            })
            .collect();
        Self { stretches, queue_ends, queue_calls }
    }

    /// The stretch without a holder that all of `span` lies in.
    fn free_during(&self, span: Span) -> Option<Free> {
        let known = self.stretches.partition_point(|stretch| stretch.start <= span.end);
        let after = known.checked_sub(1).map(|at| self.stretches[at]);
        let since = after.map_or(0, |stretch| stretch.end);
        let comes_back = match (after, self.stretches.get(known)) {
            (Some(after), Some(next)) => next.end < after.released_from,
            _ => false,
        };
        (after.is_none() || since < span.call).then_some(Free { since, after, comes_back })
    }

    /// How many stood in the line at some instant of `span`.
    fn queued_during(&self, span: Span) -> usize {
        let called = self.queue_calls.partition_point(|(call, _)| *call <= span.end);
        called - self.queue_ends.partition_point(|end| *end < span.call)
    }

    /// When the last of those was gone who came into the line before `instant`.
    fn queue_gone_by(&self, instant: u64) -> u64 {
        let before = self.queue_calls.partition_point(|(call, _)| *call < instant);
        before.checked_sub(1).map_or(0, |at| self.queue_calls[at].1)
    }

    /// Why nobody can have held during `span`, if that is so. `own` is how often the span itself stands in the line.
    fn surely_free(&self, span: Span, own: usize, margin_ns: u64) -> Option<Free> {
        let free = self.free_during(span)?;
        let alone = self.queued_during(span) <= own;
        let settled = || {
            let quiet_since = free.since.max(self.queue_gone_by(free.since));
            span.call >= quiet_since.saturating_add(margin_ns)
        };
        (alone || settled()).then_some(free)
    }
}

/// Refused acquires and looks of one lock; `others` are the locks of the same resource that belong to other tenants.
pub(super) fn check(lock: &Lock<'_>, others: &[&Lock<'_>], rules: &Rules, findings: &mut Findings) {
    for acquire in lock.ops.acquires.iter().filter(|acquire| acquire.end == AcquireEnd::Busy) {
        let own = usize::from(acquire.may_have_queued());
        if let Some(free) = lock.may.surely_free(acquire.span, own, rules.margin_ns) {
            findings.violation(refused(lock, acquire, free, others));
        }
    }
    for look in &lock.ops.looks {
        if look.held {
            if let Some(free) = lock.may.surely_free(look.span, 0, rules.margin_ns) {
                findings.violation(seen_held(lock, look.span, free, others));
            }
        } else if let Some(piece) = lock.pieces.covering(look.span.call, look.span.end, None) {
            let holder = lock.holds.grants[piece.grant as usize].span.id;
            let what = format!(
                "operation {} saw the lock free while operation {holder} surely held it, for {} more",
                look.span.id,
                show_ns(piece.end - look.span.end)
            );
            let finding = Finding::new("stale-read", lock.ops.key, what).by([look.span.id, holder]);
            findings.violation(finding.allowed("held, until the holder sends its release or its lease has run out"));
        }
    }
}

fn refused(lock: &Lock<'_>, acquire: &Acquire, free: Free, others: &[&Lock<'_>]) -> Finding {
    let id = acquire.span.id;
    if let Some((tenant, holder)) = held_elsewhere(acquire.span, others) {
        let what = format!("operation {id} was refused although only `{tenant}`, another tenant's lock, was held");
        return Finding::new("cross-tenant-lock", lock.ops.key, what)
            .by([id, holder])
            .allowed("a grant: each tenant has a lock of its own under that name");
    }
    let (rule, since) = why(free, acquire.span);
    Finding::new(rule, lock.ops.key, format!("operation {id} was refused as busy although {since}"))
        .by([id].into_iter().chain(free.after.map(|stretch| stretch.by)))
        .allowed("a grant: nobody can have held the lock at any instant of the call")
}

fn seen_held(lock: &Lock<'_>, span: Span, free: Free, others: &[&Lock<'_>]) -> Finding {
    let id = span.id;
    if let Some((tenant, holder)) = held_elsewhere(span, others) {
        let what =
            format!("operation {id} saw the lock held although only `{tenant}`, another tenant's lock, was held");
        return Finding::new("cross-tenant-lock", lock.ops.key, what)
            .by([id, holder])
            .allowed("free: each tenant has a lock of its own under that name");
    }
    let (rule, since) = why(free, span);
    let rule = if rule == "never-freed" { rule } else { "stale-read" };
    Finding::new(rule, lock.ops.key, format!("operation {id} saw the lock held although {since}"))
        .by([id].into_iter().chain(free.after.map(|stretch| stretch.by)))
        .allowed("free: nobody can have held the lock at any instant of the call")
}

fn held_elsewhere<'a>(span: Span, others: &[&Lock<'a>]) -> Option<(&'a str, u64)> {
    others.iter().find_map(|other| {
        let piece = other.pieces.touching(span.call, span.end, None)?;
        Some((other.ops.key, other.holds.grants[piece.grant as usize].span.id))
    })
}

fn why(free: Free, span: Span) -> (&'static str, String) {
    match free.after {
        None => ("refused-without-cause", "nobody had acquired the lock yet".to_owned()),
        Some(Stretch { lapses: true, end, by, .. }) if !free.comes_back => {
            let late = show_ns(span.call.saturating_sub(end));
            ("never-freed", format!("the lease of operation {by}, the last holder, had run out at least {late} before"))
        }
        Some(Stretch { end, by, .. }) => {
            let late = show_ns(span.call.saturating_sub(end));
            let what = format!("the last holder, operation {by}, was done with the lock at least {late} before");
            ("refused-without-cause", what)
        }
    }
}
