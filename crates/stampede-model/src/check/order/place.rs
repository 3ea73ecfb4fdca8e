//! Places operations that change nothing between the versions: reads and refusals.
//!
//! Each takes the first state that its interval allows, that explains its answer, and that is not before the state of an
//! operation which had ended when it was called. If any placement exists, this one does: an earlier state never narrows what
//! the later ones may take.
//! Invariants: steps are bounded; what the budget leaves over is told, not guessed.

use super::{Order, Versioned};
use crate::check::envelope::Spanned;

/// States tried per operation, on average: an interval meets about as many updates as there are clients.
const STEPS_PER_OPERATION: u64 = 256;

/// One operation to place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    /// Its number among the operations.
    pub(crate) at: u32,
    /// The slot it names itself, if it names one.
    pub(crate) slot: Option<u32>,
}

/// An operation that no state explains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Misplaced {
    /// Its number.
    pub(crate) at: u32,
    /// The slots whose states its interval meets, first and last.
    pub(crate) within: (usize, usize),
    /// The operation that had ended before and saw a later state, when that is why.
    pub(crate) after: Option<u32>,
}

/// Places `visits`, which are in the order of their calls. `fits` says whether an operation's answer agrees with a slot's state,
/// `is_hidden` whether states that nobody saw may lie between a slot and the one before.
///
/// Answers with those that fit nowhere, or with nothing when the budget ran out.
pub(crate) fn place<O: Versioned>(
    order: &Order,
    operations: &[O],
    visits: &[Visit],
    fits: impl Fn(usize, usize) -> bool,
    is_hidden: impl Fn(usize) -> bool,
) -> Option<Vec<Misplaced>> {
    let mut ended: Vec<u32> = (0..visits.len() as u32).collect();
    let end_ns = |at: u32| operations[at as usize].end_ns();
    ended.sort_unstable_by_key(|&visit| end_ns(visits[visit as usize].at));
    let mut ended = ended.into_iter().peekable();
    // Places count slots by two: an odd one is the gap before the next slot.
    let mut places = vec![0_u32; visits.len()];
    let mut misplaced = Vec::new();
    let mut bound: (u32, Option<u32>) = (0, None);
    let mut steps = STEPS_PER_OPERATION * (operations.len() as u64 + 1);
    let mut first = 0;
    for (number, visit) in visits.iter().enumerate() {
        let operation = &operations[visit.at as usize];
        while let Some(earlier) = ended.next_if(|&one| end_ns(visits[one as usize].at) < operation.call_ns()) {
            if places[earlier as usize] > bound.0 {
                bound = (places[earlier as usize], Some(visits[earlier as usize].at));
            }
        }
        // Calls only rise, and so does the first slot that can have been current.
        while first + 1 < order.len() && order.latest_ns[first + 1] < operation.call_ns() {
            first += 1;
        }
        let last = last_begun(order, first, operation);
        let (from, to) = match visit.slot {
            // Whether its interval meets its slot has been checked with the order.
            Some(slot) => (bound.0.max(2 * slot), 2 * slot),
            None => (bound.0.max(2 * first as u32), 2 * last as u32 + 1),
        };
        let tried = u64::from((to + 1).saturating_sub(from));
        let found = (from..=to).find(|&place| match place % 2 {
            0 => visit.slot.is_some() || fits(visit.at as usize, place as usize / 2),
            _ => is_hidden(place.div_ceil(2) as usize),
        });
        let used = found.map_or(tried, |place| u64::from(place - from) + 1);
        steps = steps.checked_sub(used)?;
        if let Some(place) = found {
            places[number] = place;
        } else {
            let after = if bound.0 > 2 * first as u32 { bound.1 } else { None };
            misplaced.push(Misplaced { at: visit.at, within: (first, last), after });
        }
    }
    Some(misplaced)
}

/// The last slot from `first` on whose state can have begun when an operation ended: a few slots on, so doubling steps find it.
fn last_begun<O: Spanned>(order: &Order, first: usize, operation: &O) -> usize {
    let begins_ns = &order.begins_ns[first..];
    let end_ns = operation.end_ns();
    let mut reach = 1;
    while reach < begins_ns.len() && begins_ns[reach] <= end_ns {
        reach *= 2;
    }
    let near = &begins_ns[..reach.min(begins_ns.len())];
    first + near.partition_point(|begins_ns| *begins_ns <= end_ns).saturating_sub(1)
}
