//! Drawing the points of a run anew: a circular block bootstrap.
//!
//! Invariants: a draw has as many points as the run; every point is as likely as any other; all steps of a run are drawn
//! together, so that what they have in common stays common; the same seed gives the same draws.

use super::figures::{Figures, Room, figures};
use super::series::Side;
use crate::schedule::mix;

/// The figures of every draw, by draw and series.
pub(super) fn draws(side: &Side, count: u32, seed: u64) -> Vec<Vec<Figures>> {
    let points = side.points();
    let mut random = Random { state: mix(seed) };
    let mut weights = vec![0; points];
    let mut room = Room::default();
    let mut draw = || {
        fill(&mut weights, side.block, &mut random);
        side.series.iter().map(|series| figures(series, &weights, &mut room)).collect()
    };
    (0..count).map(|_| draw()).collect()
}

/// Counts how often each point is drawn.
fn fill(weights: &mut [u32], block: usize, random: &mut Random) {
    let points = weights.len();
    weights.fill(0);
    let mut missing = points;
    while missing > 0 {
        let start = random.below(points);
        let take = block.min(missing);
        for step in 0..take {
            weights[(start + step) % points] += 1;
        }
        missing -= take;
    }
}

/// A seeded stream of numbers: `SplitMix64`, whose output function [`mix`] is.
struct Random {
    state: u64,
}

impl Random {
    /// A number below `end`, which is far below 2^32, so the multiplication has no bias worth naming.
    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(1);
        ((u128::from(mix(self.state)) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_has_as_many_points_and_favours_none() {
        let mut random = Random { state: 3 };
        let mut sums = [0_u32; 10];
        let mut weights = [0; 10];
        for _ in 0..20_000 {
            fill(&mut weights, 4, &mut random);
            assert_eq!(weights.iter().sum::<u32>(), 10);
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
        }
        for sum in sums {
            assert!(sum.abs_diff(20_000) < 600, "{sums:?}");
        }
    }
}
