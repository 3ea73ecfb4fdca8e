//! The count under one key, as a function of state and time.
//!
//! Invariant: times in a log never go down and number at most the policy's limit.

use std::collections::VecDeque;

use super::decision::Usage;
use super::policy::{Counting, Policy};

/// One key's count. Times in microseconds of the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tally {
    Log(VecDeque<u64>),
    Window { begin_us: u64, used: u64 },
}

impl Tally {
    pub(crate) const fn new(policy: &Policy) -> Self {
        match policy.counting() {
            Counting::SlidingLog => Self::Log(VecDeque::new()),
            Counting::FixedWindow => Self::Window { begin_us: 0, used: 0 },
        }
    }

    /// Forgets what has left the window; returns how many remain.
    pub(crate) fn used(&mut self, policy: &Policy, now_us: u64) -> u64 {
        let window_us = policy.window_us();
        match self {
            Self::Log(times) => {
                // Each call is dropped once, so this is one step per call on average.
                while times.front().is_some_and(|&time| time + window_us <= now_us) {
                    times.pop_front();
                }
                times.len() as u64
            }
            Self::Window { begin_us, used } => {
                if *begin_us + window_us <= now_us {
                    *used = 0;
                }
                *used
            }
        }
    }

    /// Adds one call. [`Tally::used`] has been asked with the same `now_us`.
    pub(crate) fn record(&mut self, policy: &Policy, now_us: u64) {
        match self {
            Self::Log(times) => {
                // Only a penalty comes past the limit; it takes the place of the oldest, so that the refusal lasts.
                while times.len() >= policy.limit() as usize {
                    times.pop_front();
                }
                times.push_back(now_us);
            }
            Self::Window { begin_us, used } => {
                if *used == 0 {
                    *begin_us = now_us;
                }
                *used += 1;
            }
        }
    }

    /// What to tell the caller. [`Tally::used`] has been asked with the same `now_us`.
    pub(crate) fn usage(&self, policy: &Policy, used_before: u64, now_us: u64) -> Usage {
        let window_us = policy.window_us();
        let left = |time: u64| (time + window_us).saturating_sub(now_us);
        match self {
            Self::Log(times) => {
                // A limit lowered since leaves more in the log than it allows; then more than the oldest must go.
                let next = times.len().saturating_sub(policy.limit() as usize);
                Usage {
                    used_before,
                    used_after: times.len() as u64,
                    next_free_us: times.get(next).copied().map_or(0, left),
                    all_free_us: times.back().copied().map_or(0, left),
                }
            }
            Self::Window { begin_us, used } => {
                let until_us = if *used == 0 { 0 } else { left(*begin_us) };
                Usage { used_before, used_after: *used, next_free_us: until_us, all_free_us: until_us }
            }
        }
    }
}
