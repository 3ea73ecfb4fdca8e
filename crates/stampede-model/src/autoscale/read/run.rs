//! How an autoscaler is run: cluster, load, what must come of it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{At, File};
use crate::autoscale::plan::{ExpectedScale, ScalePlan, ScaleQueue, TURNS_MAX};
use crate::autoscale::spec::{Autoscaler, Metric};
use crate::target::{MAX_REPLICAS, TargetError};
use crate::units::parse_share;

/// The controller's own in Kubernetes.
const INTERVAL: Duration = Duration::from_secs(15);
/// A look costs a question to the cluster; rates of shorter times are noise.
const INTERVAL_MIN: Duration = Duration::from_millis(200);
const COMPRESS_MAX: u32 = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRun {
    cluster: Option<PathBuf>,
    service: Spanned<String>,
    interval: Option<Spanned<String>>,
    compress: Option<Spanned<u32>>,
    requests: Option<Spanned<String>>,
    cpu_request_milli: Option<u32>,
    queue: Option<Spanned<FileQueue>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileQueue {
    metric: String,
    list: String,
    done: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLoad {
    scenario: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileExpect {
    replicas: Spanned<Vec<u32>>,
    p95: Spanned<String>,
    window: Spanned<String>,
    errors: Spanned<String>,
}

impl At<'_> {
    pub(super) fn plan(&self, autoscaler: Autoscaler, read: &File) -> Result<ScalePlan, TargetError> {
        let needs = |table: &str, hint: &str| self.source.error(0..0, format!("the file has no [{table}]"), hint);
        let run = read.run.as_ref().ok_or_else(|| needs("run", "add it with service = \"api\""))?;
        let load = read.load.as_ref().ok_or_else(|| needs("load", "add it with scenario = \"load.toml\""))?;
        let expect = read.expect.as_ref().ok_or_else(|| needs("expect", "add it with replicas = [3, 8, 3]"))?;
        if autoscaler.max > MAX_REPLICAS {
            let hint = format!("at most {MAX_REPLICAS} run on one machine");
            return Err(self.source.error(read.autoscaler.as_ref().max.span(), "max is too large for a run", hint));
        }
        let (compress, interval) = self.pace(run.as_ref())?;
        let run = run.as_ref();
        let plan = ScalePlan {
            autoscaler,
            cluster: run.cluster.clone(),
            service: run.service.as_ref().clone(),
            interval,
            compress,
            requests: run.requests.as_ref().map(|name| name.as_ref().clone()),
            cpu_request_milli: run.cpu_request_milli.filter(|milli| *milli > 0),
            queue: run.queue.as_ref().map(|queue| {
                let FileQueue { metric, list, done } = queue.as_ref();
                ScaleQueue { metric: metric.clone(), list: list.clone(), done: done.clone() }
            }),
            scenario: load.as_ref().scenario.clone(),
            expect: self.expect(expect.as_ref())?,
        };
        self.measurable(&plan, read)?;
        Ok(plan)
    }

    fn pace(&self, run: &FileRun) -> Result<(u32, Duration), TargetError> {
        let compress = run.compress.as_ref().map_or(1, |given| *given.as_ref());
        if let Some(given) = run.compress.as_ref().filter(|_| !(1..=COMPRESS_MAX).contains(&compress)) {
            let hint = format!("from 1 to {COMPRESS_MAX}: windows, periods and the interval are divided by it");
            return Err(self.source.error(given.span(), format!("compress is {compress}"), hint));
        }
        let interval = run.interval.as_ref().map_or(Ok(INTERVAL), |given| self.time("interval", given))?;
        if interval / compress < INTERVAL_MIN {
            let span = run.interval.as_ref().map_or(run.service.span(), Spanned::span);
            let hint = "divided by compress it is at least 200ms";
            return Err(self.source.error(span, format!("interval is {interval:?}"), hint));
        }
        Ok((compress, interval))
    }

    fn expect(&self, read: &FileExpect) -> Result<ExpectedScale, TargetError> {
        let replicas = read.replicas.as_ref();
        let turns = replicas.windows(3).all(|three| (three[0] < three[1]) != (three[1] < three[2]));
        if replicas.is_empty()
            || replicas.len() > TURNS_MAX
            || !turns
            || replicas.windows(2).any(|two| two[0] == two[1])
        {
            let hint = "the number at the beginning, each where it turns, and the one at the end: [3, 8, 3]";
            return Err(self.source.error(read.replicas.span(), format!("replicas is {replicas:?}"), hint));
        }
        let window = self.time("window", &read.window)?;
        if window < Duration::from_secs(1) {
            return Err(self.source.error(read.window.span(), "the window is too short", "at least 1s"));
        }
        let errors = parse_share(read.errors.as_ref())
            .map_err(|error| self.source.error(read.errors.span(), format!("errors: {error}"), "as \"0.1%\""))?;
        Ok(ExpectedScale { replicas: replicas.clone(), p95: self.time("p95", &read.p95)?, window, errors })
    }

    /// Every metric of the autoscaler must be one that a run measures.
    fn measurable(&self, plan: &ScalePlan, read: &File) -> Result<(), TargetError> {
        for (metric, place) in plan.autoscaler.metrics.iter().zip(read.autoscaler.as_ref().metric.as_ref()) {
            let (measured, hint) = match metric {
                Metric::Utilization { resource, .. } => (
                    resource == "cpu" && plan.cpu_request_milli.is_some(),
                    "a run measures cpu alone, and needs cpu_request_milli = 500 in [run]",
                ),
                Metric::Resource { resource, .. } => (resource == "cpu", "a run measures cpu alone"),
                Metric::Pods { name, .. } => {
                    (plan.requests.as_ref() == Some(name), "say in [run] that it is requests = \"THE NAME\"")
                }
                Metric::External { name, .. } | Metric::ExternalAverage { name, .. } => (
                    plan.queue.as_ref().is_some_and(|queue| queue.metric == *name),
                    "say in [run] which queue it is: queue = { metric = .., list = .., done = .. }",
                ),
            };
            if !measured {
                return Err(self.source.error(place.span(), format!("nothing measures `{}`", metric.name()), hint));
            }
        }
        Ok(())
    }
}
