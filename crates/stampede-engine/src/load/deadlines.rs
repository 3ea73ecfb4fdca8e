//! Time-outs of all requests under way, without a timer per request: one number per slot, looked through at every tick.
//!
//! Setting and clearing is one store on the hot path. A look costs a nanosecond per slot, a hundred times a second.
//! Invariant: memory is bounded by the number of slots.

/// Index of a slot.
pub(super) type SlotId = usize;

const NONE: u64 = u64::MAX;

/// The deadlines.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    at_ns: Vec<u64>,
}

impl Deadlines {
    /// Makes room for one more slot.
    pub(super) fn grow(&mut self) {
        self.at_ns.push(NONE);
    }

    /// Sets the deadline of `slot`, which replaces an earlier one.
    pub(super) fn set(&mut self, slot: SlotId, deadline_ns: u64) {
        self.at_ns[slot] = deadline_ns;
    }

    /// Removes the deadline of `slot`, if any.
    pub(super) fn clear(&mut self, slot: SlotId) {
        self.at_ns[slot] = NONE;
    }

    /// Removes and tells every slot whose deadline is at or before `now_ns`.
    pub(super) fn expire(&mut self, now_ns: u64, mut expired: impl FnMut(SlotId)) {
        for (slot, at_ns) in self.at_ns.iter_mut().enumerate() {
            if *at_ns <= now_ns && *at_ns != NONE {
                *at_ns = NONE;
                expired(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expired(deadlines: &mut Deadlines, now_ns: u64) -> Vec<SlotId> {
        let mut slots = Vec::new();
        deadlines.expire(now_ns, |slot| slots.push(slot));
        slots
    }

    #[test]
    fn what_is_due_expires_once() {
        let mut deadlines = Deadlines::default();
        (0..4).for_each(|_| deadlines.grow());
        deadlines.set(0, 30);
        deadlines.set(1, 10);
        deadlines.set(2, 20);
        deadlines.clear(1);
        assert!(expired(&mut deadlines, 19).is_empty());
        assert_eq!(expired(&mut deadlines, 20), [2]);
        assert_eq!(expired(&mut deadlines, u64::MAX), [0]);
        assert!(expired(&mut deadlines, u64::MAX).is_empty());
    }
}
