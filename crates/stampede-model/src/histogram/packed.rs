//! A histogram in as few bytes as it needs: what the many seconds of a run are kept in.
//!
//! Invariant: packing and unpacking is lossless; a thousand samples around one latency take some hundred bytes where the
//! histogram itself takes 31 KiB.

use serde::{Deserialize, Serialize};

use super::Histogram;

/// A histogram at rest. It is filled as a [`Histogram`] and stored in a run file as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Histogram", into = "Histogram")]
pub struct Packed {
    /// Variable-length integers (seven bits a byte, low first): see [`Packed::of`].
    bytes: Box<[u8]>,
}

/// What stands in front of the slots: count, censored, shortest censored, minimum, maximum, two halves of the sum.
const HEADER: usize = 7;

/// The head of a packed histogram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) count: u64,
    pub(crate) censored: u64,
    pub(crate) censored_min_ns: u64,
    pub(crate) sum_ns: u128,
}

impl Packed {
    /// Packs `full`: count, censored, shortest censored, minimum, maximum, sum (two halves), then pairs of the distance to
    /// the last filled step and the samples in it. Nothing at all when it is empty.
    pub fn of(full: &Histogram) -> Self {
        let mut bytes = Vec::new();
        if full.count == 0 {
            return Self::default();
        }
        let (sum_high, sum_low) = ((full.sum_ns >> 64) as u64, full.sum_ns as u64);
        for value in [full.count, full.censored, full.censored_min_ns, full.min_ns, full.max_ns, sum_high, sum_low] {
            push(&mut bytes, value);
        }
        let mut before = 0;
        for (slot, samples) in full.slots.iter().enumerate().filter(|(_, samples)| **samples > 0) {
            push(&mut bytes, (slot - before) as u64);
            push(&mut bytes, *samples);
            before = slot;
        }
        Self { bytes: bytes.into_boxed_slice() }
    }

    /// Adds what is packed to `full`.
    pub fn merge_into(&self, full: &mut Histogram) {
        let mut bytes = self.bytes.iter();
        let mut next = || pull(&mut bytes);
        let Some(count) = next() else { return };
        let mut field = || next().unwrap_or(0);
        full.count += count;
        full.censored += field();
        full.censored_min_ns = full.censored_min_ns.min(field());
        full.min_ns = full.min_ns.min(field());
        full.max_ns = full.max_ns.max(field());
        full.sum_ns += u128::from(field()) << 64;
        full.sum_ns += u128::from(field());
        let slots = full.slots_mut();
        let mut slot = 0;
        while let Some(distance) = next() {
            slot += distance as usize;
            slots[slot] += next().unwrap_or(0);
        }
    }

    /// Its samples, the censored among them, the shortest censored one and the sum of all, without unpacking it; `None` when
    /// it is empty.
    pub(crate) fn totals(&self) -> Option<Totals> {
        let mut bytes = self.bytes.iter();
        let count = pull(&mut bytes)?;
        let mut field = || pull(&mut bytes).unwrap_or(0);
        let (censored, censored_min_ns, _min, _max) = (field(), field(), field(), field());
        let sum_ns = u128::from(field()) << 64 | u128::from(field());
        Some(Totals { count, censored, censored_min_ns, sum_ns })
    }

    /// Filled slots and the samples in each, ascending, without unpacking it.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let mut bytes = self.bytes.iter();
        for _ in 0..HEADER {
            pull(&mut bytes);
        }
        let mut slot = 0;
        std::iter::from_fn(move || {
            slot += pull(&mut bytes)? as usize;
            Some((slot, pull(&mut bytes)?))
        })
    }

    /// The histogram.
    pub fn unpack(&self) -> Histogram {
        let mut full = Histogram::new();
        self.merge_into(&mut full);
        full
    }

    /// Whether it holds no sample.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes it takes.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl From<Histogram> for Packed {
    fn from(full: Histogram) -> Self {
        Self::of(&full)
    }
}

impl From<Packed> for Histogram {
    fn from(packed: Packed) -> Self {
        packed.unpack()
    }
}

fn push(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn pull<'a>(bytes: &mut impl Iterator<Item = &'a u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = *bytes.next()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packing_loses_nothing(exact in vec(any::<u64>(), 0..200), censored in vec(0..1_u64 << 40, 0..20)) {
            let mut full = Histogram::new();
            for ns in &exact {
                full.record(*ns);
            }
            for ns in &censored {
                full.record_at_least(*ns);
            }
            let packed = Packed::of(&full);
            prop_assert_eq!(&packed.unpack(), &full);
            prop_assert_eq!(packed.is_empty(), full.count() == 0);
            prop_assert_eq!(packed.slots().map(|(_, samples)| samples).sum::<u64>(), full.count());
            let slots: Vec<(usize, u64)> =
                full.slots.iter().copied().enumerate().filter(|(_, samples)| *samples > 0).collect();
            prop_assert_eq!(packed.slots().collect::<Vec<_>>(), slots);
            let totals = packed.totals().map(|totals| (totals.count, totals.censored, totals.sum_ns));
            prop_assert_eq!(totals, (full.count() > 0).then_some((full.count(), full.censored(), full.sum_ns())));
            let text = serde_json::to_string(&packed).unwrap();
            // A stored sum ends at u64.
            if exact.iter().map(|ns| u128::from(*ns)).sum::<u128>() < 1 << 63 {
                prop_assert_eq!(serde_json::from_str::<Packed>(&text).unwrap(), packed);
            }
        }
    }

    #[test]
    fn a_usual_second_is_small() {
        let mut full = Histogram::new();
        (0..1_000).for_each(|sample| full.record(700_000 + sample * 400));
        let bytes = Packed::of(&full).len_bytes();
        assert!(bytes < 400, "{bytes} bytes");
    }
}
