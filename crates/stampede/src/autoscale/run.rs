//! One run: the cluster, the first number of replicas, then load and controller side by side, then the rows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use stampede_engine::autoscale::{AutoscaleError, Controller, Track};
use stampede_engine::load::{self, Control, FlowLoad, Keep, LoadPlan, RunPhase, SampledRun};
use stampede_engine::script::load_plan;
use stampede_model::autoscale::{
    AUTOSCALE_FORMAT, AUTOSCALE_VERSION, AutoscaleReport, Judging, ScalePlan, rows, seconds_of,
};
use stampede_model::run_trust::Trust;
use stampede_model::scenario::{Overrides, compile};
use stampede_model::threshold::Limit;
use stampede_model::units::{show_duration, trimmed};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::args::RunArgs;
use super::place::ClusterPlace;
use super::text_of;
use crate::run::Disk;
use crate::watch::Stops;
use crate::{Failure, cluster, print};

/// Requests whose outcomes are kept: 72 MB.
const OUTCOMES_MAX: usize = 3_000_000;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often it is said how far the run is.
const SAY_EVERY: Duration = Duration::from_secs(10);

type Loading = JoinHandle<Result<SampledRun, load::LoadError>>;

/// Carries out a file.
pub(super) fn carry_out(args: &RunArgs) -> Result<AutoscaleReport, Failure> {
    let plan = ScalePlan::parse(&args.file.display().to_string(), &text_of(&args.file)?).map_err(Failure::usage)?;
    let folder = args.file.parent().unwrap_or(Path::new(""));
    // Compiled once before anything is started: a mistake in it must not cost a start.
    scenario(&plan, folder, "http://127.0.0.1:1").map_err(Failure::usage)?;
    let target = plan.cluster.as_ref().map(|target| folder.join(target));
    let own =
        args.own.then(tempfile::tempdir).transpose().context("no folder for the cluster").map_err(Failure::tool)?;
    let dir = own.as_ref().map_or_else(|| args.folder.dir.clone(), |folder| folder.path().join("cluster"));
    let place = ClusterPlace::take(&dir, target.as_deref())?;
    let load = scenario(&plan, folder, &place.card.url).map_err(Failure::usage)?;
    let runtime = cluster::runtime()?;
    let report = runtime.block_on(run(&plan, &place, load));
    // After an interrupted run the generators may still be draining: nobody waits for them.
    runtime.shutdown_background();
    drop(place);
    report
}

fn scenario(plan: &ScalePlan, folder: &Path, url: &str) -> anyhow::Result<LoadPlan> {
    let host = Some(url.trim_end_matches('/').to_owned());
    let overrides = Overrides { host, ..Overrides::default() };
    let compiled = compile(&folder.join(&plan.scenario), &Disk, &overrides).context("load.scenario")?;
    Ok(load_plan(&compiled)?)
}

async fn run(plan: &ScalePlan, place: &ClusterPlace<'_>, load: LoadPlan) -> Result<AutoscaleReport, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    let controller = Controller::new(plan, &place.card.socket).await.map_err(failure)?;
    let first = plan.expect.replicas.first().copied().unwrap_or(plan.autoscaler.min);
    controller.begin_with(first).await.map_err(failure)?;
    let words = rates(&load);
    print::remark(format_args!("{words} at {}, {first} replicas of {}", place.card.url, plan.service));
    let started_unix_ms = unix_ms();
    let control = Arc::new(Control::new());
    let for_load = Arc::clone(&control);
    let mut loading: Loading =
        tokio::task::spawn_blocking(move || load::run_keeping(&load, &for_load, Keep::Outcomes(OUTCOMES_MAX)));
    let start = begun(&control, &loading).await;
    let (over, is_over) = watch::channel(false);
    let scaling = controller.run(start, is_over);
    let watching = until_done(&control, &over, &mut loading, &mut stops);
    let (track, watched) = tokio::join!(scaling, watching);
    let (sampled, interrupted) = watched?;
    let run = Run { plan, url: place.card.url.clone(), words, started_unix_ms, interrupted };
    let target = stampede_engine::cluster::status(&place.card.socket).await.map_err(Failure::tool)?;
    Ok(run.report(target.name, track.map_err(failure)?, sampled))
}

