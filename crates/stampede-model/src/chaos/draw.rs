//! The only random numbers of a chaos run: a function of seed and place, so that the same seed draws the same.

/// The `index`th number drawn from `seed`, below `below`; 0 when there is nothing to choose from.
///
/// Source: the output function of `SplitMix64` (Steele, Lea, Flood 2014).
pub fn draw(seed: u64, index: u64, below: u64) -> u64 {
    let mut state = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^= state >> 31;
    // The high half of the product spreads evenly without a division's bias towards small numbers.
    ((u128::from(state) * u128::from(below)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_all_are_drawn() {
        let drawn: Vec<u64> = (0..300).map(|index| draw(7, index, 3)).collect();
        assert_eq!(drawn, (0..300).map(|index| draw(7, index, 3)).collect::<Vec<_>>());
        for replica in 0..3 {
            let times = drawn.iter().filter(|one| **one == replica).count();
            assert!((60..140).contains(&times), "replica {replica} was drawn {times} times of 300");
        }
        assert_eq!(draw(7, 0, 0), 0);
    }
}
