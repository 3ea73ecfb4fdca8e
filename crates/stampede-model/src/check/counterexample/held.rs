//! How long a granted lock was surely held: what makes two grants that do not overlap contradict each other.

use crate::history::{Operation, Outcome};

const NS_PER_MS: u64 = 1_000_000;

/// Until when the lock of a grant was held at least, on the history's clock; `None` for anything but a grant, and where neither
/// a lease nor a release bounds it.
pub(super) fn until_ns(grant: &Operation, operations: &[Operation]) -> Option<u64> {
    let returned_ns = grant.return_ns.filter(|_| grant.op == "acquire" && grant.outcome == Outcome::Ok)?;
    let token = grant.output.text("token").ok().flatten();
    let is_later =
        |one: &&Operation| one.key == grant.key && returned_ns <= one.call_ns && one.outcome != Outcome::Fail;
    let is_of_holder = |one: &&Operation| match &token {
        Some(token) => one.input.text("token").ok().flatten().as_ref() == Some(token),
        None => one.process == grant.process,
    };
    let later = || operations.iter().filter(is_later).filter(is_of_holder);
    let released_ns = later().filter(|one| one.op == "release").map(|one| one.call_ns).min();
    let is_held = |one: &&Operation| released_ns.is_none_or(|released_ns| one.call_ns < released_ns);
    let renewals = later().filter(|one| one.op == "renew" && one.outcome == Outcome::Ok).filter(is_held);
    let lease_ends_ns = std::iter::once(grant).chain(renewals).filter_map(lease_end_ns).max();
    [released_ns, lease_ends_ns].into_iter().flatten().min()
}

/// From the call: when the server began to count is not known.
fn lease_end_ns(one: &Operation) -> Option<u64> {
    let ttl_ms = u64::try_from(one.input.integer("ttl_ms").ok()??).ok()?;
    Some(one.call_ns.saturating_add(ttl_ms.saturating_mul(NS_PER_MS)))
}
