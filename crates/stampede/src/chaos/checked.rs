//! Checked load: workloads of a target file that go on while the system is being broken, and are judged when it is whole again.
//!
//! Invariants: nothing is broken before every workload is past its set-up; what a request came to is asked for until it is known, by
//! its key of idempotency; a workload that could not be carried out fails the run. All clients live on one thread, as in a check.

use std::env;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use futures_util::future::try_join_all;
use stampede_engine::blackbox::{Bench, Manner, Patience, Steering, WorkloadSummary, run_workload};
use stampede_engine::control::environment_of;
use stampede_model::check::{self, Budget, CHECK_FORMAT, CHECK_VERSION, CheckRun, WorkloadVerdict};
use stampede_model::history;
use stampede_model::target::{Scope, Target, Workload};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use stampede_model::chaos::{ChaosPlan, PlanChecked, PlanLoad, PlanWorkload};

use super::plan::unix_ms;

/// Longer than any campaign: it ends when it is told to.
const FOR_EVER: Duration = Duration::from_hours(48);
/// Steps of an exact search, where a history needs one.
const SEARCH_STEPS: u64 = 20_000_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long all set-ups may take.
const SET_UP_WITHIN: Duration = Duration::from_mins(2);

/// What is to be carried out, once it is understood.
pub(super) struct Order {
    target: Target,
    file: String,
    environment: Scope,
    workloads: Vec<Workload>,
    every: Duration,
    url: String,
    seed: u64,
    keep: Option<PathBuf>,
}

/// Workloads under way.
pub(super) struct Checking {
    thread: JoinHandle<anyhow::Result<CheckRun>>,
    told: watch::Sender<bool>,
}

