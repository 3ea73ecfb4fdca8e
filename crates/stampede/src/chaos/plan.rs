//! `stampede chaos run`: a plan from steady state to steady state.
//!
//! Invariants: nothing is broken unless all was well before; the stopwatches read the load generator's own samples; a report in
//! which a recovery could not be seen is never a pass.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use stampede_engine::chaos::{Chaos, SteadyWatch};
use stampede_engine::cluster::Status;
use stampede_engine::load::{self, Control, Keep, LoadPlan, RunPhase, SampledRun};
use stampede_model::chaos::{
    CHAOS_FORMAT, CHAOS_VERSION, ChaosPlan, ChaosReport, FaultReport, Outcome, SecondSeen, Window, recovery,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::args::RunArgs;
use super::campaign::campaign;
use super::{begin, drawn_seed, failure};
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, cluster, print};

/// Samples that the stopwatches may read: 64 MB.
const SAMPLES_MAX: usize = 2_000_000;
/// How long it may take to be well before anything is broken.
const WELL_BEFORE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) fn command(args: &RunArgs) -> Result<Exit, Failure> {
    let file = args.plan.display().to_string();
    let text = fs::read_to_string(&args.plan).map_err(|error| {
        Failure::usage(anyhow!("cannot read {file}: {error}\nhint: docs/chaos.md has a plan to begin with"))
    })?;
    let plan = ChaosPlan::parse(&file, &text).map_err(Failure::usage)?;
    let runtime = cluster::runtime()?;
    let report = runtime.block_on(carry_out(args, &plan));
    // After an interrupted run the generators may still be draining: nobody waits for them.
    runtime.shutdown_background();
    let (report, interrupted) = report?;
    print::result(&stampede_report::chaos::text(&report));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report).map_err(Failure::tool)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display())).map_err(Failure::tool)?;
    }
    Ok(exit_of(&report, &plan).and(if interrupted { Exit::Interrupted } else { Exit::Pass }))
}

/// An undo that was not seen first, then what is not known, then what was missed.
fn exit_of(report: &ChaosReport, plan: &ChaosPlan) -> Exit {
    let mut exit = Exit::Pass;
    if report.faults.iter().any(|fault| !fault.verified) {
        exit = exit.and(Exit::FaultNotUndone);
    }
    let limits = plan.faults.iter().any(|fault| fault.recovery.is_some());
    let unseen = report.samples_left_out > 0 && limits;
    if unseen || report.faults.is_empty() || report.faults.iter().any(|fault| fault.refused.is_some()) {
        exit = exit.and(Exit::NotTrustworthy);
    }
    let missed = report.faults.iter().any(|fault| fault.refused.is_none() && fault.kept() == Some(false));
    if missed || report.aborted.is_some() || report.steady.after_ms.is_none() {
        exit = exit.and(Exit::ThresholdFailed);
    }
    exit
}

async fn carry_out(args: &RunArgs, plan: &ChaosPlan) -> Result<(ChaosReport, bool), Failure> {
    let seed = args.seed.or(plan.seed).unwrap_or_else(drawn_seed);
    let chaos = begin(&args.place).await?;
    let status = chaos.target().status().await.map_err(failure)?;
    let folder = args.plan.parent().unwrap_or(Path::new(""));
    let load = super::load::load(plan, folder, &status.url).map_err(Failure::usage)?;
    let mut steady = SteadyWatch::new(&plan.steady, &status).map_err(failure)?;
    if let Err(why) = steady.until_well(WELL_BEFORE_WITHIN).await {
        chaos.end().await.map_err(failure)?;
        return Err(Failure::tool(anyhow!("{} is not well, so nothing is broken: {why}", status.name)));
    }
    print::remark(format_args!("{} at {}: seed {seed}", status.name, status.url));
    steady.begin();
    let run = Run { plan, seed, status };
    run.carry_out(chaos, load, steady).await
}

struct Run<'a> {
    plan: &'a ChaosPlan,
    seed: u64,
    status: Status,
}

