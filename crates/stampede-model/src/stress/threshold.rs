//! Limits on the figures of a stress run: `tps>500`, `latency.p95<50ms`, `set.rps>10k`, `deadlocks<=0`.
//!
//! Invariants: a limit on a figure that this kind of run cannot have is refused before anything runs; a limit on a figure
//! that it could have but did not measure is [`Judgement::Unknown`], never a pass.

use std::fmt;

use thiserror::Error;

use super::figure::{Figure, Unit};
use super::record::StressKind;
use crate::threshold::{Judged, Judgement};
use crate::units::{BadUnit, show_duration, trimmed};

/// One limit.
#[derive(Clone, Debug, PartialEq)]
pub struct StressThreshold {
    metric: String,
    unit: Unit,
    comparison: Comparison,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtMost,
    AtLeast,
    Below,
    Above,
}

const SIGNS: [(&str, Comparison); 4] =
    [("<=", Comparison::AtMost), (">=", Comparison::AtLeast), ("<", Comparison::Below), (">", Comparison::Above)];

/// A limit that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadStressThreshold {
    /// No comparison sign.
    #[error("threshold `{given}` compares nothing: write a figure, one of < <= > >=, and a limit, such as {example}")]
    Comparison {
        /// What was given.
        given: String,
        /// A right one.
        example: &'static str,
    },
    /// No such figure.
    #[error("threshold `{given}`: no figure is called `{metric}` here: use {known}")]
    Metric {
        /// What was given.
        given: String,
        /// The part that names no figure.
        metric: String,
        /// What there is.
        known: String,
    },
    /// No fitting value.
    #[error("threshold `{given}`: {source}")]
    Limit {
        /// What was given.
        given: String,
        /// What is wrong.
        #[source]
        source: BadUnit,
    },
}

const POSTGRES: [(&str, Unit); 17] = [
    ("tps", Unit::PerSecond),
    ("latency", Unit::Ns),
    ("latency.stddev", Unit::Ns),
    ("latency.p50", Unit::Ns),
    ("latency.p95", Unit::Ns),
    ("latency.p99", Unit::Ns),
    ("latency.max", Unit::Ns),
    ("transactions", Unit::Count),
    ("failed", Unit::Share),
    ("aborted_clients", Unit::Count),
    ("connections.max", Unit::Count),
    ("connections.share", Unit::Share),
    ("lock_waits.max", Unit::Count),
    ("longest_transaction", Unit::Ns),
    ("deadlocks", Unit::Count),
    ("cache_hits", Unit::Share),
    ("slow", Unit::Count),
];

const REDIS: [(&str, Unit); 7] = [
    ("memory.max", Unit::Bytes),
    ("clients.max", Unit::Count),
    ("blocked.max", Unit::Count),
    ("evicted", Unit::Count),
    ("rejected", Unit::Count),
    ("cache_hits", Unit::Share),
    ("slow", Unit::Count),
];

const REDIS_TEST: [(&str, Unit); 7] = [
    ("rps", Unit::PerSecond),
    ("avg", Unit::Ns),
    ("min", Unit::Ns),
    ("p50", Unit::Ns),
    ("p95", Unit::Ns),
    ("p99", Unit::Ns),
    ("max", Unit::Ns),
];

impl StressThreshold {
    /// Reads a limit for a run of `kind`.
    ///
    /// # Errors
    /// See [`BadStressThreshold`].
    pub fn parse(kind: StressKind, text: &str) -> Result<Self, BadStressThreshold> {
        let given = || text.trim().to_owned();
        let example = if kind == StressKind::Redis { "'set.rps>10k'" } else { "'tps>500'" };
        let missing = || BadStressThreshold::Comparison { given: given(), example };
        let at = text.find(['<', '>']).ok_or_else(missing)?;
        let metric = text[..at].trim().to_ascii_lowercase();
        let (sign, comparison) = SIGNS.iter().find(|(sign, _)| text[at..].starts_with(sign)).ok_or_else(missing)?;
        let unit = unit_of(kind, &metric).ok_or_else(|| BadStressThreshold::Metric {
            given: given(),
            metric: metric.clone(),
            known: known(kind),
        })?;
        let limit = unit.parse(text[at + sign.len()..].trim());
        let limit = limit.map_err(|source| BadStressThreshold::Limit { given: given(), source })?;
        Ok(Self { metric, unit, comparison: *comparison, limit })
    }

