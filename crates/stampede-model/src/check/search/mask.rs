//! Small sets of places, as bits in words: which pending calls of a configuration have taken effect.

use std::fmt::Debug;
use std::hash::Hash;

/// A set of places below [`Mask::PLACES`].
pub(super) trait Mask: Copy + Eq + Hash + Default + Debug {
    /// How many places there are.
    const PLACES: usize;

    /// The set of one place.
    fn of(place: u16) -> Self;
    /// What is in either.
    fn or(self, other: Self) -> Self;
    /// What is in this one only.
    fn without(self, other: Self) -> Self;
    /// Whether nothing is in it.
    fn is_empty(self) -> bool;

    /// Whether `place` is in it.
    fn has(self, place: u16) -> bool {
        Self::of(place).is_within(self)
    }

    /// Whether everything in it is in `other` too.
    fn is_within(self, other: Self) -> bool {
        self.without(other).is_empty()
    }
}

macro_rules! mask_of_one_word {
    ($word:ty) => {
        impl Mask for $word {
            const PLACES: usize = <$word>::BITS as usize;

            fn of(place: u16) -> Self {
                1 << place
            }

            fn or(self, other: Self) -> Self {
                self | other
            }

            fn without(self, other: Self) -> Self {
                self & !other
            }

            fn is_empty(self) -> bool {
                self == 0
            }
        }
    };
}

mask_of_one_word!(u64);
mask_of_one_word!(u128);

/// For crowds: eight words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Wide([u64; 8]);

impl Mask for Wide {
    const PLACES: usize = 512;

    fn of(place: u16) -> Self {
        let mut words = [0; 8];
        words[usize::from(place / 64)] = 1 << (place % 64);
        Self(words)
    }

    fn or(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    fn without(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    fn is_empty(self) -> bool {
        self.0 == [0; 8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behaves_like_a_set<B: Mask>() {
        let last = B::PLACES as u16 - 1;
        let both = B::of(3).or(B::of(last));
        assert!(both.has(3) && both.has(last) && !both.has(4));
        assert!(!both.without(B::of(3)).has(3) && both.without(B::of(3)).has(last));
        assert!(B::of(3).is_within(both) && !both.is_within(B::of(3)) && B::default().is_within(B::of(3)));
        assert!(both.without(both).is_empty() && !both.is_empty());
    }

    #[test]
    fn every_width_is_a_set() {
        behaves_like_a_set::<u64>();
        behaves_like_a_set::<u128>();
        behaves_like_a_set::<Wide>();
    }
}
