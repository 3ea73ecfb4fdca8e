//! Time-outs of all requests under way, without a timer per request.
//!
//! All requests have the same time-out, so the order in which they start is the order in which they expire: a queue. It is
//! a list linked through the slots, because a request that finished leaves from the middle.
//! Invariant: a slot is in the list at most once, so memory is bounded by the number of slots.

/// Index of a slot.
pub(super) type SlotId = usize;

const NONE: SlotId = SlotId::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    before: SlotId,
    after: SlotId,
    deadline_ns: u64,
    member: Member,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    In,
    Out,
}

const OUT: Link = Link { before: NONE, after: NONE, deadline_ns: 0, member: Member::Out };

/// The list.
#[derive(Debug)]
pub(super) struct Deadlines {
    links: Vec<Link>,
    first: SlotId,
    last: SlotId,
}

impl Deadlines {
    pub(super) fn new() -> Self {
        Self { links: Vec::new(), first: NONE, last: NONE }
    }

    /// Sets the deadline of `slot`, which replaces an earlier one. Deadlines must not descend from call to call.
    pub(super) fn set(&mut self, slot: SlotId, deadline_ns: u64) {
        self.clear(slot);
        if slot >= self.links.len() {
            self.links.resize(slot + 1, OUT);
        }
        debug_assert!(self.last == NONE || self.links[self.last].deadline_ns <= deadline_ns, "deadlines descend");
        self.links[slot] = Link { before: self.last, after: NONE, deadline_ns, member: Member::In };
        match self.last {
            NONE => self.first = slot,
            last => self.links[last].after = slot,
        }
        self.last = slot;
    }

    /// Removes the deadline of `slot`, if any.
    pub(super) fn clear(&mut self, slot: SlotId) {
        let Some(link) = self.links.get(slot).copied().filter(|link| link.member == Member::In) else { return };
        match link.before {
            NONE => self.first = link.after,
            before => self.links[before].after = link.after,
        }
        match link.after {
            NONE => self.last = link.before,
            after => self.links[after].before = link.before,
        }
        self.links[slot] = OUT;
    }

    /// Removes and returns a slot whose deadline is at or before `now_ns`, the earliest first.
    pub(super) fn pop_expired(&mut self, now_ns: u64) -> Option<SlotId> {
        let first = self.first;
        let due = first != NONE && self.links[first].deadline_ns <= now_ns;
        if !due {
            return None;
        }
        self.clear(first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(SlotId),
        Clear(SlotId),
        Expire,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step =
            prop_oneof![(0..12_usize).prop_map(Step::Set), (0..12_usize).prop_map(Step::Clear), Just(Step::Expire),];
        vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_map(steps in steps()) {
            let mut list = Deadlines::new();
            let mut model: BTreeMap<SlotId, u64> = BTreeMap::new();
            for (clock, step) in steps.into_iter().enumerate() {
                let now_ns = clock as u64;
                match step {
                    Step::Set(slot) => {
                        list.set(slot, now_ns + 10);
                        model.insert(slot, now_ns + 10);
                    }
                    Step::Clear(slot) => {
                        list.clear(slot);
                        model.remove(&slot);
                    }
                    Step::Expire => {
                        let mut due: Vec<(u64, SlotId)> =
                            model.iter().filter(|(_, at)| **at <= now_ns).map(|(slot, at)| (*at, *slot)).collect();
                        due.sort_unstable();
                        for (_, slot) in due {
                            prop_assert_eq!(list.pop_expired(now_ns), Some(slot));
                            model.remove(&slot);
                        }
                        prop_assert_eq!(list.pop_expired(now_ns), None);
                    }
                }
            }
        }
    }
}
