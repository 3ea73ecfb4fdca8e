//! Limits a run must keep, as one line each: `p95<500ms`, `errors<0.1%`, `rps>=900`; k6's `p(95)<500` is the same as the
//! first. A [`Limit`] is a threshold on the whole run or on one of its steps.
//!
//! Invariants: a threshold is judged against what is known; when the measurement leaves it open (a percentile that is
//! only a lower bound, no sample at all) the answer is [`Judgement::Unknown`], never a pass.
//! Absent on purpose: a default. Whether `errors<1%` holds where nobody said anything is the caller's choice.

mod limit;
mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::histogram::{Bound, Figure, Histogram};
use crate::run_result::{Counts, Latencies, LoadResult, StepResult};
use crate::units::{show_figure, show_share, trimmed};

pub use limit::{AbortAfter, BadLimit, Limit};
pub use text::BadThreshold;

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
}

#[cfg(test)]
mod tests;