/// Waits for the end of the load, and tells the controller.
async fn until_done(
    control: &Control,
    over: &watch::Sender<bool>,
    loading: &mut Loading,
    stops: &mut Stops,
) -> Result<(SampledRun, bool), Failure> {
    let mut interrupted = false;
    let mut say = tokio::time::interval(SAY_EVERY);
    let sampled = loop {
        tokio::select! {
            ended = &mut *loading => break ended,
            () = stops.next() => {
                print::remark("stopping");
                interrupted = true;
                control.stop();
            }
            _ = say.tick() => {
                let now = control.progress();
                let at = show_duration(Duration::from_secs(now.elapsed_ns / 1_000_000_000));
                print::remark(format_args!("{at:>6}  {:.0}/s asked, {} answered, {} failed", now.rate_asked_per_s, now.answered, now.failed));
            }
        }
    };
    over.send_replace(true);
    let sampled = sampled.context("the load's thread panicked").map_err(Failure::tool)?;
    Ok((sampled.map_err(Failure::tool)?, interrupted))
}

struct Run<'a> {
    plan: &'a ScalePlan,
    url: String,
    words: String,
    started_unix_ms: i64,
    interrupted: bool,
}

impl Run<'_> {
    fn report(self, target: String, track: Track, sampled: SampledRun) -> AutoscaleReport {
        let mut outcomes = sampled.outcomes;
        outcomes.sort_unstable_by_key(|outcome| outcome.end_ns);
        let limit = format!("p95<{}", show_duration(self.plan.expect.p95)).parse::<Limit>().ok();
        let trust = Trust::of(&sampled.result, limit.as_slice());
        let mut report = AutoscaleReport {
            format: AUTOSCALE_FORMAT.to_owned(),
            version: AUTOSCALE_VERSION,
            target,
            url: self.url,
            service: self.plan.service.clone(),
            started_unix_ms: self.started_unix_ms,
            elapsed_ns: sampled.result.elapsed_ns,
            load: self.words,
            compress: self.plan.compress,
            interval_ms: u64::try_from(self.plan.run_interval().as_millis()).unwrap_or(u64::MAX),
            autoscaler: self.plan.autoscaler.clone(),
            moments: track.moments,
            changes: track.changes,
            seconds: seconds_of(&outcomes),
            counts: sampled.result.counts,
            outcomes_left_out: sampled.outcomes_left_out,
            doubts: trust.doubts.iter().map(ToString::to_string).collect(),
            interrupted: self.interrupted,
            rows: Vec::new(),
        };
        report.rows = rows(&Judging { plan: self.plan, report: &report, outcomes: &outcomes });
        report
    }
}

/// The rates that the load goes through, each once.
fn rates(load: &LoadPlan) -> String {
    let through = |load: &FlowLoad| match load {
        FlowLoad::Arrivals { schedule, .. } => {
            let mut rates: Vec<f64> = std::iter::once(schedule.from_per_s())
                .chain(schedule.stages().iter().map(|stage| stage.to_per_s))
                .collect();
            rates.dedup();
            // A curve begins at nothing, and a first stage without a length is where it really begins; at its end nothing comes.
            rates.retain(|rate| *rate > 0.0);
            rates.into_iter().map(trimmed).collect::<Vec<_>>().join(" → ") + " req/s"
        }
        FlowLoad::Users { .. } | FlowLoad::Connections { .. } => "users in a closed loop".to_owned(),
    };
    load.flows.iter().map(|flow| through(&flow.load)).collect::<Vec<_>>().join(" and ")
}

/// When the load began, on this clock; now, when it never did.
async fn begun(control: &Control, loading: &Loading) -> Instant {
    loop {
        let progress = control.progress();
        if progress.phase != RunPhase::Idle {
            return Instant::now() - Duration::from_nanos(progress.elapsed_ns);
        }
        if loading.is_finished() {
            return Instant::now();
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What the plan names and the cluster does not have is a mistake of the plan.
fn failure(error: AutoscaleError) -> Failure {
    match error {
        AutoscaleError::Cluster(_) => Failure::tool(error),
        AutoscaleError::NoService { .. } | AutoscaleError::Uncounted { .. } | AutoscaleError::Queue { .. } => {
            Failure::usage(anyhow!(error))
        }
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
