//! When each request of an open model should leave: a formula, not a queue.
//!
//! Invariants: arrival *i* has one intended time, a function of rate, spacing, seed and *i* alone, so it does not matter
//! how many generators share the schedule or how late any of them is; intended times never descend; the same seed
//! replays the same run.
//! Absent on purpose: the past. A schedule is never shifted because the server was slow; that shift is exactly the error
//! (coordinated omission) which makes a stalled server look well.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const NS_PER_S: f64 = 1e9;

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// Equal gaps: arrival *i* at *i* / rate.
    #[default]
    Uniform,
    /// Exponential gaps, as independent users make them.
    Poisson,
}

/// A word that names no spacing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{given}` is no spacing: use uniform or poisson")]
pub struct BadSpacing {
    given: String,
}

impl FromStr for Spacing {
    type Err = BadSpacing;

    fn from_str(text: &str) -> Result<Self, BadSpacing> {
        match text {
            "uniform" => Ok(Self::Uniform),
            "poisson" => Ok(Self::Poisson),
            other => Err(BadSpacing { given: other.to_owned() }),
        }
    }
}

/// The intended times of all arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    rate_per_s: f64,
    spacing: Spacing,
    seed: u64,
}

/// A rate that no schedule can follow.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("a rate of {rate_per_s}/s cannot be scheduled: use more than 0 and at most {max}/s", max = Schedule::MAX_RATE_PER_S)]
pub struct BadRate {
    rate_per_s: f64,
}

/// One generator's part of a schedule: the arrivals whose number leaves the remainder `index` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which part, from 0.
    pub index: u64,
    /// How many parts there are; at least 1.
    pub of: u64,
}

impl Share {
    /// The whole schedule.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}

/// One request that should leave at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number in the whole schedule, from 0.
    pub index: u64,
    /// Its intended start in nanoseconds after the start of the run.
    pub at_ns: u64,
}

impl Schedule {
    /// One request per nanosecond is beyond any machine; more would make two arrivals indistinguishable.
    pub const MAX_RATE_PER_S: f64 = 1e9;

    /// A schedule of `rate_per_s` arrivals each second on average. The seed matters to [`Spacing::Poisson`] only.
    pub fn new(rate_per_s: f64, spacing: Spacing, seed: u64) -> Result<Self, BadRate> {
        if !rate_per_s.is_finite() || rate_per_s <= 0.0 || rate_per_s > Self::MAX_RATE_PER_S {
            return Err(BadRate { rate_per_s });
        }
        Ok(Self { rate_per_s, spacing, seed })
    }

    /// Average arrivals per second.
    pub fn rate_per_s(&self) -> f64 {
        self.rate_per_s
    }

    /// How arrivals are spread.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// The seed of the gaps.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The arrivals of one share, in order, without end.
    pub fn arrivals(&self, share: Share) -> Arrivals {
        assert!(share.of > 0 && share.index < share.of, "share {} of {}", share.index, share.of);
        Arrivals { schedule: *self, share, next_index: 0, clock_ns: 0.0 }
    }

    /// Arrivals of the whole schedule that are intended before `end_ns`.
    pub fn count_before(&self, end_ns: u64) -> u64 {
        match self.spacing {
            // Not a division: it must agree with the iterator to the last arrival.
            Spacing::Uniform => {
                let guess = (end_ns as f64 * self.rate_per_s / NS_PER_S) as u64;
                let mut count = guess.saturating_sub(2);
                while self.uniform_ns(count) < end_ns {
                    count += 1;
                }
                count
            }
            Spacing::Poisson => self.arrivals(Share::WHOLE).take_while(|arrival| arrival.at_ns < end_ns).count() as u64,
        }
    }

    fn uniform_ns(&self, index: u64) -> u64 {
        (index as f64 * NS_PER_S / self.rate_per_s) as u64
    }

    /// The exponential gap before arrival `index`, in nanoseconds.
    fn gap_ns(&self, index: u64) -> f64 {
        let uniform = unit_interval(mix(self.seed ^ mix(index)));
        -uniform.ln() * NS_PER_S / self.rate_per_s
    }
}

