//! A threshold and what it is about: the whole run or one step, judged at the end or while the run goes on.
//!
//! Invariant: a step that is not there, or has no sample, leaves its limit open; it never keeps it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::{BadThreshold, Figures, Judged, Judgement, Threshold};
use crate::run_result::LoadResult;
use crate::units::{BadUnit, parse_duration, show_duration};

/// One limit of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The step it is about, by its name in the plan; `None`: the whole run.
    pub step: Option<String>,
    /// What must hold.
    pub threshold: Threshold,
    /// Whether the run ends as soon as it is broken; `None`: it is judged at the end alone.
    pub abort: Option<AbortAfter>,
}

/// The time a run has before a broken limit may end it: the first answers of a cold server prove little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortAfter(pub Duration);

impl AbortAfter {
    /// When nobody says.
    pub const DEFAULT: Self = Self(Duration::from_secs(10));
}

/// A limit that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadLimit {
    /// Its threshold.
    #[error(transparent)]
    Threshold(#[from] BadThreshold),
    /// The time before it may end the run.
    #[error("limit `{given}`: {source}")]
    Abort {
        /// What was given.
        given: String,
        /// What is wrong with the time.
        #[source]
        source: BadUnit,
    },
    /// `for` and no step.
    #[error("limit `{given}` names no step after `for`: write the step's name, such as p95<500ms for GET /api/orders")]
    Step {
        /// What was given.
        given: String,
    },
}

impl Limit {
    /// The limit for runs that set none: fewer than one in a hundred requests may fail.
    pub const IMPLICIT: Self = Self { step: None, threshold: Threshold::IMPLICIT, abort: None };

    /// Judges a run, or its step.
    pub fn judge(&self, result: &LoadResult) -> Judged {
        self.judge_less(result, Duration::ZERO)
    }

    /// As [`Limit::judge`], every latency from the intended start being shorter by `lag`.
    pub fn judge_less(&self, result: &LoadResult, lag: Duration) -> Judged {
        let Some(name) = &self.step else { return self.threshold.judge_less(result, lag) };
        let step = result.steps.iter().find(|step| step.name == *name).filter(|step| step.counts.asked > 0);
        let (measured, judgement) = match step {
            Some(step) => self.threshold.judge_figures(&Figures::of_step(result, step), lag),
            None => ("no request".to_owned(), Judgement::Unknown),
        };
        Judged { threshold: self.threshold.to_string(), step: Some(name.clone()), measured, judgement }
    }
}

impl From<Threshold> for Limit {
    fn from(threshold: Threshold) -> Self {
        Self { step: None, threshold, abort: None }
    }
}

/// Reads `p95<500ms`, `p95<500ms for GET /x`, `errors<5% abort`, `errors<5% abort 30s for GET /x`.
impl FromStr for Limit {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Self, BadLimit> {
        let given = || text.trim().to_owned();
        let (rest, step) = match text.trim().split_once(" for") {
            Some((rest, name)) if name.is_empty() || name.starts_with(' ') => (rest, Some(name.trim())),
            _ => (text.trim(), None),
        };
        if step == Some("") {
            return Err(BadLimit::Step { given: given() });
        }
        let (threshold, abort) = match rest.split_once(" abort") {
            None => (rest, None),
            Some((threshold, "")) => (threshold, Some(AbortAfter::DEFAULT)),
            Some((threshold, time)) => {
                let time = parse_duration(time).map_err(|source| BadLimit::Abort { given: given(), source })?;
                (threshold, Some(AbortAfter(time)))
            }
        };
        Ok(Self { step: step.map(ToOwned::to_owned), threshold: threshold.parse()?, abort })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.threshold.fmt(f)?;
        if let Some(AbortAfter(time)) = self.abort {
            write!(f, " abort {}", show_duration(time))?;
        }
        match &self.step {
            Some(step) => write!(f, " for {step}"),
            None => Ok(()),
        }
    }
}
