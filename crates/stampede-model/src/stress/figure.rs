//! One measured number with its name and unit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{BadUnit, parse_duration, parse_rate, parse_share, show_ns, show_share, trimmed};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Something per second.
    PerSecond,
    /// Nanoseconds.
    Ns,
    /// A number of things.
    Count,
    /// A part of a whole, 0 to 1.
    Share,
    /// Bytes.
    Bytes,
}

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name, as a threshold would write it: `tps`, `latency.p95`, `set.rps`.
    pub name: String,
    /// Its value in `unit`.
    pub value: f64,
    /// What it counts.
    pub unit: Unit,
}

impl Figure {
    /// A number.
    pub fn new(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { name: name.into(), value, unit }
    }

    /// A time given in milliseconds, as the tools print it.
    pub fn from_ms(name: impl Into<String>, ms: f64) -> Self {
        Self::new(name, ms * 1e6, Unit::Ns)
    }

    /// The value as a person reads it.
    pub fn shown(&self) -> String {
        self.unit.show(self.value)
    }
}

impl Unit {
    /// A value of this unit as a person reads it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", trimmed(value)),
            Self::Ns => show_ns(value.max(0.0) as u64),
            Self::Count => trimmed(value),
            Self::Share => show_share(value),
            Self::Bytes => show_bytes(value),
        }
    }

    /// Reads a limit of this unit as people type it.
    ///
    /// # Errors
    /// When the text is no value of this unit.
    pub fn parse(self, text: &str) -> Result<f64, BadUnit> {
        match self {
            Self::PerSecond => parse_rate(text),
            Self::Ns => {
                let duration: Duration = parse_duration(text)?;
                Ok(duration.as_nanos() as f64)
            }
            Self::Share => parse_share(text),
            Self::Count => parse_magnitude(text, &[("", 1.0), ("k", 1e3), ("m", 1e6)]),
            Self::Bytes => parse_magnitude(
                text,
                &[("", 1.0), ("b", 1.0), ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("k", 1e3), ("m", 1e6), ("g", 1e9)],
            ),
        }
    }
}

/// A count may be zero here (`deadlocks<=0`), unlike a count of things to do.
fn parse_magnitude(text: &str, units: &[(&str, f64)]) -> Result<f64, BadUnit> {
    let bad = || BadUnit::Count { given: text.to_owned() };
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| bad())?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
    Ok(number * factor)
}

fn show_bytes(bytes: f64) -> String {
    match bytes {
        ..1e3 => format!("{bytes} B"),
        ..1e6 => format!("{:.1} kB", bytes / 1e3),
        ..1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_their_unit() {
        assert_eq!(Unit::Ns.parse("50ms"), Ok(50e6));
        assert_eq!(Unit::PerSecond.parse("10k"), Ok(10e3));
        assert_eq!(Unit::Count.parse("0"), Ok(0.0));
        assert_eq!(Unit::Bytes.parse("1.5MB"), Ok(1.5e6));
        assert_eq!(Unit::Share.parse("99%"), Ok(0.99));
        assert!(Unit::Ns.parse("50").is_err(), "a time without its unit is never guessed");
        assert!(Unit::Count.parse("5ms").is_err());
    }

    #[test]
    fn values_are_shown_in_their_unit() {
        assert_eq!(Figure::from_ms("latency", 1.5).shown(), "1.50 ms");
        assert_eq!(Unit::Bytes.show(2_500_000.0), "2.5 MB");
        assert_eq!(Unit::PerSecond.show(1234.5), "1234.5/s");
    }
}
