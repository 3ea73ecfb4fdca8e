//! `stampede chaos run`: a plan from steady state to steady state.
//!
//! Invariants: nothing is broken unless all was well before; the stopwatches read the load generator's own samples; a report in
//! which a recovery could not be seen is never a pass. Checked load begins before the first fault and ends when all is whole.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use stampede_engine::chaos::{Chaos, SteadyWatch};
use stampede_engine::cluster::Status;
use stampede_engine::load::{self, Control, Keep, LoadPlan, RunPhase, SampledRun};
use stampede_model::chaos::{
    BadEnd, CHAOS_FORMAT, CHAOS_VERSION, ChaosPlan, ChaosReport, CheckedReport, FaultReport, Outcome, SecondSeen,
    Window, recovery,
};
use stampede_model::timeline::Timeline;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::args::RunArgs;
use super::axis::assemble;
use super::campaign::campaign;
use super::checked::{self, Checking};
use super::looking::Looking;
use super::{begin, drawn_seed, failure, output};
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, cluster, print};

/// Samples that the stopwatches may read: 64 MB.
pub(crate) const SAMPLES_MAX: usize = 2_000_000;
/// How long it may take to be well before anything is broken.
const WELL_BEFORE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) fn command(args: &RunArgs) -> Result<Exit, Failure> {
    let file = args.plan.display().to_string();
    let text = fs::read_to_string(&args.plan).map_err(|error| {
        Failure::usage(anyhow!("cannot read {file}: {error}\nhint: docs/chaos.md has a plan to begin with"))
    })?;
    output::check(&args.output).map_err(Failure::usage)?;
    let mut plan = ChaosPlan::parse(&file, &text).map_err(Failure::usage)?;
    if args.quick {
        let timed =
            || anyhow!("--quick: the faults of {file} have times of their own\nhint: it shortens plans with `gap`");
        plan = plan.shortened().ok_or_else(timed).map_err(Failure::usage)?;
    }
    let runtime = cluster::runtime()?;
    let report = runtime.block_on(carry_out(args, &plan));
    // After an interrupted run the generators may still be draining: nobody waits for them.
    runtime.shutdown_background();
    let (report, interrupted) = report?;
    output::tell(&report, args.json.as_deref(), &args.output)?;
    Ok(exit_of(&report).and(if interrupted { Exit::Interrupted } else { Exit::Pass }))
}

/// The gravest of its bad ends.
pub(crate) fn exit_of(report: &ChaosReport) -> Exit {
    let exits = report.bad_ends().into_iter().map(|end| match end {
        BadEnd::NotUndone => Exit::FaultNotUndone,
        BadEnd::Violated => Exit::CorrectnessViolated,
        BadEnd::Open => Exit::NotTrustworthy,
        BadEnd::Missed => Exit::ThresholdFailed,
    });
    exits.fold(Exit::Pass, Exit::and)
}

