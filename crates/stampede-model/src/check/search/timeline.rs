//! The intervals of one object's calls, prepared for both searches.
//!
//! A search stands at a return: everything that returned earlier is done with, and of the calls made before it some have taken
//! effect. Each call has a place that is its own while it is pending and is used again afterwards, so that the set of those
//! that took effect is a few bits however long the history is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

use super::{Call, Duty};

/// Rank of a call that never returns.
const NEVER: u32 = u32::MAX;

/// Calls in the order in which they were made, and returns in the order in which they came.
#[derive(Debug)]
pub(super) struct Timeline<O> {
    /// In the order of the calls.
    pub(super) calls: Vec<Call<O>>,
    /// Indices of `calls`, in the order of the returns; without those that never return.
    pub(super) returns: Vec<u32>,
    /// For each return, how many calls had been made by then. Closed intervals: a call at the same instant had been.
    pub(super) made: Vec<u32>,
    /// For each call, its place while it is pending.
    pub(super) place: Vec<u16>,
    /// For each call, its position in `returns`.
    pub(super) rank: Vec<u32>,
    /// For each call, the number of its class: equal operations of one duty, or the call alone without symmetry. What must take
    /// effect cannot stand in for what may: the latter can be left out.
    pub(super) class: Vec<u32>,
    /// How many places are needed.
    pub(super) places: usize,
}

impl<O: Clone + Eq + Hash> Timeline<O> {
    /// Prepares `calls`; `equal` says whether equal operations form a class.
    pub(super) fn of(mut calls: Vec<Call<O>>, equal: bool) -> Self {
        calls.sort_by_key(|call| (call.call_ns, call.id));
        let mut returns: Vec<u32> = (0..calls.len() as u32).collect();
        returns.retain(|index| calls[*index as usize].return_ns != u64::MAX);
        returns.sort_by_key(|index| (calls[*index as usize].return_ns, *index));
        let mut rank = vec![NEVER; calls.len()];
        for (position, index) in returns.iter().enumerate() {
            rank[*index as usize] = position as u32;
        }
        let made = returns
            .iter()
            .map(|index| calls.partition_point(|call| call.call_ns <= calls[*index as usize].return_ns) as u32)
            .collect();
        let class = classes(&calls, equal);
        let mut timeline = Self { calls, returns, made, place: Vec::new(), rank, class, places: 0 };
        timeline.give_places();
        timeline
    }

    fn give_places(&mut self) {
        self.place = vec![0; self.calls.len()];
        let mut free = BinaryHeap::new();
        let mut next_call = 0;
        for (returned, made) in self.returns.iter().zip(&self.made) {
            while next_call < *made as usize {
                let place = free.pop().map_or_else(
                    || {
                        self.places += 1;
                        self.places - 1
                    },
                    |Reverse(place)| place,
                );
                self.place[next_call] = place.min(usize::from(u16::MAX)) as u16;
                next_call += 1;
            }
            free.push(Reverse(usize::from(self.place[*returned as usize])));
        }
    }

    /// Whether something may end without having taken effect before the history does.
    pub(super) fn has_lapses(&self) -> bool {
        self.returns.iter().any(|index| self.calls[*index as usize].duty == Duty::May)
    }
}

fn classes<O: Eq + Hash>(calls: &[Call<O>], equal: bool) -> Vec<u32> {
    if !equal {
        return (0..calls.len() as u32).collect();
    }
    let mut known: HashMap<(&O, Duty), u32> = HashMap::new();
    let mut class = Vec::with_capacity(calls.len());
    for Call { op, duty, .. } in calls {
        let next = known.len() as u32;
        class.push(*known.entry((op, *duty)).or_insert(next));
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: u64, call_ns: u64, return_ns: u64) -> Call<char> {
        Call { id, call_ns, return_ns, duty: Duty::Must, op: if id == 2 { 'b' } else { 'a' } }
    }

    #[test]
    fn places_are_used_again_and_touching_intervals_overlap() {
        let timeline = Timeline::of(vec![call(3, 20, 30), call(0, 0, 10), call(1, 5, 20), call(2, 11, u64::MAX)], true);
        assert_eq!(timeline.calls.iter().map(|call| call.id).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(timeline.returns, [0, 1, 3]);
        assert_eq!(timeline.made, [2, 4, 4]);
        assert_eq!((timeline.places, timeline.place.as_slice()), (3, [0, 1, 0, 2].as_slice()));
        assert_eq!(timeline.class, [0, 0, 1, 0]);
        assert_eq!(timeline.rank, [0, 1, NEVER, 2]);
    }
}
