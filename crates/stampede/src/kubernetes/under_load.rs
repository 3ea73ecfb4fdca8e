//! Faults while clients are at work: what they saw of each, with pods and autoscalers on the same time axis.
//!
//! Invariants: the load is the bench's own, and the stopwatches read its samples; a run in which the pods were not seen to be ready
//! again is no pass.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use stampede_engine::chaos::kubernetes::{KubernetesTarget, pods};
use stampede_engine::load::{self, Control, Keep, LoadError, LoadPlan, SampledRun};
use stampede_engine::script::load_plan;
use stampede_model::chaos::{CHAOS_FORMAT, CHAOS_VERSION, ChaosReport, FaultReport, SteadyReport};
use stampede_model::scenario::{Overrides, compile};
use stampede_model::timeline::Timeline;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::args::ChaosArgs;
use super::looking;
use crate::Failure;
use crate::chaos::axis::assemble;
use crate::chaos::looking::Looking;
use crate::chaos::output;
use crate::chaos::plan::{SAMPLES_MAX, begun, read_stopwatches, unix_ms};
use crate::run::Disk;

/// How long clients go on after the last fault was undone, so that it is seen what they saw of it.
const AFTER: Duration = Duration::from_secs(5);
/// How long pods may take to be as many again.
const WELL_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What clients will do, and where.
pub(super) struct Prepared {
    load: LoadPlan,
    url: String,
}

/// Clients at work, and whoever looks at the cluster.
pub(super) struct UnderLoad {
    control: Arc<Control>,
    loading: JoinHandle<Result<SampledRun, LoadError>>,
    is_over: watch::Receiver<bool>,
    looking: Looking,
    target: KubernetesTarget,
    service: String,
    ready_before: usize,
    start: Instant,
    started_unix_ms: i64,
    url: String,
}

impl Prepared {
    /// Reads the scenario; `None` when none is named. Nothing is sent.
    pub(super) fn of(args: &ChaosArgs, seed: u64) -> anyhow::Result<Option<Self>> {
        let Some(file) = &args.load.load else { return Ok(None) };
        output::check(&args.load.output)?;
        let host = args.load.host.as_ref().map(|host| host.trim_end_matches('/').to_owned());
        let overrides = Overrides { host, seed: Some(seed), ..Overrides::default() };
        let plan = compile(file, &Disk, &overrides).context("--load")?;
        let url = plan.origins.first().map(|origin| origin.shown.clone()).unwrap_or_default();
        Ok(Some(Self { load: load_plan(&plan)?, url }))
    }

    /// Lets the clients begin, when every pod of the service that is to be hit is ready.
    pub(super) async fn begin(self, target: &KubernetesTarget, service: &str) -> Result<UnderLoad, Failure> {
        let rows = pods(target, service).await.map_err(super::unreached)?;
        let ready_before = rows.iter().filter(|row| row.is_ready).count();
        if ready_before == 0 || ready_before < rows.len() {
            let all = rows.len();
            let why = anyhow!("{ready_before} of {all} pods of {service} are ready, so nothing is broken");
            return Err(Failure::tool(why));
        }
        let started_unix_ms = unix_ms();
        let control = Arc::new(Control::new());
        let for_load = Arc::clone(&control);
        let (over, is_over) = watch::channel(false);
        let load = self.load;
        let mut loading = tokio::task::spawn_blocking(move || {
            let run = load::run_keeping(&load, &for_load, Keep::Outcomes(SAMPLES_MAX));
            over.send_replace(true);
            run
        });
        let start = begun(&control, &mut loading).await;
        let (target, service) = (target.clone(), service.to_owned());
        let looking = looking::begin(target.clone(), start);
        let url = self.url;
        Ok(UnderLoad { control, loading, is_over, looking, target, service, ready_before, start, started_unix_ms, url })
    }
}

impl UnderLoad {
    /// When the axis begins.
    pub(super) const fn start(&self) -> Instant {
        self.start
    }

    /// Returns when the clients are done.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(super) fn over(&self) -> impl Future<Output = ()> + use<> {
        let mut is_over = self.is_over.clone();
        async move { drop(is_over.wait_for(|over| *over).await) }
    }

    /// Lets the clients see how the last fault ends, ends them, and puts all together.
    pub(super) async fn finish(mut self, seed: u64, mut faults: Vec<FaultReport>) -> Result<ChaosReport, Failure> {
        let well = self.until_well();
        let after = tokio::join!(well, async {
            tokio::select! {
                () = sleep(AFTER) => {}
                () = self.over() => {}
            }
        })
        .0;
        self.control.stop();
        let sampled = (&mut self.loading).await.context("the load's thread panicked").map_err(Failure::tool)?;
        let sampled = sampled.map_err(Failure::tool)?;
        let elapsed = self.start.elapsed();
        let looked = self.looking.finish().await;
        read_stopwatches(&mut faults, &sampled.outcomes);
        let counts = sampled.result.counts;
        let mut steady = SteadyReport {
            question: format!("pods of {} that are ready: {} or more", self.service, self.ready_before),
            ..SteadyReport::default()
        };
        match after {
            Ok(took) => steady.after_ms = u64::try_from(took.as_millis()).ok(),
            Err(why) => steady.last_trouble = Some(why),
        }
        let timeline: Timeline = assemble(looked, &sampled.result, &faults, (elapsed, None));
        Ok(ChaosReport {
            format: CHAOS_FORMAT.to_owned(),
            version: CHAOS_VERSION,
            target: format!("namespace {}", self.target.reach().namespace),
            url: self.url,
            seed,
            started_unix_ms: self.started_unix_ms,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            aborted: None,
            steady,
            succeeded: counts.succeeded,
            failed: counts.failed,
            samples_left_out: sampled.outcomes_left_out,
            faults,
            checked: None,
            checked_trouble: None,
            timeline,
        })
    }

    /// Waits until as many pods are ready as before.
    async fn until_well(&self) -> Result<Duration, String> {
        let asked = Instant::now();
        let deadline = asked + WELL_WITHIN;
        loop {
            let seen = pods(&self.target, &self.service).await;
            let ready = seen.as_ref().map(|rows| rows.iter().filter(|row| row.is_ready).count());
            match ready {
                Ok(ready) if ready >= self.ready_before => return Ok(asked.elapsed()),
                Ok(ready) if Instant::now() >= deadline => {
                    return Err(format!(
                        "{ready} pods of {} are ready, and there were {}",
                        self.service, self.ready_before
                    ));
                }
                Err(why) if Instant::now() >= deadline => return Err(why.clone()),
                _ => sleep(LOOK_EVERY).await,
            }
        }
    }
}

/// So many nanoseconds.
pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
