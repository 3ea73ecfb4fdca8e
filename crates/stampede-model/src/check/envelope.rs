//! Between which figures a sum must lie, from the calls' intervals alone.
//!
//! The lower bound counts every taking from its call and every giving from its return; the upper one is the mirror. A call
//! whose outcome is unknown counts for the worse bound only, from its call on and for ever.
//! Invariants: an answer's reach is taken over its whole closed interval; what touches is concurrent; one pass over the
//! operations in the order of calls and ends, with memory for the calls that are open.
//! Absent on purpose: a search. An error that another pending call could explain lies within the bounds.

use std::collections::VecDeque;

/// When something was called and when it had ended; `u64::MAX` when it never did.
pub(crate) trait Spanned {
    /// The call.
    fn call_ns(&self) -> u64;
    /// The end.
    fn end_ns(&self) -> u64;
}

/// What an operation does to the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// It surely added so much, at some time between call and end.
    Sure(i64),
    /// It may have added so much, at any time after its call.
    Perhaps(i64),
}

/// The least and the most that the sum can have been during an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The least.
    pub(crate) least: i64,
    /// The most.
    pub(crate) most: i64,
}

/// Who looks at a sweep.
pub(crate) trait Watch<O> {
    /// What an operation does.
    fn change(&self, operation: &O) -> Change;
    /// Whether the reach of an operation's interval is wanted.
    fn asks(&self, operation: &O) -> bool;
    /// The reach over the interval of operation number `at`; its own change is in the reach as that of a pending call.
    fn reached(&mut self, at: usize, reach: Reach);
    /// The most that the sum can be after operation number `at` ended.
    fn ended(&mut self, at: usize, most: i64);
}

/// The numbers of those operations that ended, in the order of their ends.
pub(crate) fn by_end<O: Spanned>(operations: &[O]) -> Vec<u32> {
    let ended = |&at: &u32| operations[at as usize].end_ns() < u64::MAX;
    let mut order: Vec<u32> = (0..operations.len() as u32).filter(ended).collect();
    order.sort_unstable_by_key(|&at| (operations[at as usize].end_ns(), at));
    order
}

/// Goes through `operations`, which are in the order of their calls, and tells `watch` what can be said.
pub(crate) fn sweep<O: Spanned>(operations: &[O], by_end: &[u32], start: i64, watch: &mut impl Watch<O>) {
    let mut low = Lowest::of(start);
    let mut high = Lowest::of(-start);
    let (mut called, mut oldest) = (0, 0);
    for &ended in by_end {
        let operation = &operations[ended as usize];
        let end_ns = operation.end_ns();
        // At one instant calls stand before ends.
        while called < operations.len() && operations[called].call_ns() <= end_ns {
            let one = &operations[called];
            match watch.change(one) {
                Change::Sure(by) | Change::Perhaps(by) if by < 0 => low.add(by, one.call_ns()),
                Change::Sure(by) | Change::Perhaps(by) if by > 0 => high.add(-by, one.call_ns()),
                _ => {}
            }
            called += 1;
        }
        if watch.asks(operation) {
            let (least, most) = (low.since(operation.call_ns()), -high.since(operation.call_ns()));
            watch.reached(ended as usize, Reach { least, most });
        }
        match watch.change(operation) {
            Change::Sure(by) if by > 0 => low.add(by, end_ns),
            Change::Sure(by) if by < 0 => high.add(-by, end_ns),
            _ => {}
        }
        watch.ended(ended as usize, -high.now);
        while oldest < called && (operations[oldest].end_ns() < end_ns || !watch.asks(&operations[oldest])) {
            oldest += 1;
        }
        let needed_ns = if oldest < called { operations[oldest].call_ns() } else { end_ns };
        low.forget_before(needed_ns);
        high.forget_before(needed_ns);
    }
}

/// A value over time that knows its lowest since any moment that is still needed.
///
/// Kept are the values that nothing later undercut, each with the moment until which it was current.
#[derive(Debug)]
struct Lowest {
    now: i64,
    kept: VecDeque<(u64, i64)>,
}

