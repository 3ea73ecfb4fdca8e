//! How arrivals are spread, and the unit gaps that spread them.
//!
//! Invariant: the gap before arrival *i* is a function of seed and *i* alone, so every generator draws the same ones.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// Equal gaps: arrival *i* where the rate has added up to *i*.
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

/// The exponential gap of mean 1 before arrival `index`.
pub(super) fn unit_gap(seed: u64, index: u64) -> f64 {
    -unit_interval(mix(seed ^ mix(index))).ln()
}

/// A well-mixed 64-bit hash, so that neighbouring indices give independent gaps. Source: `SplitMix64` (Steele, Lea, Flood
/// 2014), its output function.
pub(crate) fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Maps to (0, 1]: never zero, whose logarithm would be an endless gap.
pub(crate) fn unit_interval(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
}
