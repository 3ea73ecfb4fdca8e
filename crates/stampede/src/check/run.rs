//! One run: start, workloads, verdicts, stop.
//!
//! Everything of the clients happens on one thread: see the engine's `workload`.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use stampede_engine::blackbox::{Bench, Manner, Steering, WorkloadSummary, run_workload};
use stampede_engine::control::{Afterwards, Running};
use stampede_model::check::{self, Budget, CHECK_FORMAT, CHECK_VERSION, CheckRun, WorkloadVerdict};
use stampede_model::history;
use stampede_model::target::{Origin, Workload};
use tempfile::TempDir;

use super::order::Order;
use super::table;
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, print};

/// Starts the target, carries the workloads out, judges each, stops the target. The second value tells whether it was interrupted.
pub(super) fn run(order: &Order) -> Result<(CheckRun, bool), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot set up the run").map_err(Failure::tool)?;
    runtime.block_on(supervise(order))
}

async fn supervise(order: &Order) -> Result<(CheckRun, bool), Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    let (started, started_unix_ms) = (Instant::now(), unix_ms());
    if order.target.start.origin() == Origin::Started {
        print::remark(format_args!("starting {}", order.target.start.name));
    }
    let starting = Running::start(&order.target.start, &order.bin, &order.environment, Afterwards::Stop);
    let mut running = tokio::select! {
        running = starting => running.map_err(Failure::tool)?,
        () = stops.next() => {
            return Err(Failure { exit: Exit::Interrupted, error: anyhow!("stopped while the target was starting") });
        }
    };
    let steering = Steering::default();
    let mut workloads = Vec::new();
    let done = {
        let carry_out = all(order, &mut running, &steering, &mut workloads);
        tokio::pin!(carry_out);
        tokio::select! {
            done = &mut carry_out => done,
            () = stops.next() => {
                print::remark("stopping: what was recorded is judged");
                steering.stop();
                tokio::select! {
                    done = &mut carry_out => done,
                    () = stops.next() => Err(Failure { exit: Exit::Interrupted, error: anyhow!("stopped") }),
                }
            }
        }
    };
    let url = running.url().to_owned();
    running.stop().await;
    done?;
    let run = CheckRun {
        format: CHECK_FORMAT.to_owned(),
        version: CHECK_VERSION,
        target: order.target.start.name.clone(),
        file: order.file.clone(),
        url,
        started_unix_ms,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        seed: order.seed,
        workloads,
    };
    Ok((run, steering.is_stopped()))
}

/// Every workload, one after the other.
async fn all(
    order: &Order,
    running: &mut Running,
    steering: &Steering,
    verdicts: &mut Vec<WorkloadVerdict>,
) -> Result<(), Failure> {
    let run_name = format!("{:x}-{:x}", unix_ms(), std::process::id());
    let first = Bench::new(&order.target, running.url(), &run_name, order.environment.clone());
    let gateway = order.gateway.as_deref().or(running.gateway());
    let first = first.and_then(|bench| bench.with_gateway(gateway)).map_err(Failure::tool)?;
    let mut benches = vec![first];
    let others = if order.urls.is_empty() { running.replicas() } else { &order.urls[1..] };
    for (number, url) in others.iter().enumerate() {
        benches.push(benches[0].also_at(url, number + 1).map_err(Failure::tool)?);
    }
    let folder = Folder::of(order)?;
    for workload in &order.workloads {
        if steering.is_stopped() {
            break;
        }
        let verdict = one(order, &benches, (workload, steering), &folder).await?;
        print::result(&table::line(&verdict));
        verdicts.push(verdict);
        if let Some(death) = running.dead() {
            return Err(Failure::tool(death));
        }
    }
    Ok(())
}

/// Carries one workload out and judges its history.
async fn one(
    order: &Order,
    benches: &[Bench<'_>],
    (workload, steering): (&Workload, &Steering),
    folder: &Folder,
) -> Result<WorkloadVerdict, Failure> {
    let started = Instant::now();
    let file = folder.path().join(format!("{}.jsonl", workload.id.as_ref()));
    let to = File::create(&file).with_context(|| format!("cannot write {}", file.display())).map_err(Failure::tool)?;
    let summary = run_workload(benches, workload, (order.seed, Manner::default()), BufWriter::new(to), steering).await;
    let summary = summary.with_context(|| format!("workload `{}`", workload.id.as_ref())).map_err(Failure::tool)?;
    let name = file.display().to_string();
    let from = File::open(&file).with_context(|| format!("cannot read {name}")).map_err(Failure::tool)?;
    let history = history::read(BufReader::new(from), &name).map_err(Failure::tool)?;
    if order.edn {
        super::write_edn(&file.with_extension("edn"), &history).map_err(Failure::tool)?;
    }
    let mut verdict = check::judge(&history, Budget::of_steps(order.search_steps));
    let WorkloadSummary { resolved, unresolved, unanswered_reads, skew_us, .. } = summary;
    (verdict.resolved, verdict.unresolved, verdict.skew_us) = (resolved, unresolved, skew_us);
    verdict.unanswered_reads = unanswered_reads;
    verdict.history = matches!(folder, Folder::Kept(_)).then_some(name);
    verdict.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(verdict)
}

/// Where the histories go.
enum Folder {
    Kept(PathBuf),
    Passing(TempDir),
}

impl Folder {
    fn of(order: &Order) -> Result<Self, Failure> {
        match &order.keep {
            None => tempfile::tempdir().context("cannot make a folder for the histories").map(Self::Passing),
            Some(folder) => std::fs::create_dir_all(folder)
                .with_context(|| format!("--keep: cannot make {}", folder.display()))
                .map(|()| Self::Kept(folder.clone())),
        }
        .map_err(Failure::tool)
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Passing(folder) => folder.path(),
        }
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
