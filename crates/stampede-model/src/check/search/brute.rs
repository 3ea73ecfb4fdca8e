//! Every order of a handful of calls, one after the other: too slow to be wrong.

use super::{Call, Duty, SequentialModel};

/// Whether some order explains all; for eight calls or so.
pub(super) fn is_explained<L: SequentialModel>(model: &L, calls: &[Call<L::Op>]) -> bool {
    let left: Vec<&Call<L::Op>> = calls.iter().collect();
    explained_from(model, &model.initial(), &left)
}

/// `left` is what has neither taken effect nor been given up.
fn explained_from<L: SequentialModel>(model: &L, state: &L::State, left: &[&Call<L::Op>]) -> bool {
    if left.iter().all(|call| call.duty == Duty::May) {
        return true;
    }
    (0..left.len()).any(|at| {
        let next = left[at];
        let rest: Vec<&Call<L::Op>> =
            left.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, c)| *c).collect();
        // What returned before this one was called went first, or never.
        let is_first = rest.iter().all(|other| other.duty == Duty::May || next.call_ns <= other.return_ns);
        let rest: Vec<&Call<L::Op>> = rest.into_iter().filter(|other| next.call_ns <= other.return_ns).collect();
        is_first && model.step(state, &next.op).is_some_and(|state| explained_from(model, &state, &rest))
    })
}
