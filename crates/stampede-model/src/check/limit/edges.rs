//! Fixed windows whose edges are known: calls that straddle an edge may count on either side of it, the others may not.
//!
//! Each call takes the earliest window that has room, those first that may wait least. If that leaves one over, every way does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Rules;
use super::op::{Call, UserKey};
use crate::check::{Finding, Findings};

/// Which windows a call may count in, by number since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    first: u64,
    last: u64,
    id: u64,
}

/// Checks the calls that passed against windows that begin at multiples of their length.
pub(super) fn check(ops: &UserKey<'_>, rules: &Rules, findings: &mut Findings) {
    let Some((started_unix_ns, skew_ns)) = rules.aligned else { return };
    let place = |call: &Call| {
        let at = |instant: u64| started_unix_ns.saturating_add(instant);
        Choice {
            first: at(call.span.call).saturating_sub(rules.drift.most(skew_ns)) / rules.window_ns,
            last: at(call.span.end).saturating_add(rules.drift.most(skew_ns)) / rules.window_ns,
            id: call.span.id,
        }
    };
    let choices: Vec<Choice> = ops.calls.iter().filter(|call| call.is_admitted()).map(place).collect();
    if let Some((window, counted)) = overfull(choices, rules.limit) {
        let what = format!(
            "operation {} finds no room in a window: {} others count in the window {window} or before it",
            counted[0], rules.limit
        );
        findings.violation(
            Finding::new("over-limit", ops.key, what)
                .by(counted)
                .allowed(format!("{} calls in each window, those at an edge in either", rules.limit)),
        );
    }
}

/// The first window that cannot hold its calls, and some of them, the one left over first.
fn overfull(mut choices: Vec<Choice>, limit: u64) -> Option<(u64, Vec<u64>)> {
    choices.sort_by_key(|choice| (choice.first, choice.last));
    let mut waiting: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
    let mut next = 0;
    let mut window = 0;
    while next < choices.len() || !waiting.is_empty() {
        if waiting.is_empty() {
            window = window.max(choices[next].first);
        }
        while next < choices.len() && choices[next].first <= window {
            waiting.push(Reverse((choices[next].last, choices[next].id)));
            next += 1;
        }
        let mut counted = Vec::new();
        for _ in 0..limit {
            let Some(Reverse((_, id))) = waiting.pop() else { break };
            counted.push(id);
        }
        if let Some(Reverse((last, id))) = waiting.peek()
            && *last <= window
        {
            return Some((window, [*id].into_iter().chain(counted.into_iter().take(5)).collect()));
        }
        window += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tries every way.
    fn fits(choices: &[Choice], limit: u64, used: &mut [u64]) -> bool {
        let Some((choice, rest)) = choices.split_first() else { return true };
        (choice.first..=choice.last).any(|window| {
            let at = window as usize;
            if used[at] == limit {
                return false;
            }
            used[at] += 1;
            let fits = fits(rest, limit, used);
            used[at] -= 1;
            fits
        })
    }

    proptest! {
        #[test]
        fn the_greedy_way_fits_if_any_does(
            raw in prop::collection::vec((0_u64..5, 0_u64..3), 0..8),
            limit in 1_u64..3,
        ) {
            let choices: Vec<Choice> = raw
                .into_iter()
                .enumerate()
                .map(|(id, (first, more))| Choice { first, last: first + more, id: id as u64 })
                .collect();
            prop_assert_eq!(overfull(choices.clone(), limit).is_none(), fits(&choices, limit, &mut [0; 8]));
        }
    }
}
