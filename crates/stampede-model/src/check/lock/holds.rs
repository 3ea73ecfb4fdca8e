//! Each grant with how long it lasts at least and at most.
//!
//! Invariant: of a token that was granted more than once nothing is derived from its renewals, and nothing at all while a release
//! of it may still be on its way: which grant they meant cannot be told.

use super::Rules;
use super::op::{Acquire, AcquireEnd, ByToken, LockKey, Token};
use crate::check::reading::{Drift, End, Span};

/// A granted acquire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) span: Span,
    pub(super) token: Token,
    pub(super) wait_ns: u64,
    /// The shortest time that its lease or a renewed one lasts on our clock.
    pub(super) least_ns: u64,
    /// When a release that may have worked was first sent; the end of time without one.
    pub(super) released_from: u64,
    /// Nobody holds by this grant any more.
    pub(super) may_end: u64,
    /// Whether `may_end` is the lease's end, not a release's.
    pub(super) lapses: bool,
    /// Whether holding can be proven at all.
    pub(super) certain: bool,
    /// Whether its token was granted once only.
    pub(super) unique: bool,
}

/// The grants of one lock, in the order of the calls, and what was done with their tokens.
#[derive(Debug)]
pub(super) struct Holds {
    pub(super) grants: Vec<Grant>,
    pub(super) renewals: PerToken,
    pub(super) releases: PerToken,
    /// Whether each token was granted, or may have been.
    pub(super) granted: Vec<u32>,
    /// Whether an acquire has no answer: its token is known to nobody here, or perhaps to somebody.
    pub(super) has_unknown: bool,
    /// Which grants came after which.
    pub(super) taken: TakenAfter,
}

impl Holds {
    pub(super) fn of(ops: &LockKey<'_>, rules: &Rules) -> Self {
        let mut granted = vec![0_u32; ops.token_count()];
        let mut has_unknown = false;
        for acquire in &ops.acquires {
            match acquire.end {
                AcquireEnd::Granted { token, .. } => granted[token.at()] += 1,
                AcquireEnd::Unknown { chosen } => {
                    has_unknown = true;
                    if let Some(token) = chosen {
                        granted[token.at()] += 1;
                    }
                }
                AcquireEnd::Busy | AcquireEnd::Nothing => {}
            }
        }
        let renewals = PerToken::new(&ops.renewals, ops.token_count());
        let releases = PerToken::new(&ops.releases, ops.token_count());
        let leases: Vec<Renewed> =
            (0..ops.token_count()).map(|token| Renewed::by(renewals.of(Token(token as u32)), rules.drift)).collect();
        let with = |acquire: &Acquire| {
            let AcquireEnd::Granted { token, .. } = acquire.end else { return None };
            let unique = granted[token.at()] == 1;
            Some(grant(acquire, token, &leases[token.at()], (&releases, unique), rules))
        };
        let grants: Vec<Grant> = ops.acquires.iter().filter_map(with).collect();
        Self { taken: TakenAfter::of(&grants), grants, renewals, releases, granted, has_unknown }
    }
}

fn grant(
    acquire: &Acquire,
    token: Token,
    renewed: &Renewed,
    (releases, unique): (&PerToken, bool),
    rules: &Rules,
) -> Grant {
    let span = acquire.span;
    let since = releases.called_since(token, span.end);
    let released_from = since.first().map_or(u64::MAX, |release| release.span.call);
    let released_by = since
        .iter()
        .find(|release| release.end == End::Done && !release.foreign && !rules.reentrant)
        .map_or(u64::MAX, |release| release.span.end);
    let lease_end = span
        .end
        .saturating_add(rules.drift.most(acquire.ttl_ns))
        .max(renewed.latest_end)
        .saturating_add(renewed.pending_ns)
        .saturating_add(rules.margin_ns);
    Grant {
        span,
        token,
        wait_ns: acquire.wait_ns,
        least_ns: rules.drift.least(acquire.ttl_ns).min(renewed.least_ns),
        released_from,
        may_end: lease_end.min(released_by),
        lapses: lease_end < released_by,
        certain: !rules.store_faults && !releases.is_pending(token, span),
        unique,
    }
}

