//! How long to wait before the next attempt.

use std::time::Duration;

/// A pause that doubles with each attempt up to a cap, of which a random part is waited (full jitter), so that jobs which
/// failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most that is waited after the first attempt.
    pub base: Duration,
    /// The most that is waited after any.
    pub cap: Duration,
}

impl RetryPolicy {
    /// Two seconds, doubled up to ten minutes.
    pub const DEFAULT: Self = Self { base: Duration::from_secs(2), cap: Duration::from_mins(10) };

    /// The most that is waited after this attempt, counted from 1.
    pub fn ceiling_ms(self, attempt: u32) -> u64 {
        let doubled = self.base.as_millis() << attempt.saturating_sub(1).min(32);
        doubled.min(self.cap.as_millis()) as u64
    }

    /// The pause after this attempt: `random`'s share of the ceiling, from nothing for 0 to all of it for `u64::MAX`.
    pub fn delay_ms(self, attempt: u32, random: u64) -> u64 {
        let choices = u128::from(self.ceiling_ms(attempt)) + 1;
        ((choices * u128::from(random)) >> 64) as u64
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_doubles_up_to_the_cap() {
        let ceilings: Vec<_> = (1..=11).map(|attempt| RetryPolicy::DEFAULT.ceiling_ms(attempt)).collect();
        let expected = [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600].map(|seconds| seconds * 1_000);
        assert_eq!(ceilings, expected);
    }

    #[test]
    fn the_ends_of_the_jitter() {
        assert_eq!(RetryPolicy::DEFAULT.delay_ms(3, 0), 0);
        assert_eq!(RetryPolicy::DEFAULT.delay_ms(3, u64::MAX), 8_000);
        assert_eq!(RetryPolicy::DEFAULT.delay_ms(3, 1 << 63), 4_000);
    }

    proptest! {
        #[test]
        fn never_more_than_the_ceiling(attempt in any::<u32>(), random in any::<u64>()) {
            prop_assert!(RetryPolicy::DEFAULT.delay_ms(attempt, random) <= RetryPolicy::DEFAULT.ceiling_ms(attempt));
        }
    }
}
