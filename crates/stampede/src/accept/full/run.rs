//! One run: cluster up, rows, rest, what was watched, cluster down.
//!
//! The clients are on this thread, as in a run without a cluster; the cluster, the patrol and the probe each have their own.

use std::fs;
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use stampede_engine::blackbox::{Bench, run_bursts};
use stampede_engine::cluster::{self, Card, Held, Status};
use stampede_engine::load::Control;
use stampede_engine::monitor::{Patrol, Probe, Question};
use stampede_model::acceptance::Extra;
use stampede_model::verdict::{
    ACCEPT_FORMAT, ACCEPT_VERSION, AcceptRun, Course, RowReport, RunEnd, judge_leak, judge_uptime,
};

use super::plan::Plan;
use super::rows::{self, Rows};
use crate::accept::run::{took, unix_ms};
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, print};

/// How long a look may take on a busy machine.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// Starts the cluster, runs the chosen rows, stops it.
pub(super) fn run(plan: &Plan) -> Result<AcceptRun, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot set up the run").map_err(Failure::tool)?;
    let run = runtime.block_on(supervise(plan));
    // A load that was interrupted may still be draining on its threads; nobody waits for it.
    runtime.shutdown_background();
    run
}

async fn supervise(plan: &Plan) -> Result<AcceptRun, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    let (started, started_unix_ms) = (Instant::now(), unix_ms());
    let held = up(plan, &mut stops).await?;
    let card = held.card().clone();
    print::remark(format_args!("{} answers at {} after {}", plan.target.start.name, card.url, took(started)));
    let ran = watched(plan, &card, &mut stops).await;
    held.down().await;
    let (rows, end) = ran?;
    Ok(AcceptRun {
        format: ACCEPT_FORMAT.to_owned(),
        version: ACCEPT_VERSION,
        target: plan.target.start.name.clone(),
        url: card.url,
        started_unix_ms,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        end,
        rows,
    })
}

async fn up(plan: &Plan, stops: &mut Stops) -> Result<Held, Failure> {
    print::remark(format_args!("starting {}", plan.target.start.name));
    // A log is of one run: what an earlier one logged is not held against this one.
    let logs = plan.dir.join("log");
    if cluster::find(&plan.dir).is_err() && logs.exists() {
        fs::remove_dir_all(&logs).with_context(|| format!("cannot empty {}", logs.display())).map_err(Failure::tool)?;
    }
    let (target, environment) = (plan.target.clone(), plan.environment.clone());
    let starting = Held::up(target, plan.bin.clone(), environment, plan.dir.clone());
    tokio::select! {
        held = starting => held.map_err(Failure::tool),
        () = stops.next() => {
            Err(Failure { exit: Exit::Interrupted, error: anyhow!("stopped while the cluster was starting") })
        }
    }
}

/// All rows, with patrol and probe around them.
async fn watched(plan: &Plan, card: &Card, stops: &mut Stops) -> Result<(Vec<RowReport>, RunEnd), Failure> {
    let status = cluster::status(&card.socket).await.map_err(Failure::tool)?;
    let patrol = Patrol::begin(&card.socket, &status, &plan.acceptance.look).map_err(Failure::tool)?;
    let probe = question(plan, &status).map_err(Failure::tool)?.map(Probe::begin).transpose().map_err(Failure::tool)?;
    let run_name = format!("{:x}-{:x}", unix_ms(), process::id());
    let bench = Bench::new(&plan.target, &card.url, &run_name, plan.environment.clone()).map_err(Failure::tool)?;
    let control = Arc::new(Control::new());
    let mut reports = Vec::new();
    let mut rows = Rows { plan, bench: &bench, at: (&card.socket, &patrol), control: &control, reports: &mut reports };
    let drained = tokio::select! {
        drained = through(&mut rows) => Some(drained),
        () = stops.next() => None,
    };
    control.stop();
    let allowed = plan.acceptance.watched.logs.as_ref().map(|logs| logs.allow.clone()).unwrap_or_default();
    let mut course = patrol.end(&allowed).await;
    let uptime = match probe {
        Some(probe) => Some(probe.end().await),
        None => None,
    };
    let Some(drained) = drained else {
        print::remark("interrupted");
        rows::not_run(plan, &mut reports, "the run was interrupted");
        return Ok((reports, RunEnd::Interrupted));
    };
    course.drained_after_ns = drained;
    for row in plan.extras() {
        let ruling = match (row, &uptime) {
            (Extra::Uptime(row), Some(seen)) => Some(judge_uptime(seen, row.share)),
            (row, _) => judge(row, &course),
        };
        if let Some(ruling) = ruling {
            rows::say(plan, &mut reports, (row, Ok(ruling), Duration::ZERO));
        }
    }
    rows::not_run(plan, &mut reports, "it was passed over");
    Ok((reports, RunEnd::Complete))
}

/// The rows of clients, then the rest; tells after what time the queues were empty.
async fn through(rows: &mut Rows<'_, '_>) -> Option<u64> {
    rows.all().await;
    let last = Instant::now();
    let plan = rows.plan;
    let mut drained = None;
    if let Some(queue) = plan.acceptance.watched.queue.as_ref().filter(|_| plan.wants("queue-depth")) {
        while drained.is_none() && last.elapsed() < queue.drained_within {
            let latest = rows.at.1.next(LOOK_WITHIN).await;
            if latest.is_some_and(|latest| latest.waiting == Some(0)) {
                drained = Some(u64::try_from(last.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
        }
    }
    if let Some(leak) = plan.acceptance.watched.leak.as_ref().filter(|_| plan.wants("connection-leak")) {
        let began = Instant::now();
        let bursts = run_bursts(rows.bench, leak, rows.at.1).await;
        let ruling = bursts.map(|bursts| judge_leak(&bursts)).map_err(|error| error.to_string());
        rows::say(plan, rows.reports, (Extra::Leak(leak), ruling, began.elapsed()));
    }
    // What was still logged or used belongs to the run.
    rows.at.1.next(LOOK_WITHIN).await;
    drained
}

/// What is asked throughout.
fn question(plan: &Plan, status: &Status) -> anyhow::Result<Option<Question>> {
    let Some(uptime) = &plan.acceptance.uptime else { return Ok(None) };
    if !plan.wants(uptime.id.as_ref()) {
        return Ok(None);
    }
    let authority = status.url.trim_start_matches("http://").trim_end_matches('/');
    let address = authority.parse().with_context(|| format!("{} is no address", status.url))?;
    let (path, good) = match &uptime.path {
        Some(path) => (path.clone(), 200),
        None => (status.ready_path.clone(), status.ready_status),
    };
    let (rate_per_s, timeout) = (uptime.rate_per_s, uptime.timeout);
    Ok(Some(Question { address, path, status: good, rate_per_s, timeout }))
}

/// The ruling of a row that is about the whole course.
fn judge(row: Extra<'_>, course: &Course) -> Option<stampede_model::verdict::Ruling> {
    Some(match row {
        Extra::Connections(demand) => course.judge_connections(demand.most),
        Extra::RedisMemory(demand) => course.judge_redis_memory(demand.memory),
        Extra::RedisEvictions(_) => course.judge_evictions(),
        Extra::Queue(demand) => {
            course.judge_queues(u64::try_from(demand.drained_within.as_nanos()).unwrap_or(u64::MAX))
        }
        Extra::Resources(service, limits) => course.judge_resources(service, limits),
        Extra::Ends => course.judge_ends(),
        Extra::Logs(_) => course.judge_logs(),
        _ => return None,
    })
}
