//! `stampede selftest`: the tester is tested. Small servers, each sound or with one planted bug, are checked like any target: every
//! bug must be named by the right check, and no sound server may be accused.
//!
//! Invariants: a bug counts as named only by a rule that fits it; a sound server that is accused fails the whole test, and so does a
//! bug that nothing names.

mod args;
mod table;

use std::io::{BufReader, Cursor};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use stampede_engine::blackbox::{Bench, Manner, Steering, run_workload};
use stampede_faulty::{Area, Bug, Config, Server};
use stampede_model::check::{self, Answer, Budget, WorkloadVerdict};
use stampede_model::history;
use stampede_model::target::{Scope, Target, Workload};
use stampede_model::units::show_duration;

pub(crate) use args::SelftestArgs;
use table::Row;

use crate::exit::Exit;
use crate::{Failure, print};

/// How the faulty servers are talked to, and what is done to them.
const TARGET: &str = include_str!("target.toml");
/// Rounds of a bug's workloads before it counts as not found.
const TRIES: u32 = 4;

/// Carries out the subcommand.
pub(crate) fn command(args: &SelftestArgs) -> Result<Exit, Failure> {
    let target = Target::parse("the selftest's target", TARGET).map_err(Failure::tool)?;
    let bugs = chosen(args).map_err(Failure::usage)?;
    if args.list {
        print::result(&table::list(&bugs));
        return Ok(Exit::Pass);
    }
    if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--keep: {}", folder.display()))
            .map_err(Failure::usage)?;
    }
    let started = Instant::now();
    let mut subjects = Vec::new();
    for seed in args.seed..args.seed + u64::from(args.seeds) {
        let with_bugs: &[&Bug] = if args.sound { &[] } else { &bugs };
        let sound = if args.bug.is_empty() { areas(&bugs) } else { Vec::new() };
        subjects.extend(with_bugs.iter().map(|bug| Subject { bug: Some(*bug), area: bug.area, seed }));
        subjects.extend(sound.into_iter().map(|area| Subject { bug: None, area, seed }));
    }
    let rows = check_all(&target, args, &subjects)?;
    let is_good = rows.iter().all(Row::is_good);
    print::result(&table::summary(&rows, started.elapsed()));
    Ok(if is_good { Exit::Pass } else { Exit::CorrectnessViolated })
}

/// A server to be checked.
#[derive(Clone, Copy, Debug)]
struct Subject {
    bug: Option<&'static Bug>,
    area: Area,
    seed: u64,
}

/// Checks some servers at a time, each with clients and judge on a thread of its own; prints each as it is done.
fn check_all(target: &Target, args: &SelftestArgs, subjects: &[Subject]) -> Result<Vec<Row>, Failure> {
    let next = AtomicUsize::new(0);
    let (done, rows) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..args.jobs {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                while let Some(one) = subjects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody listens any more once one could not be checked at all.
                    if done.send(alone(target, args, *one)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        rows.into_iter()
            .map(|row| {
                let row = row?;
                print::result(&table::line(&row));
                Ok(row)
            })
            .collect()
    })
}

fn alone(target: &Target, args: &SelftestArgs, one: Subject) -> Result<Row, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot set up the run").map_err(Failure::tool)?;
    runtime.block_on(subject((target, args.keep.as_deref()), one))
}

/// The bugs to be tried.
fn chosen(args: &SelftestArgs) -> anyhow::Result<Vec<&'static Bug>> {
    if args.bug.is_empty() {
        return Ok(stampede_faulty::all().iter().collect());
    }
    let find = |id: &String| {
        stampede_faulty::by_id(id)
            .ok_or_else(|| anyhow!("--bug: there is no bug `{id}`\nhint: stampede selftest --list shows all"))
    };
    args.bug.iter().map(find).collect()
}

/// The areas of the bugs, each once.
fn areas(bugs: &[&Bug]) -> Vec<Area> {
    let mut areas: Vec<Area> = Vec::new();
    for bug in bugs {
        if !areas.contains(&bug.area) {
            areas.push(bug.area);
        }
    }
    areas
}

/// Checks one server until its bug is named; a sound one is checked once by each workload of its area.
async fn subject(
    (target, keep): (&Target, Option<&Path>),
    Subject { bug, area, seed }: Subject,
) -> Result<Row, Failure> {
    let started = Instant::now();
    let mut row = Row::new(bug, area, seed);
    let tries = if bug.is_some() { TRIES } else { 1 };
    for turn in 0..tries {
        for workload in target.workload.iter().filter(|workload| is_of(workload, area)) {
            let (verdict, lines) = one(target, workload, bug, seed * 1_000 + u64::from(turn)).await?;
            if let Some(folder) = keep {
                let server = bug.map_or_else(|| format!("sound-{}", area.name()), |bug| bug.id.to_owned());
                let file = folder.join(format!("{server}-{}-{seed}.jsonl", workload.id.as_ref()));
                std::fs::write(&file, lines)
                    .with_context(|| format!("--keep: {}", file.display()))
                    .map_err(Failure::tool)?;
            }
            row.operations += verdict.operations;
            row.note(&verdict);
            if row.is_decided() {
                row.took = started.elapsed();
                return Ok(row);
            }
        }
    }
    row.took = started.elapsed();
    Ok(row)
}

/// Whether a workload looks for bugs of an area.
fn is_of(workload: &Workload, area: Area) -> bool {
    let id = workload.id.as_ref().as_str();
    match area {
        Area::Stock => id.starts_with("stock"),
        Area::Lock => id == "lock",
        Area::Limit => id == "limit",
        Area::Tenants => id == "tenants",
        Area::Idempotency => id == "once",
        Area::Queue => id.starts_with("queue"),
        Area::Orders => id == "orders" || id == "stock-lines",
        Area::Register => id == "register" || id == "counter",
    }
}

/// One workload against a fresh server.
async fn one(
    target: &Target,
    workload: &Workload,
    bug: Option<&Bug>,
    seed: u64,
) -> Result<(WorkloadVerdict, Vec<u8>), Failure> {
    let server = Server::start(bug, seed, Config::default()).context("cannot start a server").map_err(Failure::tool)?;
    let bench = Bench::new(target, &server.url(), &format!("{seed:x}"), Scope::default()).map_err(Failure::tool)?;
    let mut lines = Vec::new();
    let ran = run_workload(&[bench], workload, (seed, Manner::default()), &mut lines, &Steering::default()).await;
    ran.with_context(|| format!("workload `{}`", workload.id.as_ref())).map_err(Failure::tool)?;
    let history = history::read(BufReader::new(Cursor::new(&lines)), workload.id.as_ref()).map_err(Failure::tool)?;
    Ok((check::judge(&history, Budget::of_steps(20_000_000)), lines))
}

/// How long something took, in words.
fn took(time: Duration) -> String {
    show_duration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

/// Whether a verdict accuses.
fn accuses(verdict: &WorkloadVerdict) -> bool {
    verdict.answer == Answer::Violated
}