/// What the renewals of a token make of its lease.
struct Renewed {
    /// None of them gave less.
    least_ns: u64,
    /// Not later does a lease end that was surely given.
    latest_end: u64,
    /// So much may those without an answer add, whenever they arrive.
    pending_ns: u64,
}

impl Renewed {
    fn by(renewals: &[ByToken], drift: Drift) -> Self {
        let mut renewed = Self { least_ns: u64::MAX, latest_end: 0, pending_ns: 0 };
        for renewal in renewals {
            let most_ns = drift.most(renewal.ttl_ns);
            renewed.least_ns = renewed.least_ns.min(drift.least(renewal.ttl_ns));
            if renewal.end == End::Done {
                renewed.latest_end = renewed.latest_end.max(renewal.span.end.saturating_add(most_ns));
            } else {
                renewed.pending_ns = renewed.pending_ns.saturating_add(most_ns);
            }
        }
        renewed
    }
}

/// Releases or renewals that may have worked, by token and then by call.
#[derive(Debug)]
pub(super) struct PerToken {
    items: Vec<ByToken>,
    /// Where each token's items begin, and at last where they end.
    first: Vec<usize>,
    /// The latest end of a token's items up to each.
    latest_end: Vec<u64>,
}

impl PerToken {
    fn new(all: &[ByToken], tokens: usize) -> Self {
        let mut items: Vec<ByToken> = all.iter().filter(|one| one.end.may_be_done()).copied().collect();
        items.sort_by_key(|one| (one.token, one.span.call));
        let mut first = vec![0; tokens + 1];
        for one in &items {
            first[one.token.at() + 1] += 1;
        }
        for token in 0..tokens {
            first[token + 1] += first[token];
        }
        let mut latest_end: Vec<u64> = Vec::with_capacity(items.len());
        for (at, one) in items.iter().enumerate() {
            let before = if at == first[one.token.at()] { 0 } else { latest_end[at - 1] };
            latest_end.push(before.max(one.span.end));
        }
        Self { items, first, latest_end }
    }

    /// All of one token.
    pub(super) fn of(&self, token: Token) -> &[ByToken] {
        &self.items[self.first[token.at()]..self.first[token.at() + 1]]
    }

    /// Those called at `from` or later.
    fn called_since(&self, token: Token, from: u64) -> &[ByToken] {
        let all = self.of(token);
        &all[all.partition_point(|one| one.span.call < from)..]
    }

    /// Whether one that was called before the end of `span` may have worked after its call.
    fn is_pending(&self, token: Token, span: Span) -> bool {
        let before = self.of(token).partition_point(|one| one.span.call < span.end);
        before > 0 && self.latest_end[self.first[token.at()] + before - 1] >= span.call
    }
}

/// Which grants came wholly after another.
#[derive(Debug)]
pub(super) struct TakenAfter {
    /// Calls of the grants, sorted, with the earliest answer from each on and whose it is.
    calls: Vec<(u64, u64, u64)>,
}

impl TakenAfter {
    fn of(grants: &[Grant]) -> Self {
        let mut calls: Vec<(u64, u64, u64)> =
            grants.iter().map(|grant| (grant.span.call, grant.span.end, grant.span.id)).collect();
        for at in (1..calls.len()).rev() {
            let (_, end, id) = calls[at];
            if end < calls[at - 1].1 {
                (calls[at - 1].1, calls[at - 1].2) = (end, id);
            }
        }
        Self { calls }
    }

    /// A grant that was called after `span` and answered before `instant`.
    pub(super) fn after(&self, span: Span, instant: u64) -> Option<u64> {
        let at = self.calls.partition_point(|(call, _, _)| *call <= span.end);
        self.calls.get(at).filter(|(_, end, _)| *end < instant).map(|(_, _, id)| *id)
    }
}
