//! What a run must have shown for its silence to mean anything: a lock that nobody contends for proves nothing.

use super::Lock;
use super::op::AcquireEnd;
use crate::check::{Finding, Findings};

/// Somebody wanted the lock while it was held.
pub(super) const CONTENTION: &str = "contention";
/// A lease ran out under its holder and somebody else was granted the lock.
const EXPIRY: &str = "expiry";
/// Somebody waited while the lock was held, and got it.
const HAND_OVER: &str = "hand-over";
/// What may be expected.
pub(super) const KNOWN: [&str; 3] = [CONTENTION, EXPIRY, HAND_OVER];

/// Doubts what was expected and never happened.
pub(super) fn check(locks: &[Lock<'_>], expect: &[String], findings: &mut Findings) {
    if locks.iter().all(|lock| lock.holds.grants.is_empty()) {
        findings.doubt(Finding::new("too-few-operations", "", "no acquire was granted"));
        return;
    }
    for word in expect {
        let (seen, rule, what): (fn(&Lock<'_>) -> bool, _, _) = match word.as_str() {
            EXPIRY => (
                expired,
                "never-expired-while-held",
                "no lease ran out under a holder, with a grant to another after it",
            ),
            HAND_OVER => (handed_over, "never-handed-over", "nobody who waited for a held lock was granted it"),
            _ => (contended, "never-contended", "nobody asked for a lock while it was held"),
        };
        if !locks.iter().any(seen) {
            findings.doubt(Finding::new(rule, "", what));
        }
    }
}

fn contended(lock: &Lock<'_>) -> bool {
    let grants = &lock.holds.grants;
    lock.ops.acquires.iter().any(|acquire| acquire.end == AcquireEnd::Busy)
        || grants
            .iter()
            .enumerate()
            .any(|(place, grant)| lock.pieces.touching(grant.span.call, grant.span.end, Some(place as u32)).is_some())
}

fn handed_over(lock: &Lock<'_>) -> bool {
    lock.holds.grants.iter().enumerate().any(|(place, grant)| {
        grant.wait_ns > 0 && lock.pieces.covering(grant.span.call, grant.span.call, Some(place as u32)).is_some()
    })
}

/// A grant that came wholly after one that was never released.
fn expired(lock: &Lock<'_>) -> bool {
    let kept = lock.holds.grants.iter().filter(|grant| grant.released_from == u64::MAX && grant.certain);
    let Some(first) = kept.map(|grant| grant.span.end).min() else { return false };
    lock.holds.grants.iter().any(|grant| grant.span.call > first)
}
