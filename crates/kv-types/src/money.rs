//! Money: integer minor units (cents) and an ISO 4217 code. Never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// A price or total in minor units of its currency, zero or more.
///
/// ```
/// use kv_types::MinorUnits;
/// assert_eq!(MinorUnits::parse_price(1_299).unwrap().get(), 1_299);
/// assert!(MinorUnits::parse_price(-1).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MinorUnits(i64);

impl MinorUnits {
    /// The largest unit price, so that no order's total can overflow.
    pub const MAX_PRICE: i64 = 10_000_000_000;

    /// Checks a unit price from outside; `None` below zero or above [`Self::MAX_PRICE`].
    pub fn parse_price(raw: i64) -> Option<Self> {
        (0..=Self::MAX_PRICE).contains(&raw).then_some(Self(raw))
    }

    /// The number of minor units.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// Three capital letters, as in ISO 4217.
///
/// ```
/// use kv_types::Currency;
/// assert_eq!("EUR".parse::<Currency>().unwrap().as_str(), "EUR");
/// assert!("eur".parse::<Currency>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

/// Not three capital letters.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a currency is three capital letters, for example EUR")]
pub struct BadCurrency;

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII capitals, as `from_str` checked")
    }
}

impl FromStr for Currency {
    type Err = BadCurrency;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let bytes: [u8; 3] = raw.as_bytes().try_into().map_err(|_| BadCurrency)?;
        if !bytes.iter().all(u8::is_ascii_uppercase) {
            return Err(BadCurrency);
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
