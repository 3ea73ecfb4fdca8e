//! How many units one line may name.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::money::MinorUnits;

/// A line's quantity in base units: 1 to [`Quantity::MAX`].
///
/// ```
/// use kv_types::Quantity;
/// assert_eq!(Quantity::parse(7).unwrap().units(), 7);
/// assert!(Quantity::parse(0).is_err());
/// assert!(Quantity::parse(-1).is_err());
/// assert!(Quantity::parse(1_000_001).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(i64);

/// A number outside 1 to [`Quantity::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{raw} is not a quantity: use a whole number from 1 to {max}", max = Quantity::MAX)]
pub struct BadQuantity {
    /// What was given.
    pub raw: i64,
}

// The largest order (100 lines, each of the largest quantity at the largest price) still fits i64 minor units.
const _: () = assert!(Quantity::MAX as i128 * MinorUnits::MAX_PRICE as i128 * 100 <= i64::MAX as i128);

impl Quantity {
    /// The largest quantity of one line.
    pub const MAX: i64 = 1_000_000;

    /// Checks a number from outside.
    pub fn parse(raw: i64) -> Result<Self, BadQuantity> {
        if (1..=Self::MAX).contains(&raw) { Ok(Self(raw)) } else { Err(BadQuantity { raw }) }
    }

    /// The number of base units.
    pub const fn units(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = BadQuantity;

    fn try_from(raw: i64) -> Result<Self, BadQuantity> {
        Self::parse(raw)
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> Self {
        quantity.units()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
