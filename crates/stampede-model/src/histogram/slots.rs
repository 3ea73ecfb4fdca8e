//! Which step a duration falls into, and which duration stands for a step.
//!
//! Invariants: steps are contiguous and ascending; below 128 ns a step is one nanosecond; above, every power of two is
//! cut into 128 equal steps; the last step takes everything from 2^37 ns (137 s) on.

const STEPS_BITS: u32 = 7;
const STEPS: usize = 1 << STEPS_BITS;
/// First power of two that no longer has steps of its own.
const TOP_BITS: u32 = 37;
const OCTAVES: usize = (TOP_BITS - STEPS_BITS) as usize;
const OVERFLOW: usize = STEPS + OCTAVES * STEPS;

/// Number of steps, the overflow step included.
pub(super) const SLOTS: usize = OVERFLOW + 1;

/// The step of `ns`.
pub(super) fn slot_of(ns: u64) -> usize {
    if ns < STEPS as u64 {
        return ns as usize;
    }
    let exponent = ns.ilog2();
    if exponent >= TOP_BITS {
        return OVERFLOW;
    }
    let shift = exponent - STEPS_BITS;
    let within = (ns >> shift) as usize - STEPS;
    STEPS + shift as usize * STEPS + within
}

/// The middle of step `slot`; the caller clamps it to the exact extremes.
pub(super) fn representative(slot: usize) -> u64 {
    if slot < STEPS {
        return slot as u64;
    }
    if slot >= OVERFLOW {
        // Nothing is known of the values beyond the range but the exact maximum: clamping yields it.
        return u64::MAX;
    }
    let shift = (slot - STEPS) / STEPS;
    let within = (slot - STEPS) % STEPS;
    let low = ((STEPS + within) as u64) << shift;
    low + (1_u64 << shift) / 2
}

/// Lowest value and width of step `slot` in nanoseconds; the last step has no end and counts as one nanosecond.
pub(crate) fn bounds(slot: usize) -> (u64, u64) {
    if slot < STEPS {
        return (slot as u64, 1);
    }
    if slot >= OVERFLOW {
        return (1 << TOP_BITS, 1);
    }
    let shift = (slot - STEPS) / STEPS;
    let within = (slot - STEPS) % STEPS;
    (((STEPS + within) as u64) << shift, 1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_a_step_enclose_what_falls_into_it() {
        for slot in 0..OVERFLOW {
            let (low, width) = bounds(slot);
            assert_eq!((slot_of(low), slot_of(low + width - 1), slot_of(low + width)), (slot, slot, slot + 1));
        }
    }

    #[test]
    fn steps_are_contiguous() {
        let mut expected = 0;
        for ns in 0..300_000_u64 {
            let slot = slot_of(ns);
            assert!(slot == expected || slot == expected + 1, "{ns} jumps to {slot} from {expected}");
            expected = slot;
        }
        assert_eq!(slot_of((1 << TOP_BITS) - 1), OVERFLOW - 1);
        assert_eq!(slot_of(1 << TOP_BITS), OVERFLOW);
        assert_eq!(slot_of(u64::MAX), OVERFLOW);
    }

    #[test]
    fn a_representative_lies_in_its_own_step() {
        for slot in 0..OVERFLOW {
            assert_eq!(slot_of(representative(slot)), slot);
        }
    }
}
