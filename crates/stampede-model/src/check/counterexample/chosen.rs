//! Which operations are shown: those that a finding names, and the nearest before and after them.

use std::collections::{HashMap, HashSet};

use super::{MOST_SHOWN, Part, is_self_contained};
use crate::check::Finding;
use crate::history::{Operation, Outcome};

/// With so many named operations nothing more is needed to follow them.
const ENOUGH: usize = 5;

/// The choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Places in the history, in the order of the calls.
    pub(super) shown: Vec<(usize, Part)>,
    /// Named ones that are not among them.
    pub(super) unshown: u64,
}

/// Whether its times say when it happened; those of a ledger's row say when the row was read.
pub(super) fn is_timed(operation: &Operation) -> bool {
    operation.op != "movement"
}

/// Chooses.
pub(super) fn choose(operations: &[Operation], finding: &Finding) -> Chosen {
    let named = named(operations, finding);
    let mut parts: HashMap<usize, Part> = HashMap::new();
    for (place, &at) in most_telling(operations, &named).iter().enumerate() {
        parts.insert(at, if place == 0 { Part::Impossible } else { Part::Contradicts });
    }
    let unshown = (named.len() - parts.len()) as u64;
    if !is_self_contained(finding) && named.len() < ENOUGH {
        for at in around(operations, finding, &named) {
            parts.entry(at).or_insert(Part::Context);
        }
    }
    let mut shown: Vec<(usize, Part)> = parts.into_iter().collect();
    shown.sort_by_key(|&(at, _)| (operations[at].call_ns, operations[at].id));
    Chosen { shown, unshown }
}

/// The finding's operations, each once, the impossible one first.
fn named(operations: &[Operation], finding: &Finding) -> Vec<usize> {
    let wanted: HashSet<u64> = finding.operations.iter().copied().collect();
    let places: HashMap<u64, usize> = operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| wanted.contains(&operation.id))
        .map(|(at, operation)| (operation.id, at))
        .collect();
    let mut seen = HashSet::new();
    finding.operations.iter().filter_map(|id| places.get(id).copied()).filter(|at| seen.insert(*at)).collect()
}

/// Of too many: the impossible one, the first and the last of the others.
fn most_telling(operations: &[Operation], named: &[usize]) -> Vec<usize> {
    let Some((&first, others)) = named.split_first().filter(|_| named.len() > MOST_SHOWN) else {
        return named.to_vec();
    };
    let mut others = others.to_vec();
    others.sort_by_key(|&at| (operations[at].call_ns, operations[at].id));
    let (early, late) = ((MOST_SHOWN - 1) / 2, MOST_SHOWN - 1 - (MOST_SHOWN - 1) / 2);
    let ends = others[..early].iter().chain(&others[others.len() - late..]);
    std::iter::once(first).chain(ends.copied()).collect()
}

/// The nearest before and after: by version where the system names one, else by time.
fn around(operations: &[Operation], finding: &Finding, named: &[usize]) -> Vec<usize> {
    let is_named: HashSet<usize> = named.iter().copied().collect();
    let is_candidate = |at: &usize| {
        let one = &operations[*at];
        one.key == finding.key && one.outcome == Outcome::Ok && is_timed(one) && !is_named.contains(at)
    };
    let candidates: Vec<usize> = (0..operations.len()).filter(is_candidate).collect();
    let version = |at: usize| operations[at].output.integer("version").ok().flatten();
    let versions: Vec<i64> = named.iter().filter_map(|&at| version(at)).collect();
    let (before, after) = match (versions.iter().min(), versions.iter().max()) {
        (Some(&first), Some(&last)) => (
            candidates
                .iter()
                .copied()
                .filter(|&at| version(at).is_some_and(|it| it < first))
                .max_by_key(|&at| version(at)),
            candidates
                .iter()
                .copied()
                .filter(|&at| version(at).is_some_and(|it| it > last))
                .min_by_key(|&at| version(at)),
        ),
        _ => by_time(operations, named, &candidates),
    };
    before.into_iter().chain(after).collect()
}

fn by_time(operations: &[Operation], named: &[usize], candidates: &[usize]) -> (Option<usize>, Option<usize>) {
    let timed = || named.iter().map(|&at| &operations[at]).filter(|one| is_timed(one));
    let (Some(first), Some(last)) =
        (timed().map(|one| one.call_ns).min(), timed().map(|one| one.return_ns.unwrap_or(one.call_ns)).max())
    else {
        return (None, None);
    };
    let before = candidates.iter().copied().filter(|&at| operations[at].end_ns() <= first);
    let shows = |at: usize| !operations[at].output.is_empty();
    let after = candidates.iter().copied().filter(|&at| last <= operations[at].call_ns && shows(at));
    (before.max_by_key(|&at| operations[at].end_ns()), after.min_by_key(|&at| operations[at].call_ns))
}
