//! A configuration: which of the pending calls have taken effect, and the state they led to.

use std::hash::{Hash, Hasher};

use super::mask::Mask;

/// Where one partial order of the calls has led, at some return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config<B, S> {
    /// Pending calls that took effect and may have changed the state.
    pub(super) updates: B,
    /// Pending calls that took effect and only observed.
    pub(super) observed: B,
    /// The state.
    pub(super) state: S,
}

impl<B: Mask, S> Config<B, S> {
    /// Before anything.
    pub(super) fn at(state: S) -> Self {
        Self { updates: B::default(), observed: B::default(), state }
    }

    /// All that took effect.
    pub(super) fn placed(&self) -> B {
        self.updates.or(self.observed)
    }

    /// Forgets `place`, whose call has returned.
    pub(super) fn forget(&mut self, place: u16) {
        self.updates = self.updates.without(B::of(place));
        self.observed = self.observed.without(B::of(place));
    }
}

/// A hash of words that is the same on every machine and in every run: multiply and rotate, mixed at the end.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.add(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.add(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ (mixed >> 32)
    }
}

/// The hash of anything by [`Mix`].
pub(super) fn mixed(value: &impl Hash) -> u64 {
    let mut hasher = Mix::default();
    value.hash(&mut hasher);
    hasher.finish()
}
