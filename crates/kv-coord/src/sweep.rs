//! When to look through a table for dead entries, so that its memory follows the live ones.
//!
//! Invariant: a look costs the table's length and happens after at least a third as many inserts, so inserting stays O(1)
//! on average and the table never holds more than about one and a half times what was alive at the last look.

/// Below this many inserts a look is not worth it.
const MIN_INSERTS: usize = 64;

/// Counts inserts since the last look.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    inserts: usize,
}

impl Sweep {
    /// Notes one insert into a table of `len` entries; true when the caller should now drop the dead ones.
    pub(crate) fn due_after_insert(&mut self, len: usize) -> bool {
        self.inserts += 1;
        if self.inserts < MIN_INSERTS.max(len / 3) {
            return false;
        }
        self.inserts = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_rare_and_does_come() {
        let mut sweep = Sweep::default();
        let looks = (0..64_000).filter(|_| sweep.due_after_insert(3_000)).count();
        assert_eq!(looks, 64);
    }
}
