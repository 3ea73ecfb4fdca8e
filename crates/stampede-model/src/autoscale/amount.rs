//! A quantity in thousandths, as Kubernetes counts metrics.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A quantity of thousandths: `600`, `0.5` (`500m`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount {
    milli: u64,
}

impl Amount {
    /// The nearest quantity; what is negative or no number is 0, what is too large the largest.
    pub fn of(value: f64) -> Self {
        // A cast of a float saturates, and makes 0 of NaN.
        Self { milli: (value * 1_000.0).round() as u64 }
    }

    /// In thousandths.
    pub const fn milli(self) -> u64 {
        self.milli
    }

    /// As a number.
    pub fn value(self) -> f64 {
        self.milli as f64 / 1_000.0
    }
}

impl fmt::Display for Amount {
    /// As a manifest writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.milli.is_multiple_of(1_000) {
            write!(f, "{}", self.milli / 1_000)
        } else {
            write!(f, "{}m", self.milli)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_written_as_such() {
        let shown = |value: f64| Amount::of(value).to_string();
        assert_eq!(
            [shown(600.0), shown(0.5), shown(12.25), shown(-3.0), shown(f64::NAN)],
            ["600", "500m", "12250m", "0", "0"]
        );
    }
}