/// Iterator over one share of a schedule.
#[derive(Clone, Debug)]
pub struct Arrivals {
    schedule: Schedule,
    share: Share,
    next_index: u64,
    /// Intended time of the arrival before `next_index`; every share walks all gaps, so all shares agree.
    clock_ns: f64,
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if self.schedule.spacing == Spacing::Uniform {
            let index = self.share.index + self.next_index * self.share.of;
            self.next_index += 1;
            return Some(Arrival { index, at_ns: self.schedule.uniform_ns(index) });
        }
        loop {
            let index = self.next_index;
            self.clock_ns += self.schedule.gap_ns(index);
            self.next_index += 1;
            if index % self.share.of == self.share.index {
                return Some(Arrival { index, at_ns: self.clock_ns as u64 });
            }
        }
    }
}

/// A well-mixed 64-bit hash, so that neighbouring indices give independent gaps. Source: `SplitMix64` (Steele, Lea, Flood
/// 2014), its output function.
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Maps to (0, 1]: never zero, whose logarithm would be an endless gap.
fn unit_interval(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(rate: f64, spacing: Spacing) -> Schedule {
        Schedule::new(rate, spacing, 7).unwrap()
    }

    #[test]
    fn uniform_arrivals_follow_the_formula() {
        let times: Vec<u64> =
            schedule(1_000.0, Spacing::Uniform).arrivals(Share::WHOLE).take(4).map(|a| a.at_ns).collect();
        assert_eq!(times, [0, 1_000_000, 2_000_000, 3_000_000]);
        let third = schedule(3.0, Spacing::Uniform).arrivals(Share::WHOLE).nth(3_000).unwrap();
        assert_eq!(third.at_ns, 1_000_000_000_000, "thirds of a second must not drift");
    }

    #[test]
    fn nonsense_rates_are_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e9] {
            assert!(Schedule::new(rate, Spacing::Uniform, 0).is_err(), "{rate}");
        }
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_spread_of_an_exponential() {
        let count = 200_000;
        let times: Vec<u64> =
            schedule(1_000.0, Spacing::Poisson).arrivals(Share::WHOLE).take(count).map(|a| a.at_ns).collect();
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        let beyond = gaps.iter().filter(|gap| **gap > 3.0).count() as f64 / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.02, "mean gap {mean} ms");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
        assert!((beyond - (-3.0_f64).exp()).abs() < 0.005, "share beyond three means {beyond}");
    }

    #[test]
    fn another_seed_is_another_run_and_the_same_seed_the_same() {
        let first =
            |seed| Schedule::new(100.0, Spacing::Poisson, seed).unwrap().arrivals(Share::WHOLE).nth(50).unwrap();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    proptest! {
        #[test]
        fn shares_are_a_partition_of_the_whole(of in 1_u64..8, rate in 0.5_f64..50_000.0, poisson in any::<bool>()) {
            let spacing = if poisson { Spacing::Poisson } else { Spacing::Uniform };
            let schedule = schedule(rate, spacing);
            let whole: Vec<Arrival> = schedule.arrivals(Share::WHOLE).take(200).collect();
            let mut parts: Vec<Arrival> = (0..of)
                .flat_map(|index| schedule.arrivals(Share { index, of }).take_while(|a| a.index < 200).collect::<Vec<_>>())
                .collect();
            parts.sort_unstable_by_key(|arrival| arrival.index);
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn times_never_descend(rate in 0.001_f64..1e9, poisson in any::<bool>(), seed in any::<u64>()) {
            let spacing = if poisson { Spacing::Poisson } else { Spacing::Uniform };
            let schedule = Schedule::new(rate, spacing, seed).unwrap();
            let mut before = 0;
            for arrival in schedule.arrivals(Share::WHOLE).take(300) {
                prop_assert!(arrival.at_ns >= before);
                before = arrival.at_ns;
            }
        }

        #[test]
        fn counting_agrees_with_walking(rate in 0.5_f64..5_000.0, end_ns in 0_u64..2_000_000_000, poisson in any::<bool>()) {
            let spacing = if poisson { Spacing::Poisson } else { Spacing::Uniform };
            let schedule = schedule(rate, spacing);
            let walked = schedule.arrivals(Share::WHOLE).take_while(|a| a.at_ns < end_ns).count() as u64;
            prop_assert_eq!(schedule.count_before(end_ns), walked);
        }
    }
}
