//! Durations, counts, rates and shares as people type and read them.
//!
//! Invariants: a duration typed without its unit is refused, never guessed; everything printed here can be typed again.
//! Absent on purpose: locale. A comma groups thousands, a point is the decimal mark.

use std::time::Duration;

use thiserror::Error;

use crate::histogram::{Bound, Figure};

/// A value that cannot be read, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadUnit {
    /// Not a duration.
    #[error("`{given}` is no duration: write a number and a unit, such as 500ms, 30s, 2m or 1h")]
    Duration {
        /// What was given.
        given: String,
    },
    /// Not a count.
    #[error("`{given}` is no count: write a whole number from 1, such as 500, 10k or 2m")]
    Count {
        /// What was given.
        given: String,
    },
    /// Not a rate.
    #[error("`{given}` is no rate: write requests per second, such as 200, 1.5k, 1k/s or 90/m")]
    Rate {
        /// What was given.
        given: String,
    },
    /// Not an amount of memory.
    #[error("`{given}` is no amount of memory: write a number and a unit, such as 512kb, 256mb or 1gb")]
    Bytes {
        /// What was given.
        given: String,
    },
    /// Not a share.
    #[error("`{given}` is no share: write a percentage such as 0.1% or a fraction from 0 to 1")]
    Share {
        /// What was given.
        given: String,
    },
}

/// Reads `500ms`, `30s`, `1.5s`, `2m`, `1h`, `250us` (also `µs`, `ns`); one number, one unit, both required.
pub fn parse_duration(text: &str) -> Result<Duration, BadUnit> {
    let bad = || BadUnit::Duration { given: text.to_owned() };
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let unit_s = match unit.to_ascii_lowercase().as_str() {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err(bad()),
    };
    Duration::try_from_secs_f64(number * unit_s).map_err(|_| bad())
}

/// Reads `500`, `10k`, `2m` (k = thousand, m = million); at least 1.
pub fn parse_count(text: &str) -> Result<u64, BadUnit> {
    let bad = || BadUnit::Count { given: text.to_owned() };
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let count = number * magnitude(unit).ok_or_else(bad)?;
    if count < 1.0 || count.fract() != 0.0 || count > 1e15 {
        return Err(bad());
    }
    Ok(count as u64)
}

/// Reads `200`, `1.5k`, `1k/s`, `90/m` as requests per second; more than 0.
pub fn parse_rate(text: &str) -> Result<f64, BadUnit> {
    let bad = || BadUnit::Rate { given: text.to_owned() };
    let (amount, per_s) = match text.split_once('/') {
        None => (text, 1.0),
        Some((amount, "s")) => (amount, 1.0),
        Some((amount, "m" | "min")) => (amount, 60.0),
        Some((amount, "h")) => (amount, 3_600.0),
        Some(_) => return Err(bad()),
    };
    let (number, unit) = split_number(amount).ok_or_else(bad)?;
    let rate = number * magnitude(unit).ok_or_else(bad)? / per_s;
    if rate > 0.0 { Ok(rate) } else { Err(bad()) }
}

/// Reads `0.1%` or `0.001`; 0 to 1.
pub fn parse_share(text: &str) -> Result<f64, BadUnit> {
    let bad = || BadUnit::Share { given: text.to_owned() };
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let share = match unit {
        "" => number,
        "%" => number / 100.0,
        _ => return Err(bad()),
    };
    if share <= 1.0 { Ok(share) } else { Err(bad()) }
}

/// Reads `512kb`, `256mb`, `1gb`, as Redis does: 1 kb is 1,024 bytes; `b` alone is a byte.
pub fn parse_bytes(text: &str) -> Result<u64, BadUnit> {
    let bad = || BadUnit::Bytes { given: text.to_owned() };
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let unit_bytes = match unit.to_ascii_lowercase().as_str() {
        "b" => 1.0,
        "kb" => 1_024.0,
        "mb" => 1_048_576.0,
        "gb" => 1_073_741_824.0,
        _ => return Err(bad()),
    };
    let bytes = number * unit_bytes;
    if (1.0..1e15).contains(&bytes) { Ok(bytes as u64) } else { Err(bad()) }
}

