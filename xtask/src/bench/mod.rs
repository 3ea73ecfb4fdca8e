//! `cargo xtask bench NAME`: a figure of ours beside its reference, both measured in turn in one run on one machine, as a ratio.
//!
//! The rounds alternate, so that whatever else the machine does meets both; the ratio of the medians is what counts.
//! Absent on purpose: a verdict. The figures go into `docs/benchmarks.md` by hand, with the command.

mod check;
mod compare;
mod cost;
mod generator;
mod generator_server;
mod jobs;
mod list;
mod memory;
mod peers;
mod pgbench;
mod reserve;
mod service;
mod stall;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use clap::ValueEnum;

use crate::say;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The comparison.
    #[arg(value_enum)]
    name: Name,
    /// How often each side is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// How long one measurement takes, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Connections of the load, and clients of pgbench.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// Measure the programs that stand in the target folder, whatever has changed since.
    #[arg(long)]
    no_build: bool,
    /// Measure the programs of this folder, and build none.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    #[command(flatten)]
    generator: generator::Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Reservations of one product over HTTP, beside the guide's transaction in pgbench on the same PostgreSQL.
    Reserve,
    /// A page of customers over HTTP, beside a bare axum handler that answers with the same bytes.
    List,
    /// Jobs from the transaction that asks for them to their end, beside SKIP LOCKED alone and beside LPUSH alone.
    Jobs,
    /// Memory of the service, idle and under load, beside a bare axum handler.
    Memory,
    /// CPU time per request of the load generator, beside that of others, against a server that does nothing.
    Generator,
    /// A server that stands still for a while, as this load generator and others report it.
    Stall,
    /// What `stampede compare` says of twenty pairs of runs against one server, and of twenty against one 10 % slower.
    Compare,
    /// The exact search of histories, beside other people's.
    Check,
    /// CPU time per request of service, PostgreSQL, Redis and generator with one, two and three replicas, and what follows from it.
    Cost,
}

/// Where the programs are, and how to measure.
pub(crate) struct Bench {
    target: PathBuf,
    programs: PathBuf,
    rounds: u32,
    seconds: u32,
    connections: u32,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// What was done, a second.
    pub(crate) per_second: f64,
    /// The 99th percentile, where the tool gives it.
    pub(crate) p99_ms: Option<f64>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let bench = Bench {
        target: metadata.target_directory.clone().into(),
        programs: args.programs.clone().unwrap_or_else(|| metadata.target_directory.join("release").into()),
        rounds: args.rounds,
        seconds: args.seconds,
        connections: args.connections,
    };
    let root = metadata.workspace_root.as_std_path();
    // The programs of a check are in a workspace of their own.
    if !args.no_build && args.programs.is_none() && args.name != Name::Check {
        build(root, args.name)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match args.name {
        Name::Reserve => runtime.block_on(reserve::run(&bench))?,
        Name::List => runtime.block_on(list::run(&bench))?,
        Name::Jobs => runtime.block_on(jobs::run(&bench))?,
        Name::Memory => runtime.block_on(memory::run(&bench))?,
        Name::Generator => generator::run(&bench, &args.generator)?,
        Name::Stall => stall::run(&bench)?,
        Name::Compare => compare::run(&bench)?,
        Name::Check => check::run(&bench, root)?,
        Name::Cost => runtime.block_on(cost::run(&bench))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn build(root: &Path, name: Name) -> Result<()> {
    let mut args = vec!["build", "--release", "--package", "stampede"];
    if matches!(name, Name::Reserve | Name::List | Name::Jobs | Name::Memory | Name::Cost) {
        args.extend(["--package", "kv-erp"]);
    }
    if matches!(name, Name::List | Name::Memory) {
        args.extend(["--bins", "--example", "bare_axum"]);
    }
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let status = Command::new(cargo).args(&args).current_dir(root).status().context("run cargo")?;
    if !status.success() {
        bail!("cargo {} failed", args.join(" "));
    }
    Ok(())
}

impl Bench {
    fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Prints both sides and the ratio of their medians.
    fn report(
        &self,
        (ours_name, ours): (&str, &[Figure]),
        (reference_name, reference): (&str, &[Figure]),
    ) -> Result<()> {
        let Self { rounds, seconds, connections, .. } = self;
        say("")?;
        say(&format!("{rounds} rounds of {seconds} s each, {connections} connections, median (lowest..highest)"))?;
        say(&line(ours_name, ours))?;
        say(&line(reference_name, reference))?;
        say(&format!("ratio: {:.2}x", median(ours) / median(reference)))
    }
}

fn median(figures: &[Figure]) -> f64 {
    let mut rates: Vec<f64> = figures.iter().map(|figure| figure.per_second).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

fn line(name: &str, figures: &[Figure]) -> String {
    let rates = figures.iter().map(|figure| figure.per_second);
    let (low, high) = (rates.clone().fold(f64::INFINITY, f64::min), rates.fold(0.0, f64::max));
    let worst_p99 = figures.iter().filter_map(|figure| figure.p99_ms).reduce(f64::max);
    let p99 = worst_p99.map_or_else(String::new, |ms| format!(", worst p99 {ms:.1} ms"));
    format!("{name:<44} {:>9.0}/s ({low:.0}..{high:.0}){p99}", median(figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_figure() {
        let figures = [9.0, 1.0, 5.0].map(|per_second| Figure { per_second, p99_ms: None });
        assert!((median(&figures) - 5.0).abs() < f64::EPSILON);
        assert!(line("x", &figures).contains("5/s (1..9)"));
    }
}
