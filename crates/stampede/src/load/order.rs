//! From flags to a plan: everything that can be wrong is found here, before anything is sent.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::HeaderValue;
use stampede_engine::load::{Arrivals, Expect, LoadPlan, RequestPlan, Reuse, Stop};
use stampede_model::schedule::{Schedule, Spacing};
use stampede_model::threshold::Threshold;

use super::args::LoadArgs;

/// How long a run takes when nobody says.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);
/// Connections of the closed model when nobody says.
const DEFAULT_CONNECTIONS: u32 = 10;
/// Seed of the gaps when nobody says: the same command should send the same arrivals.
const DEFAULT_SEED: u64 = 1;
/// Largest body that is read from a file; it is held in memory once.
const BODY_MAX: u64 = 64 << 20;

/// A checked command.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) plan: LoadPlan,
    pub(super) thresholds: Vec<Threshold>,
    pub(super) json: Option<PathBuf>,
    pub(super) noise: Noise,
}

/// Whether a run shows its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    Quiet,
    Progress,
}

impl Order {
    pub(super) fn from_args(args: &LoadArgs) -> anyhow::Result<Self> {
        let request = request(args)?;
        let stop = stop(args);
        let mut plan = match args.rate {
            None => LoadPlan::closed(request, connections(args.connections.unwrap_or(DEFAULT_CONNECTIONS))?, stop),
            Some(rate) => open(args, request, rate)?,
        };
        plan.timeout = args.timeout;
        plan.drain = args.drain.min(args.timeout);
        plan.reuse = if args.no_keepalive { Reuse::PerRequest } else { Reuse::KeepAlive };
        if !args.expect_status.is_empty() {
            plan.expect = Expect::Only(args.expect_status.clone());
        }
        if let Some(threads) = args.threads.and_then(NonZeroU32::new) {
            plan.threads = threads;
        }
        plan.check()?;
        Ok(Self {
            plan,
            thresholds: thresholds(args),
            json: json(args)?,
            noise: if args.quiet { Noise::Quiet } else { Noise::Progress },
        })
    }
}

fn stop(args: &LoadArgs) -> Stop {
    let duration = match (args.duration, args.requests) {
        (None, None) => Some(DEFAULT_DURATION),
        (duration, _) => duration,
    };
    Stop { requests: args.requests, duration }
}

fn open(args: &LoadArgs, request: RequestPlan, rate: f64) -> anyhow::Result<LoadPlan> {
    let spacing = args.spacing.unwrap_or(Spacing::Uniform);
    let schedule = Schedule::new(rate, spacing, args.seed.unwrap_or(DEFAULT_SEED)).context("--rate")?;
    let mut plan = LoadPlan::open(request, schedule.clone(), stop(args));
    let max_in_flight = match args.max_in_flight.or(args.connections) {
        Some(most) => connections(most)?,
        None => LoadPlan::MAX_IN_FLIGHT,
    };
    plan.arrivals =
        Arrivals::Open { schedule, max_in_flight, max_queue: args.max_queue.unwrap_or(LoadPlan::MAX_QUEUE) };
    Ok(plan)
}

fn connections(count: u32) -> anyhow::Result<NonZeroU32> {
    NonZeroU32::new(count).context("at least one connection is needed")
}

fn thresholds(args: &LoadArgs) -> Vec<Threshold> {
    if args.thresholds.is_empty() && !args.no_thresholds {
        return vec![Threshold::IMPLICIT];
    }
    args.thresholds.clone()
}

fn json(args: &LoadArgs) -> anyhow::Result<Option<PathBuf>> {
    if let Some(path) = &args.output
        && path.extension().is_none_or(|ending| ending != "json")
    {
        bail!("-o {}: only .json files can be written", path.display());
    }
    Ok(args.json.clone().or_else(|| args.output.clone()))
}

fn request(args: &LoadArgs) -> anyhow::Result<RequestPlan> {
    let body = body(args)?;
    let method = args.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let mut request = RequestPlan::new(method, &url(args)?)?;
    for line in &args.headers {
        request = request.header_line(line).context("-H")?;
    }
    for (name, value) in [("user-agent", concat!("stampede/", env!("CARGO_PKG_VERSION"))), ("accept", "*/*")] {
        if !request.headers().contains_key(name) {
            request = request.header(name, value)?;
        }
    }
    if args.no_keepalive && !request.headers().contains_key("connection") {
        request = request.header("connection", "close")?;
    }
    match (body, &args.content_type) {
        (None, Some(_)) => bail!("-T names the type of a body, but there is none: add --body or --body-file"),
        (None, None) => Ok(request),
        (Some(body), content_type) => {
            let content_type = content_type.as_deref().unwrap_or_else(|| guess_type(&body));
            let value = HeaderValue::from_str(content_type).with_context(|| format!("-T {content_type}"))?;
            Ok(request.body(body, value))
        }
    }
}

fn url(args: &LoadArgs) -> anyhow::Result<String> {
    match (&args.host, &args.url) {
        (None, None) => bail!("nothing to load: give a URL, such as http://127.0.0.1:8080/path"),
        (None, Some(url)) => Ok(url.clone()),
        (Some(host), None) => Ok(host.clone()),
        (Some(_), Some(url)) if url.contains("://") => {
            bail!("--host and a full URL contradict each other: with --host give only the path")
        }
        (Some(host), Some(path)) => Ok(format!("{}/{}", host.trim_end_matches('/'), path.trim_start_matches('/'))),
    }
}

fn body(args: &LoadArgs) -> anyhow::Result<Option<Bytes>> {
    match (&args.body, &args.body_file) {
        (Some(text), _) => Ok(Some(Bytes::copy_from_slice(text.as_bytes()))),
        (None, Some(path)) => read_body(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// Reads a request body, refusing what cannot be meant as one.
pub(crate) fn read_body(path: &Path) -> anyhow::Result<Bytes> {
    let shown = || format!("cannot read the body from {}", path.display());
    let length = std::fs::metadata(path).with_context(shown)?.len();
    if length > BODY_MAX {
        bail!("{} has {length} bytes: a body may have at most {BODY_MAX}", path.display());
    }
    Ok(Bytes::from(std::fs::read(path).with_context(shown)?))
}

fn guess_type(body: &[u8]) -> &'static str {
    match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => "application/json",
        Err(_) => "text/plain",
    }
}
