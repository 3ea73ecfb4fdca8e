//! Limits a run must keep, as one line each: `p95<500ms`, `errors<0.1%`, `rps>=900`; k6's `p(95)<500` is the same as the
//! first. A [`Limit`] is a threshold on the whole run or on one of its steps.
//!
//! Invariants: a threshold is judged against what is known; when the measurement leaves it open (a percentile that is
//! only a lower bound, no sample at all) the answer is [`Judgement::Unknown`], never a pass.
//! Absent on purpose: a default. Whether `errors<1%` holds where nobody said anything is the caller's choice.

mod limit;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::histogram::{Bound, Figure, Histogram};
use crate::run_result::{Counts, Latencies, LoadResult, StepResult};
use crate::units::{BadUnit, parse_duration, parse_rate, parse_share, show_duration, show_figure, show_share, trimmed};

pub use limit::{AbortAfter, BadLimit, Limit};

/// A metric, a comparison and a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    metric: Metric,
    comparison: Comparison,
    limit: f64,
}

/// What is limited. Latencies in nanoseconds, shares from 0 to 1, rates per second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    Latency(Series, Statistic),
    Errors,
    Success,
    Rate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Series {
    Intent,
    Service,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    Min,
    Mean,
    Max,
    /// 0 to 100.
    Percentile(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// How a threshold came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Kept.
    Pass,
    /// Broken.
    Fail,
    /// The measurement does not say.
    Unknown,
}

/// A judged threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The threshold as it would be typed.
    pub threshold: String,
    /// The step it is about; `None`: the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The measured value, for people.
    pub measured: String,
    /// How it came out.
    pub judgement: Judgement,
}

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

impl Threshold {
    /// Fewer than one in a hundred requests may fail: the limit for runs that set none.
    pub const IMPLICIT: Self = Self { metric: Metric::Errors, comparison: Comparison::Below, limit: 0.01 };

    /// Whether it limits a latency.
    pub fn is_latency(&self) -> bool {
        matches!(self.metric, Metric::Latency(..))
    }

    /// Whether the value it limits can be any at all without breaking it, as with `errors<=100%`: it says nothing.
    pub fn always_holds(&self) -> bool {
        match (self.metric, self.comparison) {
            (Metric::Errors | Metric::Success, Comparison::AtMost) => self.limit >= 1.0,
            (_, Comparison::AtLeast) => self.limit <= 0.0,
            _ => false,
        }
    }

    /// Whether no value keeps it, as with `errors<0%` or `success>100%`.
    pub fn never_holds(&self) -> bool {
        match (self.metric, self.comparison) {
            (Metric::Errors | Metric::Success, Comparison::Above) => self.limit >= 1.0,
            (_, Comparison::Below) => self.limit <= 0.0,
            _ => false,
        }
    }

    /// The latency it allows at most, when it limits one from above.
    pub fn latency_at_most(&self) -> Option<Duration> {
        (self.is_latency() && self.is_upper()).then(|| Duration::from_nanos(self.limit as u64))
    }

    /// The rate per second it demands at least, when it demands one.
    pub fn rate_at_least(&self) -> Option<f64> {
        (self.metric == Metric::Rate && !self.is_upper()).then_some(self.limit)
    }

    /// Judges a run.
    pub fn judge(&self, result: &LoadResult) -> Judged {
        self.judge_less(result, Duration::ZERO)
    }

    /// Judges a run as if every latency from the intended start had been shorter by `lag`: whether the generator's own
    /// lateness decides the verdict.
    pub fn judge_less(&self, result: &LoadResult, lag: Duration) -> Judged {
        let (measured, judgement) = self.judge_figures(&Figures::of_run(result), lag);
        Judged { threshold: self.to_string(), step: None, measured, judgement }
    }

    fn judge_figures(&self, figures: &Figures<'_>, lag: Duration) -> (String, Judgement) {
        let Counts { asked, succeeded, .. } = *figures.counts;
        match self.metric {
            Metric::Latency(series, statistic) => {
                self.judge_latency(series.of(figures.latency), statistic, lag_of(series, lag))
            }
            Metric::Errors | Metric::Success if asked == 0 => ("no request".to_owned(), Judgement::Unknown),
            Metric::Errors => self.judge_share(1.0 - succeeded as f64 / asked as f64),
            Metric::Success => self.judge_share(succeeded as f64 / asked as f64),
            Metric::Rate => {
                let rate = figures.succeeded_per_s();
                (format!("{}/s", trimmed(rate)), self.decide(rate))
            }
        }
    }

    fn judge_latency(&self, histogram: &Histogram, statistic: Statistic, lag_ns: u64) -> (String, Judgement) {
        let Some(figure) = statistic.of(histogram) else {
            return ("no sample".to_owned(), Judgement::Unknown);
        };
        let judgement = self.decide(figure.ns.saturating_sub(lag_ns) as f64);
        // A lower bound can break `<` and satisfy `>`, but nothing else.
        let open = figure.bound == Bound::AtLeast && (judgement == Judgement::Pass) == self.is_upper();
        (show_figure(Some(figure)), if open { Judgement::Unknown } else { judgement })
    }

    fn judge_share(&self, share: f64) -> (String, Judgement) {
        (show_share(share), self.decide(share))
    }

    fn is_upper(&self) -> bool {
        matches!(self.comparison, Comparison::Below | Comparison::AtMost)
    }

    fn decide(&self, value: f64) -> Judgement {
        let kept = match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
        };
        if kept { Judgement::Pass } else { Judgement::Fail }
    }
}

/// What a threshold looks at: the whole run, or one step of it.
struct Figures<'a> {
    counts: &'a Counts,
    latency: &'a Latencies,
    elapsed_ns: u64,
}

impl<'a> Figures<'a> {
    fn of_run(result: &'a LoadResult) -> Self {
        Self { counts: &result.counts, latency: &result.latency, elapsed_ns: result.elapsed_ns }
    }

    /// A step's share of the run: its rate is over the whole run's time.
    fn of_step(result: &'a LoadResult, step: &'a StepResult) -> Self {
        Self { counts: &step.counts, latency: &step.latency, elapsed_ns: result.elapsed_ns }
    }

    fn succeeded_per_s(&self) -> f64 {
        match self.elapsed_ns {
            0 => 0.0,
            elapsed_ns => self.counts.succeeded as f64 * 1e9 / elapsed_ns as f64,
        }
    }
}

fn lag_of(series: Series, lag: Duration) -> u64 {
    match series {
        Series::Intent => u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX),
        Series::Service => 0,
    }
}

impl Series {
    fn of(self, latency: &Latencies) -> &Histogram {
        match self {
            Self::Intent => &latency.intent,
            Self::Service => &latency.service,
        }
    }
}

impl Statistic {
    fn of(self, histogram: &Histogram) -> Option<Figure> {
        match self {
            Self::Min => histogram.min(),
            Self::Mean => histogram.mean(),
            Self::Max => histogram.max(),
            Self::Percentile(percent) => histogram.quantile(percent / 100.0),
        }
    }

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

#[cfg(test)]
mod tests;
