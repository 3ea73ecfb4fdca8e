//! Releases and renewals by somebody who does not hold, accepted; and those of the holder, refused.

use super::Lock;
use super::op::ByToken;
use crate::check::reading::End;
use crate::check::{Finding, Findings};

/// Checks what was done by token.
pub(super) fn check(lock: &Lock<'_>, findings: &mut Findings) {
    let grant_of = by_token(lock);
    let deeds = lock.ops.releases.iter().map(|one| (one, Deed::Release));
    for (one, deed) in deeds.chain(lock.ops.renewals.iter().map(|one| (one, Deed::Renewal))) {
        match one.end {
            End::Done => accepted(lock, one, deed, &grant_of, findings),
            End::Refused => refused(lock, one, deed, &grant_of, findings),
            End::Nothing | End::Unknown => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Release,
    Renewal,
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Renewal => "renewal",
        }
    }
}

/// The one grant of each token that was granted once.
fn by_token(lock: &Lock<'_>) -> Vec<Option<u32>> {
    let mut grants = vec![None; lock.ops.token_count()];
    for (place, grant) in lock.holds.grants.iter().enumerate().filter(|(_, grant)| grant.unique) {
        grants[grant.token.at()] = Some(place as u32);
    }
    grants
}

fn accepted(lock: &Lock<'_>, one: &ByToken, deed: Deed, grant_of: &[Option<u32>], findings: &mut Findings) {
    let id = one.span.id;
    let own = grant_of[one.token.at()];
    let is_known = lock.holds.granted[one.token.at()] > 0;
    let accuse = |what: String, others: Vec<u64>| {
        Finding::new("released-by-stranger", lock.ops.key, what)
            .by([id].into_iter().chain(others))
            .allowed("a refusal: only the holder may release or renew")
    };
    if !is_known {
        if !lock.holds.has_unknown {
            let held = lock.pieces.touching(one.span.call, one.span.end, None);
            let others = held.map(|piece| lock.holds.grants[piece.grant as usize].span.id);
            let what =
                format!("the {} of operation {id} was accepted with a token that nobody was granted", deed.name());
            findings.violation(accuse(what, others.into_iter().collect()));
        }
        return;
    }
    // A foreign one is wrong whoever holds, even if it shows the holder's own token.
    if one.foreign {
        if let Some(piece) = lock.pieces.covering(one.span.call, one.span.end, None) {
            let holder = lock.holds.grants[piece.grant as usize].span.id;
            let what = format!(
                "the {} of operation {id}, by a stranger, was accepted while operation {holder} surely held",
                deed.name()
            );
            findings.violation(accuse(what, vec![holder]));
        }
        return;
    }
    let Some(place) = own else { return };
    let own = &lock.holds.grants[place as usize];
    if let Some(later) = lost_to(lock, one, deed, place) {
        let what = format!(
            "the {} of operation {id} was accepted although the lock had gone from operation {} to operation {later}",
            deed.name(),
            own.span.id
        );
        findings.violation(accuse(what, vec![own.span.id, later]));
    }
}

/// The grant to which the token had lost the lock. For a release it must hold all the while: one that finds nothing to release may
/// say that it is done.
fn lost_to(lock: &Lock<'_>, one: &ByToken, deed: Deed, place: u32) -> Option<u64> {
    let own = &lock.holds.grants[place as usize];
    if deed == Deed::Renewal {
        return lock.holds.taken.after(own.span, one.span.call);
    }
    if was_released_before(lock, one) {
        return None;
    }
    let piece = lock.pieces.covering(one.span.call, one.span.end, Some(place))?;
    let holder = lock.holds.grants[piece.grant as usize].span;
    (own.span.end < holder.call).then_some(holder.id)
}

/// A release of the same token that may have worked before: doing it again may be answered alike.
fn was_released_before(lock: &Lock<'_>, one: &ByToken) -> bool {
    lock.holds.releases.of(one.token).first().is_some_and(|first| first.span.id != one.span.id)
}

fn refused(lock: &Lock<'_>, one: &ByToken, deed: Deed, grant_of: &[Option<u32>], findings: &mut Findings) {
    let Some(own) = grant_of[one.token.at()].filter(|_| !one.foreign) else { return };
    let grant = &lock.holds.grants[own as usize];
    let holds = lock.pieces.covering(one.span.call, one.span.end, None);
    if holds.is_none_or(|piece| piece.grant != own) {
        return;
    }
    let what = format!(
        "the {} of operation {} was refused as not the owner's while operation {} surely held by that token",
        deed.name(),
        one.span.id,
        grant.span.id
    );
    findings.violation(
        Finding::new("refused-without-cause", lock.ops.key, what)
            .by([one.span.id, grant.span.id])
            .allowed("an answer that it was done: the lease had not run out and nothing had released it"),
    );
}