impl Lowest {
    fn of(value: i64) -> Self {
        Self { now: value, kept: VecDeque::from([(u64::MAX, value)]) }
    }

    fn add(&mut self, by: i64, at_ns: u64) {
        self.now = self.now.saturating_add(by);
        if let Some(current) = self.kept.back_mut() {
            current.0 = at_ns;
        }
        while self.kept.back().is_some_and(|(_, value)| *value >= self.now) {
            self.kept.pop_back();
        }
        self.kept.push_back((u64::MAX, self.now));
    }

    /// The lowest value that was current at `from_ns` or later.
    fn since(&self, from_ns: u64) -> i64 {
        let first = self.kept.partition_point(|(until_ns, _)| *until_ns < from_ns);
        self.kept.get(first).map_or(self.now, |(_, value)| *value)
    }

    fn forget_before(&mut self, needed_ns: u64) {
        while self.kept.front().is_some_and(|(until_ns, _)| *until_ns < needed_ns) {
            self.kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Call, end, change, whether it asks.
    type One = (u64, u64, i64, bool);

    impl Spanned for One {
        fn call_ns(&self) -> u64 {
            self.0
        }
        fn end_ns(&self) -> u64 {
            self.1
        }
    }

    #[derive(Default)]
    struct Seen {
        reaches: Vec<(usize, i64, i64)>,
        lowest_most: i64,
    }

    impl Watch<One> for Seen {
        fn change(&self, one: &One) -> Change {
            match one {
                (_, u64::MAX, by, _) => Change::Perhaps(*by),
                (_, _, by, _) => Change::Sure(*by),
            }
        }
        fn asks(&self, one: &One) -> bool {
            one.3
        }
        fn reached(&mut self, at: usize, reach: Reach) {
            self.reaches.push((at, reach.least, reach.most));
        }
        fn ended(&mut self, _: usize, most: i64) {
            self.lowest_most = self.lowest_most.min(most);
        }
    }

    fn seen(operations: &[One], start: i64) -> Seen {
        let mut seen = Seen::default();
        sweep(operations, &by_end(operations), start, &mut seen);
        seen
    }

    #[test]
    fn a_read_sees_what_may_be_pending_and_must_see_what_has_ended() {
        let took_before = (0, 5, -1, false);
        let takes_during = (8, 20, -2, false);
        let gives_during = (9, 20, 4, false);
        let read = (10, 15, 0, true);
        assert_eq!(seen(&[took_before, takes_during, gives_during, read], 10).reaches, [(3, 7, 13)]);
    }

    #[test]
    fn what_touches_is_concurrent_and_what_is_unknown_never_ends() {
        assert_eq!(seen(&[(0, 10, -1, false), (10, 12, 0, true)], 5).reaches, [(1, 4, 5)]);
        assert_eq!(seen(&[(0, 9, -1, false), (10, 12, 0, true)], 5).reaches, [(1, 4, 4)]);
        assert_eq!(seen(&[(10, 12, 0, true), (12, 14, -1, false)], 5).reaches, [(0, 4, 5)]);
        assert_eq!(seen(&[(0, u64::MAX, -1, false), (100, 120, 0, true)], 5).reaches, [(1, 4, 5)]);
    }

    #[test]
    fn a_dip_inside_a_long_interval_is_remembered() {
        let long = (0, 100, 0, true);
        let operations = [long, (1, 2, -3, false), (5, 6, 3, false), (7, 8, 2, false), (9, 10, -2, false)];
        assert_eq!(seen(&operations, 5).reaches, [(0, 2, 7)]);
    }

    #[test]
    fn more_taken_than_there_was_is_below_zero() {
        assert_eq!(seen(&[(0, 2, -1, false), (1, 3, -1, false)], 1).lowest_most, -1);
        assert_eq!(seen(&[(0, 2, -1, false), (1, 3, -1, false), (1, u64::MAX, 1, false)], 1).lowest_most, 0);
    }
}