    /// The name of the limited figure.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// Judges what was measured.
    pub fn judge(&self, figures: &[Figure]) -> Judged {
        let found = figures.iter().find(|figure| figure.name == self.metric);
        let (measured, judgement) = match found {
            None => ("not measured".to_owned(), Judgement::Unknown),
            Some(figure) if !figure.value.is_finite() => ("no number".to_owned(), Judgement::Unknown),
            Some(figure) => {
                let kept = match self.comparison {
                    Comparison::AtMost => figure.value <= self.limit,
                    Comparison::AtLeast => figure.value >= self.limit,
                    Comparison::Below => figure.value < self.limit,
                    Comparison::Above => figure.value > self.limit,
                };
                (figure.shown(), if kept { Judgement::Pass } else { Judgement::Fail })
            }
        };
        Judged { threshold: self.to_string(), step: None, measured, judgement }
    }
}

fn unit_of(kind: StressKind, metric: &str) -> Option<Unit> {
    let of = |table: &[(&str, Unit)], name: &str| table.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit);
    match kind {
        StressKind::Postgres => of(&POSTGRES, metric),
        StressKind::Redis => {
            let by_test = || of(&REDIS_TEST, metric.split_once('.')?.1);
            of(&REDIS, metric).or_else(by_test)
        }
        // Their limits are options and load thresholds of their own.
        StressKind::Pool | StressKind::Http => None,
    }
}

fn known(kind: StressKind) -> String {
    let names = |table: &[(&str, Unit)]| table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    match kind {
        StressKind::Postgres => names(&POSTGRES),
        StressKind::Redis => {
            format!("a test and one of {} (such as set.rps), or {}", names(&REDIS_TEST), names(&REDIS))
        }
        StressKind::Pool | StressKind::Http => "the command's own options".to_owned(),
    }
}

impl fmt::Display for StressThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = SIGNS.iter().find(|(_, comparison)| *comparison == self.comparison).map_or("", |(sign, _)| sign);
        let limit = match self.unit {
            Unit::Ns => show_duration(std::time::Duration::from_nanos(self.limit as u64)),
            Unit::Share => format!("{}%", trimmed(self.limit * 100.0)),
            Unit::PerSecond => format!("{}/s", trimmed(self.limit)),
            Unit::Count | Unit::Bytes => trimmed(self.limit),
        };
        write!(f, "{} {sign} {limit}", self.metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(kind: StressKind, text: &str, figures: &[Figure]) -> Judgement {
        StressThreshold::parse(kind, text).unwrap().judge(figures).judgement
    }

    #[test]
    fn limits_judge_what_was_measured() {
        let figures = [Figure::new("tps", 600.0, Unit::PerSecond), Figure::from_ms("latency", 40.0)];
        assert_eq!(judged(StressKind::Postgres, "tps>500", &figures), Judgement::Pass);
        assert_eq!(judged(StressKind::Postgres, "tps > 600", &figures), Judgement::Fail);
        assert_eq!(judged(StressKind::Postgres, "tps>=600/s", &figures), Judgement::Pass);
        assert_eq!(judged(StressKind::Postgres, "latency<50ms", &figures), Judgement::Pass);
        assert_eq!(judged(StressKind::Postgres, "deadlocks<=0", &figures), Judgement::Unknown, "never a pass");
        let figures = [Figure::new("set.rps", 9_999.0, Unit::PerSecond)];
        assert_eq!(judged(StressKind::Redis, "set.rps>10k", &figures), Judgement::Fail);
        let nothing = [Figure::new("failed", f64::NAN, Unit::Share)];
        assert_eq!(judged(StressKind::Postgres, "failed<1%", &nothing), Judgement::Unknown);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refused = |kind, text| StressThreshold::parse(kind, text).unwrap_err().to_string();
        assert!(refused(StressKind::Postgres, "tps=5").contains("compares nothing"));
        assert!(refused(StressKind::Postgres, "speed>5").contains("latency.p95"));
        assert!(refused(StressKind::Postgres, "latency<50").contains("a number and a unit"));
        assert!(refused(StressKind::Redis, "set.speed>5").contains("set.rps"));
    }

    #[test]
    fn a_limit_is_shown_as_it_would_be_typed() {
        for (text, shown) in
            [("tps>1.5k", "tps > 1500/s"), ("latency.p95<=50ms", "latency.p95 <= 50ms"), ("failed<1%", "failed < 1%")]
        {
            let threshold = StressThreshold::parse(StressKind::Postgres, text).unwrap();
            assert_eq!(threshold.to_string(), shown);
            assert_eq!(StressThreshold::parse(StressKind::Postgres, shown).unwrap(), threshold);
        }
    }
}
