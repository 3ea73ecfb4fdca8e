//! From flags to a plan: everything that can be wrong is found here, before anything is sent.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::HeaderValue;
use stampede_engine::http::{Resumption, TlsSettings, Transport, Trust, Wire};
use stampede_engine::load::{Arrivals, Expect, LoadPlan, RequestPlan, Reuse, Stop};
use stampede_model::schedule::{Schedule, Spacing, Stage, UserCurve, UserStage};
use stampede_model::threshold::Limit;
use stampede_report::summary::Detail;

use super::args::LoadArgs;
use super::finish::Files;
use super::stage::{self, Model, Way};

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
    pub(super) thresholds: Vec<Limit>,
    pub(super) files: Files,
    pub(super) summary: Detail,
    pub(super) noise: Noise,
}

/// Whether a run shows its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    Quiet,
    /// One line.
    Progress,
    /// The whole terminal, where there is one.
    Live,
}

impl Order {
    pub(super) fn from_args(args: &LoadArgs) -> anyhow::Result<Self> {
        let request = request(args)?.over(wire(args)?);
        let mut plan = match stage::model(&args.stages, args.rate)? {
            Model::Closed(stages) => closed(args, request, stages)?,
            Model::Open(stages) => open(args, request, stages)?,
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
        plan.limits = thresholds(args);
        plan.check()?;
        let files = Files { json: args.outcome.json.clone(), others: args.outcome.outputs.clone() };
        files.check()?;
        Ok(Self { thresholds: plan.limits.clone(), plan, files, summary: args.outcome.summary, noise: noise(args) })
    }
}

fn noise(args: &LoadArgs) -> Noise {
    match (args.quiet, args.no_tui) {
        (true, _) => Noise::Quiet,
        (false, true) => Noise::Progress,
        (false, false) => Noise::Live,
    }
}

fn stop(args: &LoadArgs, stages: Duration) -> Stop {
    let duration = match (args.duration, args.requests) {
        (None, _) if !stages.is_zero() => Some(stages),
        (None, None) => Some(DEFAULT_DURATION),
        (duration, _) => duration,
    };
    Stop { requests: args.requests, duration }
}

fn closed(args: &LoadArgs, request: RequestPlan, stages: Vec<UserStage>) -> anyhow::Result<LoadPlan> {
    let open_only = [
        ("--spacing", args.spacing.is_some()),
        ("--seed", args.seed.is_some()),
        ("--max-in-flight", args.max_in_flight.is_some()),
        ("--max-queue", args.max_queue.is_some()),
    ];
    if let Some((flag, _)) = open_only.iter().find(|(_, given)| *given) {
        bail!("{flag} belongs to the open model: add --rate, or a --stage with a rate such as 30s:200/s");
    }
    let length = whole(stages.iter().map(|stage| stage.over));
    let first = match args.connections {
        None if stages.is_empty() => Some(DEFAULT_CONNECTIONS),
        given => given,
    };
    let count = connections(first.unwrap_or(1))?;
    let mut plan = LoadPlan::closed(request, count, stop(args, length));
    if !stages.is_empty() || args.spawn_rate.is_some() {
        let start = first.map(|to_users| UserStage { over: Duration::ZERO, to_users });
        let stages = start.into_iter().chain(stages).collect();
        plan.arrivals = Arrivals::Users { curve: UserCurve::new(stages, args.spawn_rate).context("--stage")? };
    }
    Ok(plan)
}

fn open(args: &LoadArgs, request: RequestPlan, stages: Vec<Stage>) -> anyhow::Result<LoadPlan> {
    if args.spawn_rate.is_some() {
        bail!("--spawn-rate belongs to the closed model: a rate makes its connections as it needs them");
    }
    let length = whole(stages.iter().map(|stage| stage.over));
    let (spacing, seed) = (args.spacing.unwrap_or(Spacing::Uniform), args.seed.unwrap_or(DEFAULT_SEED));
    let schedule = match args.rate {
        Some(rate) if stages.is_empty() => Schedule::new(rate, spacing, seed).context("--rate")?,
        from => Schedule::curve_from(from.unwrap_or(0.0), stages, spacing, seed).context("--stage")?,
    };
    let mut plan = LoadPlan::open(request, schedule.clone(), stop(args, length));
    let max_in_flight = match args.max_in_flight.or(args.connections) {
        Some(most) => connections(most)?,
        None => LoadPlan::MAX_IN_FLIGHT,
    };
    plan.arrivals =
        Arrivals::Open { schedule, max_in_flight, max_queue: args.max_queue.unwrap_or(LoadPlan::MAX_QUEUE) };
    Ok(plan)
}

/// What cannot be added up is refused where the stages are looked at.
fn whole(times: impl Iterator<Item = Duration>) -> Duration {
    times.fold(Duration::ZERO, Duration::saturating_add)
}

fn wire(args: &LoadArgs) -> anyhow::Result<Wire> {
    if args.http2 && args.no_keepalive {
        bail!("--http2 and --no-keepalive contradict each other: HTTP/2 is many requests on one connection");
    }
    let trust = match &args.cacert {
        Some(path) => Trust::File(path.clone()),
        None if args.insecure => Trust::Anyone,
        None => Trust::WebRoots,
    };
    let resumption = if args.no_tls_resumption { Resumption::Off } else { Resumption::On };
    let streams = args.streams.map(connections).transpose().context("--streams")?;
    Ok(Wire {
        transport: if args.http2 { Some(Transport::H2) } else { args.transport.and_then(Way::transport) },
        tls: Some(TlsSettings::new(trust, resumption).context("--cacert")?),
        streams_per_connection: streams.unwrap_or(Wire::STREAMS),
    })
}

fn connections(count: u32) -> anyhow::Result<NonZeroU32> {
    NonZeroU32::new(count).context("at least one connection is needed")
}

fn thresholds(args: &LoadArgs) -> Vec<Limit> {
    if args.outcome.thresholds.is_empty() && !args.outcome.no_thresholds {
        return vec![Limit::IMPLICIT];
    }
    args.outcome.thresholds.clone()
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
