//! The flags of `stampede check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stampede_model::units::{parse_count, parse_duration};

/// Record what clients do and see at the same time, and decide whether the system was right.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    stampede check targets/kv-erp.toml                         start the system, run every workload, judge each\n  \
    stampede check targets/shop.toml --url http://127.0.0.1:8000 --only stock\n  \
    stampede check --history stock.jsonl                       judge a history that somebody recorded")]
pub(crate) struct CheckArgs {
    /// The file that describes the system and its workloads
    #[arg(value_name = "FILE", required_unless_present = "history", conflicts_with = "history")]
    pub(crate) target: Option<PathBuf>,
    /// Judge this recorded history; repeat it for more
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Vec<PathBuf>,
    /// Judge a history whose last line is missing, too; what it lacks makes the verdict unknown at best
    #[arg(long, requires = "history")]
    pub(crate) allow_truncated: bool,
    /// Check the system that already runs here, and start nothing; repeat it for more replicas
    #[arg(long, value_name = "URL", requires = "target")]
    pub(crate) url: Vec<String>,
    /// The gateway to the servers of a system that already runs, for requests that go there (see stampede gateway)
    #[arg(long, value_name = "URL", requires = "url")]
    pub(crate) gateway: Option<String>,
    /// Start the system as this other file says; the workloads and requests stay those of FILE
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with = "url")]
    pub(crate) start: Option<PathBuf>,
    /// Run this workload only; repeat it for more (--list shows them)
    #[arg(long, value_name = "WORKLOAD")]
    pub(crate) only: Vec<String>,
    /// Seed of all choices; the schedule repeats with it, the system's timing does not
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Clients of each workload, instead of the file's number
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) clients: Option<u32>,
    /// Operations of each workload, instead of the file's number
    #[arg(short = 'n', long, value_name = "N", value_parser = operations)]
    pub(crate) operations: Option<u32>,
    /// How long each workload goes on at most; without -n also at least
    #[arg(short = 'd', long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Keep the histories in this folder, as WORKLOAD.jsonl
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Write the histories there as EDN, too
    #[arg(long, requires = "keep")]
    pub(crate) edn: bool,
    /// Write the verdicts to this file; repeat it for more: .json .html .md .xml (JUnit)
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Vec<PathBuf>,
    /// Steps of an exact search before it is given up
    #[arg(long, value_name = "N", default_value = "20m", value_parser = parse_count)]
    pub(crate) search_steps: u64,
    /// Print the workloads and do nothing
    #[arg(long, requires = "target")]
    pub(crate) list: bool,
}

fn operations(text: &str) -> Result<u32, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    u32::try_from(count).map_err(|_| "at most 4 billion operations".to_owned())
}
