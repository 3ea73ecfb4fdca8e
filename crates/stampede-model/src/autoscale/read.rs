//! The file of an autoscaler and its run: read, checked, each mistake at its line.

mod metrics;
mod run;

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::plan::ScalePlan;
use super::spec::{Autoscaler, Policy, PolicyKind, Rules, ScaleTarget, Select};
use crate::target::{Source, TargetError};
use crate::units::{parse_duration, parse_share};

/// Longest stabilization window that Kubernetes takes.
const WINDOW_MAX: Duration = Duration::from_hours(1);
/// Longest period of a policy that it takes.
const PERIOD_MAX: Duration = Duration::from_mins(30);
/// Most policies of a direction, and most metrics.
const LIST_MAX: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    autoscaler: Spanned<FileAutoscaler>,
    run: Option<Spanned<run::FileRun>>,
    load: Option<Spanned<run::FileLoad>>,
    expect: Option<Spanned<run::FileExpect>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAutoscaler {
    name: Spanned<String>,
    namespace: Option<Spanned<String>>,
    target: Option<FileTarget>,
    min: Spanned<u32>,
    max: Spanned<u32>,
    metric: Spanned<Vec<Spanned<metrics::FileMetric>>>,
    scale_up: Option<Spanned<FileRules>>,
    scale_down: Option<Spanned<FileRules>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTarget {
    kind: Spanned<String>,
    name: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRules {
    stabilization: Option<Spanned<String>>,
    select: Option<Select>,
    policies: Option<Spanned<Vec<Spanned<FilePolicy>>>>,
    tolerance: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePolicy {
    pods: Option<u32>,
    percent: Option<u32>,
    every: Spanned<String>,
}

impl Autoscaler {
    /// Reads the `[autoscaler]` of a file; `file` is its name in error messages.
    ///
    /// # Errors
    /// The first mistake of the file, with line, column and a hint.
    pub fn parse(file: &str, text: &str) -> Result<Self, TargetError> {
        let at = At { source: Source { file, text } };
        at.autoscaler(at.file(text)?.autoscaler.as_ref())
    }
}

impl ScalePlan {
    /// Reads a file with an `[autoscaler]` and its run; `file` is its name in error messages.
    ///
    /// # Errors
    /// The first mistake of the file, with line, column and a hint.
    pub fn parse(file: &str, text: &str) -> Result<Self, TargetError> {
        let at = At { source: Source { file, text } };
        let read = at.file(text)?;
        let autoscaler = at.autoscaler(read.autoscaler.as_ref())?;
        at.plan(autoscaler, &read)
    }
}

#[derive(Clone, Copy)]
struct At<'a> {
    source: Source<'a>,
}

impl At<'_> {
    fn file(&self, text: &str) -> Result<File, TargetError> {
        toml::from_str(text).map_err(|error| {
            let hint = "docs/scaling.md has a file with every field; fields are never ignored";
            self.source.error(error.span().unwrap_or(0..0), error.message().trim_end(), hint)
        })
    }

    fn autoscaler(&self, read: &FileAutoscaler) -> Result<Autoscaler, TargetError> {
        let name = self.name(&read.name)?;
        let target = match &read.target {
            None => ScaleTarget { kind: "Deployment".to_owned(), name: name.clone() },
            Some(FileTarget { kind, name }) => ScaleTarget { kind: self.kind(kind)?, name: self.name(name)? },
        };
        let (min, max) = (*read.min.as_ref(), *read.max.as_ref());
        if min == 0 {
            return Err(self.source.error(read.min.span(), "min is 0", "at least one replica stays: write min = 1"));
        }
        if max < min {
            let message = format!("max is {max}, and min is {min}");
            return Err(self.source.error(read.max.span(), message, "make max at least min"));
        }
        let listed = read.metric.as_ref();
        if listed.is_empty() || listed.len() > LIST_MAX {
            let message = format!("{} metrics", listed.len());
            return Err(self.source.error(read.metric.span(), message, format!("give 1 to {LIST_MAX}")));
        }
        Ok(Autoscaler {
            name,
            namespace: read.namespace.as_ref().map(|namespace| self.name(namespace)).transpose()?,
            target,
            min,
            max,
            metrics: listed.iter().map(|metric| self.metric(metric)).collect::<Result<_, _>>()?,
            up: self.rules(read.scale_up.as_ref(), Rules::up())?,
            down: self.rules(read.scale_down.as_ref(), Rules::down())?,
        })
    }

    fn rules(&self, read: Option<&Spanned<FileRules>>, standard: Rules) -> Result<Rules, TargetError> {
        let Some(read) = read.map(Spanned::as_ref) else { return Ok(standard) };
        let stabilization = match &read.stabilization {
            None => standard.stabilization,
            Some(given) => self.whole_seconds("stabilization", given, (Duration::ZERO, WINDOW_MAX))?,
        };
        let policies = match &read.policies {
            None => standard.policies,
            Some(given) if given.as_ref().is_empty() || given.as_ref().len() > LIST_MAX => {
                let hint = format!("give 1 to {LIST_MAX}, or leave policies out for Kubernetes' own");
                return Err(self.source.error(given.span(), format!("{} policies", given.as_ref().len()), hint));
            }
            Some(given) => given.as_ref().iter().map(|policy| self.policy(policy)).collect::<Result<_, _>>()?,
        };
        let tolerance_milli = match &read.tolerance {
            None => None,
            Some(given) => {
                let share = parse_share(given.as_ref())
                    .map_err(|error| self.source.error(given.span(), format!("tolerance: {error}"), "as \"10%\""))?;
                Some((share * 1_000.0).round() as u32)
            }
        };
        Ok(Rules { stabilization, select: read.select.unwrap_or(standard.select), policies, tolerance_milli })
    }

    fn policy(&self, read: &Spanned<FilePolicy>) -> Result<Policy, TargetError> {
        let policy = read.as_ref();
        let period = self.whole_seconds("every", &policy.every, (Duration::from_secs(1), PERIOD_MAX))?;
        let (kind, value) = match (policy.pods, policy.percent) {
            (Some(pods), None) => (PolicyKind::Pods, pods),
            (None, Some(percent)) => (PolicyKind::Percent, percent),
            _ => {
                let hint = "write { pods = 4, every = \"15s\" } or { percent = 100, every = \"15s\" }";
                return Err(self.source.error(read.span(), "a policy has either pods or percent", hint));
            }
        };
        if value == 0 || i32::try_from(value).is_err() {
            let hint = "at least 1; select = \"disabled\" turns a direction off";
            return Err(self.source.error(read.span(), format!("a policy of {value}"), hint));
        }
        Ok(Policy { kind, value, period })
    }

    /// A time that a manifest can hold.
    fn whole_seconds(
        &self,
        field: &str,
        given: &Spanned<String>,
        (least, most): (Duration, Duration),
    ) -> Result<Duration, TargetError> {
        let time = self.time(field, given)?;
        if time.subsec_nanos() != 0 || time < least || time > most {
            let hint = format!("whole seconds from {} to {}", least.as_secs(), most.as_secs());
            return Err(self.source.error(given.span(), format!("{field} is {}", given.as_ref()), hint));
        }
        Ok(time)
    }

    fn time(&self, field: &str, given: &Spanned<String>) -> Result<Duration, TargetError> {
        parse_duration(given.as_ref()).map_err(|error| {
            let hint = format!("write it as {field} = \"15s\"");
            self.source.error(given.span(), format!("{field}: {error}"), hint)
        })
    }

    /// A name as Kubernetes takes them, so that the manifest needs no quotes.
    fn name(&self, given: &Spanned<String>) -> Result<String, TargetError> {
        let text = given.as_ref();
        let inside = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        let good = text.len() <= 63
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.ends_with(inside)
            && text.chars().all(|letter| inside(letter) || letter == '-');
        if good {
            return Ok(text.clone());
        }
        let hint = "small letters, digits and `-`, a letter first, at most 63";
        Err(self.source.error(given.span(), format!("`{text}` is no name"), hint))
    }

    fn kind(&self, given: &Spanned<String>) -> Result<String, TargetError> {
        match given.as_ref().as_str() {
            kind @ ("Deployment" | "StatefulSet" | "ReplicaSet") => Ok(kind.to_owned()),
            other => {
                let hint = "there are Deployment, StatefulSet and ReplicaSet";
                Err(self.source.error(given.span(), format!("a `{other}` is not scaled here"), hint))
            }
        }
    }
}
