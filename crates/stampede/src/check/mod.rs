//! `stampede check`: carries a target's workloads out and judges what was seen, or judges recorded histories.
//!
//! Invariants: the whole target file is checked before anything is started; a workload that could not be carried out is never a
//! pass, and one that never reached the trouble it is about is unknown.

mod args;
mod order;
mod run;
mod table;

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, anyhow};
use stampede_model::check::{self, Answer, Budget, CHECK_FORMAT, CHECK_VERSION, CheckRun, Finding, Findings, Strength};
use stampede_model::history::{self, History, write_edn as edn};

pub(crate) use args::CheckArgs;
use order::Order;

use crate::exit::Exit;
use crate::{Failure, print};

/// Carries out the subcommand.
pub(crate) fn command(args: &CheckArgs) -> Result<Exit, Failure> {
    for file in &args.output {
        table::kind_of(file).map_err(Failure::usage)?;
    }
    let (run, is_interrupted) = match &args.target {
        Some(file) => {
            let order = Order::from_args(args, file).map_err(Failure::usage)?;
            if args.list {
                print::result(&table::list(&order));
                return Ok(Exit::Pass);
            }
            run::run(&order)?
        }
        None => (judge_files(args)?, false),
    };
    print::result(&format!("\n{}", stampede_report::check::text(&run)));
    for file in &args.output {
        table::write(file, &run).map_err(Failure::tool)?;
    }
    Ok(if is_interrupted { Exit::Interrupted } else { exit_of(&run) })
}

fn exit_of(run: &CheckRun) -> Exit {
    match run.answer() {
        Answer::Holds => Exit::Pass,
        Answer::Unknown => Exit::NotTrustworthy,
        Answer::Violated => Exit::CorrectnessViolated,
    }
}

/// Judges recorded histories.
fn judge_files(args: &CheckArgs) -> Result<CheckRun, Failure> {
    let started = Instant::now();
    let mut workloads = Vec::new();
    for file in &args.history {
        let name = file.display().to_string();
        let from =
            File::open(file).map_err(|error| Failure::usage(anyhow!("--history: cannot read {name}: {error}")))?;
        let history = history::read(BufReader::new(from), &name).map_err(Failure::usage)?;
        if !history.is_whole && !args.allow_truncated {
            return Err(Failure::usage(anyhow!(
                "{name}: the closing line is missing: the history was cut off\nhint: judge what is there with --allow-truncated"
            )));
        }
        let began = Instant::now();
        let mut verdict = check::judge(&history, Budget::of_steps(args.search_steps));
        if !history.is_whole {
            let mut findings = Findings::default();
            findings.doubt(Finding::new("truncated", "", "the end of the history is missing"));
            verdict.reports.push(findings.conclude("history", Strength::Nothing, 0, 0));
            verdict.answer = verdict.answer.max(Answer::Unknown);
        }
        verdict.history = Some(name);
        verdict.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        print::result(&table::line(&verdict));
        workloads.push(verdict);
    }
    Ok(CheckRun {
        format: CHECK_FORMAT.to_owned(),
        version: CHECK_VERSION,
        target: args.history.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "),
        file: String::new(),
        url: String::new(),
        started_unix_ms: 0,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        seed: 0,
        workloads,
    })
}

/// Writes a history as EDN.
fn write_edn(file: &Path, history: &History) -> anyhow::Result<()> {
    let to = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut to = BufWriter::new(to);
    edn(&mut to, &history.operations)
        .and_then(|()| to.flush())
        .with_context(|| format!("cannot write {}", file.display()))
}