async fn carry_out(args: &RunArgs, plan: &ChaosPlan) -> Result<(ChaosReport, bool), Failure> {
    let seed = args.seed.or(plan.seed).unwrap_or_else(drawn_seed);
    let chaos = begin(&args.place).await?;
    let status = chaos.target().status().await.map_err(failure)?;
    let folder = args.plan.parent().unwrap_or(Path::new(""));
    let load = super::load::load(plan, folder, &status.url).map_err(Failure::usage)?;
    let checked =
        checked::Order::of(plan, folder, (&status.url, seed), args.keep.as_deref()).map_err(Failure::usage)?;
    let mut steady = SteadyWatch::new(&plan.steady, &status).map_err(failure)?;
    if let Err(why) = steady.until_well(WELL_BEFORE_WITHIN).await {
        chaos.end().await.map_err(failure)?;
        return Err(Failure::tool(anyhow!("{} is not well, so nothing is broken: {why}", status.name)));
    }
    print::remark(format_args!("{} at {}: seed {seed}", status.name, status.url));
    let checking = match checked {
        None => None,
        Some(order) => match order.begin().await {
            Ok(checking) => Some(checking),
            Err(error) => {
                chaos.end().await.map_err(failure)?;
                return Err(Failure::tool(error));
            }
        },
    };
    steady.begin();
    let run = Run { plan, seed, status };
    run.carry_out(chaos, load, (steady, checking)).await
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
        (mut steady, checking): (SteadyWatch, Option<Checking>),
    ) -> Result<(ChaosReport, bool), Failure> {
        let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
        let started_unix_ms = unix_ms();
        let control = Arc::new(Control::new());
        let for_load = Arc::clone(&control);
        let mut loading =
            tokio::task::spawn_blocking(move || load::run_keeping(&load, &for_load, Keep::Outcomes(SAMPLES_MAX)));
        let (over, is_over) = watch::channel(false);
        let start = begun(&control, &mut loading).await;
        let looking = Looking::begin(chaos.target().clone(), &self.status, &self.plan.lists, start);
        let chaos = Arc::new(chaos);
        let faults = async {
            let faults = campaign(Arc::clone(&chaos), self.plan, (self.seed, start), is_over).await;
            // Faults that follow one another end the run: nobody knew beforehand when the last would be undone.
            if self.plan.gap.is_some() {
                control.stop();
            }
            faults
        };
        let watching = self.watch(&control, &over, &mut loading, &mut stops);
        let (faults, watched) = tokio::join!(faults, watching);
        let after = steady.until_well(self.plan.steady.within).await;
        let elapsed = start.elapsed();
        let looked = looking.finish().await;
        let whole = match Arc::into_inner(chaos) {
            Some(chaos) => chaos.end().await.map_err(failure)?,
            None => true,
        };
        let mut faults = faults.map_err(failure)?;
        if !whole
            && faults.iter().all(|fault| fault.verified)
            && let Some(last) = faults.last_mut()
        {
            (last.verified, last.note) = (false, "the journal has something open".to_owned());
        }
        // Also after a run that was given up: what was acknowledged by then has to be there.
        let checked = match checking {
            None => Ok(None),
            Some(checking) => tokio::select! {
                run = checking.finish() => run.map(|run| Some(CheckedReport::of(run))),
                () = stops.next() => {
                    let (exit, left) = match faults.iter().find(|fault| !fault.verified) {
                        None => (Exit::Interrupted, "what was broken is undone".to_owned()),
                        Some(open) => (Exit::FaultNotUndone, format!("{} on {} is NOT UNDONE", open.fault, open.on)),
                    };
                    let error = anyhow!("left before the histories were judged; {left}");
                    return Err(Failure { exit, error });
                }
            },
        };
        let (sampled, aborted, interrupted) = watched?;
        let mut report = self.report(faults, &sampled, started_unix_ms);
        report.timeline = assemble(looked, &sampled.result, &report.faults, (elapsed, aborted.as_deref()));
        report.steady = steady.finish(after.as_ref().ok().copied());
        if let Err(why) = after {
            report.steady.last_trouble = Some(why);
        }
        report.elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        report.aborted = aborted;
        match checked {
            Ok(checked) => report.checked = checked,
            Err(error) => report.checked_trouble = Some(format!("{error:#}")),
        }
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

    fn report(&self, mut faults: Vec<FaultReport>, sampled: &SampledRun, started_unix_ms: i64) -> ChaosReport {
        read_stopwatches(&mut faults, &sampled.outcomes);
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
            checked: None,
            checked_trouble: None,
            timeline: Timeline::default(),
        }
    }
}

/// What happens until the next fault is put down to the one before.
pub(crate) fn read_stopwatches(faults: &mut [FaultReport], outcomes: &[Outcome]) {
    let mut outcomes = outcomes.to_vec();
    outcomes.sort_by_key(|outcome| outcome.end_ns);
    let injected = faults.iter().filter(|fault| fault.refused.is_none());
    let begins: Vec<u64> = injected.map(|fault| fault.injected_ns).collect();
    for fault in faults {
        let (injected_ns, undone_ns) = (fault.injected_ns, fault.undone_ns);
        let until_ns = begins.iter().copied().find(|begin| *begin > injected_ns).unwrap_or(u64::MAX);
        fault.seen = recovery(&outcomes, Window { injected_ns, undone_ns, until_ns });
    }
}

/// When the load began, on this clock; now, when it never did.
pub(crate) async fn begun(
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

pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
