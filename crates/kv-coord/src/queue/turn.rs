//! Which queue is looked into first.
//!
//! The rule, by the number of the job that is handed out: every 16th looks into low first, every other 4th into default first,
//! all others into high first; behind that the order is high, default, low. So with work in all three, of 16 jobs 12 are high,
//! 3 are default and 1 is low, and whatever stands first in low leaves with the 16th job at the latest.

use super::job::Priority;

/// After this many jobs low comes first once.
pub(crate) const LOW_FIRST_EVERY: u64 = 16;
/// After this many jobs default comes first once, unless it is low's turn.
pub(crate) const DEFAULT_FIRST_EVERY: u64 = 4;

/// In which order the queues are looked into for the job with this number, counted from 1.
pub(crate) const fn order_of(turn: u64) -> [Priority; 3] {
    if turn.is_multiple_of(LOW_FIRST_EVERY) {
        [Priority::Low, Priority::High, Priority::Default]
    } else if turn.is_multiple_of(DEFAULT_FIRST_EVERY) {
        [Priority::Default, Priority::High, Priority::Low]
    } else {
        Priority::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_three_and_one_of_sixteen() {
        for begin in [1, 5, 1_000] {
            let first = |wanted: Priority| (begin..begin + 16).filter(|&turn| order_of(turn)[0] == wanted).count();
            assert_eq!([first(Priority::High), first(Priority::Default), first(Priority::Low)], [12, 3, 1]);
        }
    }

    #[test]
    fn each_order_has_all_three() {
        for turn in 1..=16 {
            let mut order = order_of(turn);
            order.sort_unstable();
            assert_eq!(order, Priority::ALL);
        }
    }
}