impl Run<'_> {
    async fn carry_out(
        self,
        chaos: Chaos,
        load: LoadPlan,
        mut steady: SteadyWatch,
    ) -> Result<(ChaosReport, bool), Failure> {
        let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
        let started_unix_ms = unix_ms();
        let control = Arc::new(Control::new());
        let for_load = Arc::clone(&control);
        let mut loading =
            tokio::task::spawn_blocking(move || load::run_keeping(&load, &for_load, Keep::Outcomes(SAMPLES_MAX)));
        let (over, is_over) = watch::channel(false);
        let start = begun(&control, &mut loading).await;
        let chaos = Arc::new(chaos);
        let faults = campaign(Arc::clone(&chaos), self.plan, (self.seed, start), is_over);
        let watching = self.watch(&control, &over, &mut loading, &mut stops);
        let (faults, watched) = tokio::join!(faults, watching);
        let (sampled, aborted, interrupted) = watched?;
        let after = steady.until_well(self.plan.steady.within).await;
        if let Ok(chaos) = Arc::try_unwrap(chaos) {
            chaos.end().await.map_err(failure)?;
        }
        let mut report = self.report(faults.map_err(failure)?, sampled, started_unix_ms);
        report.steady = steady.finish(after.as_ref().ok().copied());
        if let Err(why) = after {
            report.steady.last_trouble = Some(why);
        }
        report.elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        report.aborted = aborted;
        Ok((report, interrupted))
    }

    /// Waits for the end of the load, looking every second whether to give up; tells the campaign when it is over.
    async fn watch(
        &self,
        control: &Control,
        over: &watch::Sender<bool>,
        loading: &mut tokio::task::JoinHandle<Result<SampledRun, load::LoadError>>,
        stops: &mut Stops,
    ) -> Result<(SampledRun, Option<String>, bool), Failure> {
        let (mut aborted, mut interrupted) = (None, false);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let sampled = loop {
            tokio::select! {
                ended = &mut *loading => break ended,
                () = stops.next() => {
                    print::remark("stopping: what is broken is undone first");
                    interrupted = true;
                    over.send_replace(true);
                    control.stop();
                }
                _ = tick.tick() => if aborted.is_none() && let Some(why) = self.broken(control) {
                    print::remark(format_args!("giving up: {why}"));
                    over.send_replace(true);
                    control.abort(why.clone());
                    aborted = Some(why);
                },
            }
        };
        over.send_replace(true);
        let sampled = sampled.context("the load's thread panicked").map_err(Failure::tool)?;
        Ok((sampled.map_err(Failure::tool)?, aborted, interrupted))
    }

    fn broken(&self, control: &Control) -> Option<String> {
        let recent: Vec<SecondSeen> = control
            .recent()
            .iter()
            .map(|second| SecondSeen { second: second.second, succeeded: second.succeeded, failed: second.failed })
            .collect();
        self.plan.abort.and_then(|rule| rule.broken(&recent))
    }

    fn report(&self, mut faults: Vec<FaultReport>, sampled: SampledRun, started_unix_ms: i64) -> ChaosReport {
        let mut outcomes = sampled.outcomes;
        outcomes.sort_by_key(|outcome| outcome.end_ns);
        read_stopwatches(&mut faults, &outcomes);
        let counts = sampled.result.counts;
        ChaosReport {
            format: CHAOS_FORMAT.to_owned(),
            version: CHAOS_VERSION,
            target: self.status.name.clone(),
            url: self.status.url.clone(),
            seed: self.seed,
            started_unix_ms,
            elapsed_ms: 0,
            aborted: None,
            steady: stampede_model::chaos::SteadyReport::default(),
            succeeded: counts.succeeded,
            failed: counts.failed,
            samples_left_out: sampled.outcomes_left_out,
            faults,
        }
    }
}

/// What happens until the next fault is put down to the one before.
fn read_stopwatches(faults: &mut [FaultReport], outcomes: &[Outcome]) {
    let begins: Vec<u64> = faults.iter().map(|fault| fault.injected_ns).collect();
    for fault in faults {
        let (injected_ns, undone_ns) = (fault.injected_ns, fault.undone_ns);
        let until_ns = begins.iter().copied().find(|begin| *begin > injected_ns).unwrap_or(u64::MAX);
        fault.seen = recovery(outcomes, Window { injected_ns, undone_ns, until_ns });
    }
}

/// When the load began, on this clock; now, when it never did.
async fn begun(
    control: &Control,
    loading: &mut tokio::task::JoinHandle<Result<SampledRun, load::LoadError>>,
) -> Instant {
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

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
