//! A threshold as a line of text, read and written.
//!
//! Invariant: what is written reads back as the same threshold.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::{Comparison, Metric, Series, Statistic, Threshold};
use crate::units::{BadUnit, parse_duration, parse_rate, parse_share, show_duration, trimmed};

/// A threshold that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadThreshold {
    /// No comparison sign.
    #[error("threshold `{given}` compares nothing: write a metric, one of < <= > >=, and a limit, such as p95<500ms")]
    Comparison {
        /// What was given.
        given: String,
    },
    /// No such metric.
    #[error(
        "threshold `{given}`: no metric is called `{metric}`: use p50 to p99.99, min, mean, med, max (after `service.` for \
         service time), errors, success or rps"
    )]
    Metric {
        /// What was given.
        given: String,
        /// The part that names no metric.
        metric: String,
    },
    /// The limit has no fitting value.
    #[error("threshold `{given}`: {source}")]
    Limit {
        /// What was given.
        given: String,
        /// What is wrong with the limit.
        #[source]
        source: BadUnit,
    },
}

impl FromStr for Threshold {
    type Err = BadThreshold;

    fn from_str(text: &str) -> Result<Self, BadThreshold> {
        let given = || text.trim().to_owned();
        let at = text.find(['<', '>']).ok_or_else(|| BadThreshold::Comparison { given: given() })?;
        let (word, rest) = (text[..at].trim().to_ascii_lowercase(), &text[at..]);
        let (comparison, limit) = parse_comparison(rest);
        let metric =
            parse_metric(&word).ok_or_else(|| BadThreshold::Metric { given: given(), metric: word.clone() })?;
        let limit =
            metric.parse_limit(limit.trim()).map_err(|source| BadThreshold::Limit { given: given(), source })?;
        Ok(Self { metric, comparison, limit })
    }
}

fn parse_comparison(text: &str) -> (Comparison, &str) {
    for (sign, comparison) in [("<=", Comparison::AtMost), (">=", Comparison::AtLeast), ("<", Comparison::Below)] {
        if let Some(limit) = text.strip_prefix(sign) {
            return (comparison, limit);
        }
    }
    (Comparison::Above, text.strip_prefix('>').unwrap_or(text))
}

fn parse_metric(word: &str) -> Option<Metric> {
    match word {
        "errors" | "error_rate" => return Some(Metric::Errors),
        "success" | "success_rate" => return Some(Metric::Success),
        "rps" | "rate" => return Some(Metric::Rate),
        _ => {}
    }
    match word.split_once('.') {
        Some(("service", statistic)) => Some(Metric::Latency(Series::Service, Statistic::parse(statistic)?)),
        Some(("intent", statistic)) => Some(Metric::Latency(Series::Intent, Statistic::parse(statistic)?)),
        _ => Some(Metric::Latency(Series::Intent, Statistic::parse(word)?)),
    }
}

impl Statistic {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "min" => return Some(Self::Min),
            "mean" | "avg" => return Some(Self::Mean),
            "max" => return Some(Self::Max),
            "med" | "median" => return Some(Self::Percentile(50.0)),
            _ => {}
        }
        let rest = word.strip_prefix('p')?;
        // k6 writes p(95).
        let digits = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(rest);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let percent: f64 = digits.parse().ok()?;
        (percent > 0.0 && percent <= 100.0).then_some(Self::Percentile(percent))
    }
}

impl Metric {
    fn parse_limit(self, text: &str) -> Result<f64, BadUnit> {
        match self {
            Self::Errors | Self::Success => parse_share(text),
            Self::Rate => parse_rate(text),
            // k6 writes milliseconds without a unit: p(95)<500.
            Self::Latency(..) => match text.parse::<f64>() {
                Ok(ms) if ms.is_finite() && ms >= 0.0 => Ok(ms * 1e6),
                _ => Ok(parse_duration(text)?.as_nanos() as f64),
            },
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.metric {
            Metric::Latency(series, statistic) => {
                if series == Series::Service {
                    f.write_str("service.")?;
                }
                match statistic {
                    Statistic::Min => f.write_str("min")?,
                    Statistic::Mean => f.write_str("mean")?,
                    Statistic::Max => f.write_str("max")?,
                    Statistic::Percentile(percent) => write!(f, "p{percent}")?,
                }
            }
            Metric::Errors => f.write_str("errors")?,
            Metric::Success => f.write_str("success")?,
            Metric::Rate => f.write_str("rps")?,
        }
        f.write_str(match self.comparison {
            Comparison::Below => " < ",
            Comparison::AtMost => " <= ",
            Comparison::Above => " > ",
            Comparison::AtLeast => " >= ",
        })?;
        match self.metric {
            Metric::Latency(..) => f.write_str(&show_duration(Duration::from_nanos(self.limit as u64))),
            Metric::Errors | Metric::Success => write!(f, "{}%", trimmed(self.limit * 100.0)),
            Metric::Rate => write!(f, "{}/s", trimmed(self.limit)),
        }
    }
}