/// An amount of memory as it would be typed: `256mb`, `1.5gb`.
pub fn show_bytes(bytes: u64) -> String {
    let (unit_bytes, unit) = match bytes {
        0..1_024 => (1.0, "b"),
        1_024..1_048_576 => (1_024.0, "kb"),
        1_048_576..1_073_741_824 => (1_048_576.0, "mb"),
        _ => (1_073_741_824.0, "gb"),
    };
    let places = usize::from(bytes >= 1_024);
    let text = format!("{:.places$}", bytes as f64 / unit_bytes);
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// A share as it would be typed: `99.9%`.
pub fn show_percent(share: f64) -> String {
    format!("{}%", trimmed(share * 100.0))
}

/// Splits `1.5k` into 1.5 and `k`; `None` without a finite, non-negative number in front.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    number.is_finite().then_some((number, text[end..].trim()))
}

fn magnitude(unit: &str) -> Option<f64> {
    match unit {
        "" => Some(1.0),
        "k" | "K" => Some(1e3),
        "m" | "M" => Some(1e6),
        _ => None,
    }
}

/// `30000` as `30,000`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Nanoseconds as `45 µs`, `3.12 ms`, `1.92 s`: three significant digits, the unit a person would choose.
pub fn show_ns(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let places = if value >= 99.95 { 0 } else { usize::from(value < 99.95) + usize::from(value < 9.995) };
    format!("{value:.places$} {unit}")
}

/// A figure of a distribution, with `≥` when it is only a lower bound.
pub fn show_figure(figure: Option<Figure>) -> String {
    match figure {
        None => "-".to_owned(),
        Some(Figure { ns, bound: Bound::Exact }) => show_ns(ns),
        Some(Figure { ns, bound: Bound::AtLeast }) => format!("≥ {}", show_ns(ns)),
    }
}

/// A duration as it would be typed: `30s`, `500ms`, `1.5s`.
pub fn show_duration(duration: Duration) -> String {
    let ns = duration.as_nanos();
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}us", trimmed(ns as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{}ms", trimmed(ns as f64 / 1e6)),
        _ => format!("{}s", trimmed(ns as f64 / 1e9)),
    }
}

/// A share as `0.10 %`.
pub fn show_share(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A number with at most three decimals and no trailing zeros.
pub fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_as_typed() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(parse_duration("60S"), Ok(Duration::from_mins(1)), "siege writes a capital S");
        for bad in ["30", "", "s", "-1s", "1.2.3s", "30 parsecs", "1e400s", "NaNs"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_as_typed() {
        assert_eq!(parse_count("500"), Ok(500));
        assert_eq!(parse_count("10k"), Ok(10_000));
        assert_eq!(parse_count("1.5m"), Ok(1_500_000));
        for bad in ["0", "-5", "1.5", "ten", "10g", ""] {
            assert!(parse_count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_as_typed() {
        assert_eq!(parse_rate("200"), Ok(200.0));
        assert_eq!(parse_rate("1k/s"), Ok(1_000.0));
        assert_eq!(parse_rate("90/m"), Ok(1.5));
        for bad in ["0", "1/fortnight", "/s", "fast", "-3"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_as_typed() {
        assert_eq!(parse_share("0.1%"), Ok(0.001));
        assert_eq!(parse_share("0.25"), Ok(0.25));
        for bad in ["101%", "2", "0.1ms", "%"] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn memory_as_typed_and_shown() {
        assert_eq!(parse_bytes("256mb"), Ok(268_435_456));
        assert_eq!(parse_bytes("1.5GB"), Ok(1_610_612_736));
        assert_eq!((show_bytes(268_435_456).as_str(), show_bytes(1_610_612_736).as_str()), ("256mb", "1.5gb"));
        assert_eq!((show_bytes(7).as_str(), show_bytes(1_500).as_str()), ("7b", "1.5kb"));
        for bad in ["256", "0mb", "many", "1tb", ""] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(show_percent(0.999), "99.9%");
    }

    #[test]
    fn numbers_as_read() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(30_000), "30,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(show_ns(950), "950 ns");
        assert_eq!(show_ns(45_400), "45.4 µs");
        assert_eq!(show_ns(3_124_000), "3.12 ms");
        assert_eq!(show_ns(9_996_000), "10.0 ms");
        assert_eq!(show_ns(999_600_000), "1000 ms");
        assert_eq!(show_ns(1_916_000_000), "1.92 s");
        assert_eq!(show_figure(Some(Figure { ns: 2_000_000_000, bound: Bound::AtLeast })), "≥ 2.00 s");
        assert_eq!(show_figure(None), "-");
    }

    proptest! {
        #[test]
        fn a_shown_duration_can_be_typed_again(ms in 1_u64..10_000_000) {
            let duration = Duration::from_millis(ms);
            let again = parse_duration(&show_duration(duration)).unwrap();
            prop_assert!(again.abs_diff(duration) < Duration::from_micros(1));
        }
    }
}
