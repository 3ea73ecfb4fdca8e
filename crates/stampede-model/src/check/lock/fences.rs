//! Fences: each grant has its own, and a grant that came after another has the higher one.

use super::Rules;
use super::op::{AcquireEnd, LockKey, Token};
use crate::check::reading::Span;
use crate::check::{Finding, Findings, Strength};

#[derive(Clone, Copy)]
struct Fenced {
    fence: i64,
    token: Token,
    span: Span,
}

/// Checks the order the fences name; says how much it rests on.
pub(super) fn check(ops: &LockKey<'_>, rules: &Rules, findings: &mut Findings) -> Strength {
    if rules.fences == Some(false) {
        return Strength::Bounds;
    }
    let mut fenced: Vec<Fenced> = Vec::new();
    let mut without: Vec<u64> = Vec::new();
    for acquire in &ops.acquires {
        match acquire.end {
            AcquireEnd::Granted { token, fence: Some(fence) } => {
                fenced.push(Fenced { fence, token, span: acquire.span });
            }
            AcquireEnd::Granted { fence: None, .. } => without.push(acquire.span.id),
            AcquireEnd::Busy | AcquireEnd::Nothing | AcquireEnd::Unknown { .. } => {}
        }
    }
    fenced.sort_by_key(|one| (one.fence, one.span.call));
    check_unique(ops.key, &fenced, rules.reentrant, findings);
    check_order(ops.key, &fenced, findings);
    let is_partial = !without.is_empty() && (rules.fences == Some(true) || !fenced.is_empty());
    if is_partial {
        let what = format!("{} grants came without a fence, {} with one", without.len(), fenced.len());
        findings.doubt(Finding::new("no-witness", ops.key, what).by(without.iter().take(4).copied()));
    }
    if without.is_empty() { Strength::Witness } else { Strength::Bounds }
}

fn check_unique(key: &str, fenced: &[Fenced], reentrant: bool, findings: &mut Findings) {
    for pair in fenced.windows(2) {
        let [first, second] = [pair[0], pair[1]];
        if first.fence == second.fence && !(reentrant && first.token == second.token) {
            let what = format!(
                "operations {} and {} were granted with the same fence {}",
                first.span.id, second.span.id, first.fence
            );
            findings.violation(
                Finding::new("fence-order", key, what)
                    .by([second.span.id, first.span.id])
                    .allowed("a fence of its own for each grant, or the older holder cannot be fenced off"),
            );
        }
    }
}

/// By rising fence, nobody may have been answered before somebody with a lower fence called.
fn check_order(key: &str, fenced: &[Fenced], findings: &mut Findings) {
    let mut latest: Option<Fenced> = None;
    // The latest call among those of lower fences; equal ones are another rule's.
    let mut pending: Option<Fenced> = None;
    for (at, &one) in fenced.iter().enumerate() {
        if at > 0 && fenced[at - 1].fence < one.fence {
            latest = later(latest, pending.take());
        }
        if let Some(lower) = latest
            && one.span.end < lower.span.call
        {
            let what = format!(
                "operation {} was granted fence {} although operation {}, answered before it was called, has fence {}",
                lower.span.id, lower.fence, one.span.id, one.fence
            );
            findings.violation(
                Finding::new("fence-order", key, what)
                    .by([lower.span.id, one.span.id])
                    .allowed(format!("a fence above {}", one.fence)),
            );
        }
        pending = later(pending, Some(one));
    }
}

fn later(one: Option<Fenced>, other: Option<Fenced>) -> Option<Fenced> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.span.call > one.span.call { other } else { one }),
        (one, other) => one.or(other),
    }
}