impl Order {
    /// Reads the target file that a plan names; `None` when it names none. `folder` is the plan's own.
    pub(super) fn of(
        plan: &ChaosPlan,
        folder: &Path,
        (url, seed): (&str, u64),
        keep: Option<&Path>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(PlanChecked { target: file, every, workloads }) = &plan.checked else { return Ok(None) };
        let path = folder.join(file);
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            anyhow!("load.checked.target: cannot read {name}: {error}\nhint: it is looked for beside the plan")
        })?;
        let mut target = Target::parse(&name, &text)?.found_at(url);
        if let PlanLoad::Path { timeout, .. } = &plan.load {
            target.start.timeout = target.start.timeout.min(*timeout);
        }
        let workloads = workloads.iter().map(|one| chosen(&target, one, &name)).collect::<anyhow::Result<Vec<_>>>()?;
        let environment = environment_of(&target, &|name| env::var(name).ok())?;
        if let Some(keep) = keep {
            std::fs::create_dir_all(keep).with_context(|| format!("--keep: cannot make {}", keep.display()))?;
        }
        let (url, keep) = (url.to_owned(), keep.map(Path::to_path_buf));
        Ok(Some(Self { target, file: name, environment, workloads, every: *every, url, seed, keep }))
    }

    /// Starts the clients, and returns when every workload is past its set-up.
    pub(super) async fn begin(self) -> anyhow::Result<Checking> {
        let (told, over) = watch::channel(false);
        let (goes, mut going) = watch::channel(false);
        let thread = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.context("cannot set up the checked clients")?.block_on(self.carry_out(over, goes))
        });
        let checking = Checking { thread, told };
        let set_up = tokio::time::timeout(SET_UP_WITHIN, going.wait_for(|going| *going)).await;
        match set_up {
            Ok(Ok(_)) => Ok(checking),
            // Its end comes with the reason.
            Ok(Err(_)) => {
                checking.finish().await?;
                bail!("the checked workloads ended before anything was broken")
            }
            Err(_) => bail!("the checked workloads were not set up within {} s", SET_UP_WITHIN.as_secs()),
        }
    }

    async fn carry_out(self, mut over: watch::Receiver<bool>, goes: watch::Sender<bool>) -> anyhow::Result<CheckRun> {
        let (started, started_unix_ms) = (Instant::now(), unix_ms());
        let run_name = format!("{started_unix_ms:x}-{:x}", std::process::id());
        let benches = [Bench::new(&self.target, &self.url, &run_name, self.environment.clone())?];
        let passing = TempDir::new().context("cannot make a folder for the histories")?;
        let folder = self.keep.as_deref().unwrap_or(passing.path());
        let steering = Steering::default();
        // The first that fails ends all: nothing can be said of the run then, and the reason is not to be waited for.
        let carrying =
            try_join_all(self.workloads.iter().map(|workload| self.one(&benches, workload, &steering, folder)));
        let telling = async {
            while steering.under_way() < self.workloads.len() {
                sleep(LOOK_EVERY).await;
            }
            // Both ends are gone only with the run itself.
            goes.send(true).ok();
            over.wait_for(|over| *over).await.ok();
            steering.stop();
            std::future::pending::<std::convert::Infallible>().await
        };
        let carried = tokio::select! {
            carried = carrying => carried?,
            never = telling => match never {},
        };
        let mut workloads = Vec::new();
        for (workload, summary) in self.workloads.iter().zip(carried) {
            workloads.push(self.judge(workload, &summary, folder)?);
        }
        Ok(CheckRun {
            format: CHECK_FORMAT.to_owned(),
            version: CHECK_VERSION,
            target: self.target.start.name.clone(),
            file: self.file,
            url: self.url,
            started_unix_ms,
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            seed: self.seed,
            workloads,
        })
    }

    async fn one(
        &self,
        benches: &[Bench<'_>],
        workload: &Workload,
        steering: &Steering,
        folder: &Path,
    ) -> anyhow::Result<WorkloadSummary> {
        let file = history_of(folder, workload);
        let to = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
        let manner = Manner { every: Some(self.every), patience: Patience::Lasting };
        let named = || format!("the checked workload `{}`", workload.id.as_ref());
        run_workload(benches, workload, (self.seed, manner), BufWriter::new(to), steering).await.with_context(named)
    }

    fn judge(&self, workload: &Workload, summary: &WorkloadSummary, folder: &Path) -> anyhow::Result<WorkloadVerdict> {
        let began = Instant::now();
        let file = history_of(folder, workload);
        let name = file.display().to_string();
        let from = File::open(&file).with_context(|| format!("cannot read {name}"))?;
        let history = history::read(BufReader::new(from), &name)?;
        let mut verdict = check::judge(&history, Budget::of_steps(SEARCH_STEPS));
        (verdict.resolved, verdict.unresolved) = (summary.resolved, summary.unresolved);
        (verdict.unanswered_reads, verdict.skew_us) = (summary.unanswered_reads, summary.skew_us);
        verdict.history = self.keep.is_some().then_some(name);
        verdict.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(verdict)
    }
}

impl Checking {
    /// Has the workloads end: what is unknown is settled, everything is read at rest, the histories are judged.
    pub(super) async fn finish(self) -> anyhow::Result<CheckRun> {
        // Workloads that have ended by themselves hear nothing any more.
        self.told.send(true).ok();
        self.thread.await.context("the thread of the checked clients panicked")?
    }
}

fn history_of(folder: &Path, workload: &Workload) -> PathBuf {
    folder.join(format!("{}.jsonl", workload.id.as_ref()))
}

/// A workload of the target file in the plan's size.
fn chosen(target: &Target, wanted: &PlanWorkload, file: &str) -> anyhow::Result<Workload> {
    let found = target.workload.iter().find(|workload| *workload.id.as_ref() == wanted.id);
    let Some(found) = found else {
        let known: Vec<&str> = target.workload.iter().map(|workload| workload.id.as_ref().as_str()).collect();
        bail!(
            "load.checked.workload.{}: there is no such workload in {file}\nhint: it has {}",
            wanted.id,
            known.join(", ")
        );
    };
    let mut workload = Workload { operations: u32::MAX, lasts: FOR_EVER, ..found.clone() };
    workload.clients = wanted.clients.unwrap_or(workload.clients);
    workload.round = wanted.round.unwrap_or(workload.round);
    workload.settings.extend(wanted.settings.clone());
    Ok(workload)
}
