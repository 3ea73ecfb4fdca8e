//! The flags of `stampede stress`, named as the tools it drives name them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stampede_engine::stress::pool::HoldCount;
use stampede_model::threshold::Threshold;
use stampede_model::units::{parse_count, parse_duration, parse_rate};

/// Where results go.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// Write the run to a file.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write a report as well: .html, .json, .md or .xml; may be repeated.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(super) reports: Vec<PathBuf>,

    /// No progress on standard error.
    #[arg(long)]
    pub(super) quiet: bool,
}

/// `stampede stress postgres`.
#[derive(Debug, Args)]
pub(super) struct PostgresArgs {
    /// The database, such as `postgres://user:password@host:5432/name`; its `pgbench_*` tables are made anew.
    #[arg(long, env = "STAMPEDE_POSTGRES_URL", hide_env_values = true, required_unless_present = "private")]
    pub(super) url: Option<String>,

    /// Start a PostgreSQL of its own, gone afterwards.
    #[arg(long)]
    pub(super) private: bool,

    /// Scale of pgbench's tables: 100,000 accounts each.
    #[arg(short = 's', long, value_name = "N", default_value = "50", value_parser = small)]
    pub(super) scale: u32,

    /// Clients.
    #[arg(short = 'c', long, value_name = "N", default_value = "100", value_parser = small)]
    pub(super) clients: u32,

    /// Threads of pgbench, at most one for each client.
    #[arg(short = 'j', long, value_name = "N", default_value = "10", value_parser = small)]
    pub(super) jobs: u32,

    /// How long the load takes.
    #[arg(short = 'd', long, short_alias = 'T', value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub(super) duration: Duration,

    /// Use the tables as they are.
    #[arg(long)]
    pub(super) no_init: bool,

    /// Report the mean of each statement.
    #[arg(short = 'r', long)]
    pub(super) statements: bool,

    /// A statement that runs longer is named as slow.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub(super) slow: Duration,

    /// The plain commands `pgbench -i -s 50` and `pgbench -c 100 -j 10 -T 60`, not an option more: no percentiles.
    #[arg(long, conflicts_with_all = ["scale", "clients", "jobs", "duration", "no_init", "statements"])]
    pub(super) guide: bool,

    /// Limit to keep, such as 'tps>500', 'latency<50ms', 'latency.p99<200ms', 'deadlocks<=0'; may be repeated
    /// [default: failed<1%].
    #[arg(long = "threshold", value_name = "LIMIT")]
    pub(super) thresholds: Vec<String>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// `stampede stress redis`.
#[derive(Debug, Args)]
pub(super) struct RedisArgs {
    /// The server, such as `redis://:password@host:6379/0`; redis-benchmark writes keys of its own into it.
    #[arg(long, env = "STAMPEDE_REDIS_URL", hide_env_values = true, required_unless_present = "private")]
    pub(super) url: Option<String>,

    /// Start a Redis of its own, gone afterwards.
    #[arg(long)]
    pub(super) private: bool,

    /// Requests of each test (500, 10k, 1m).
    #[arg(short = 'n', long, value_name = "N", default_value = "100000", value_parser = parse_count)]
    pub(super) requests: u64,

    /// Connections.
    #[arg(short = 'c', long, value_name = "N", default_value = "50", value_parser = small)]
    pub(super) clients: u32,

    /// Tests, such as set,get [default: all that redis-benchmark has].
    #[arg(short = 't', long, value_name = "TEST", value_delimiter = ',')]
    pub(super) tests: Vec<String>,

    /// A list whose length is watched, such as queue:default; may be repeated.
    #[arg(long, value_name = "KEY")]
    pub(super) watch_list: Vec<String>,

    /// The plain commands `redis-benchmark -n 100000 -c 50 -q` and `redis-benchmark -t set,get -n 1000000 -q`.
    #[arg(long, conflicts_with_all = ["requests", "clients", "tests"])]
    pub(super) guide: bool,

    /// Limit to keep, such as 'set.rps>10k', 'get.p99<5ms', 'memory.max<1GB'; may be repeated
    /// [default: evicted<=0 and rejected<=0].
    #[arg(long = "threshold", value_name = "LIMIT")]
    pub(super) thresholds: Vec<String>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// The request of `pool` and `http`.
#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    /// What to ask, such as `http://127.0.0.1:8080/path`.
    pub(super) url: String,

    /// Request header, 'Name: value'; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(super) headers: Vec<String>,

    /// Request method [default: GET, with a body POST].
    #[arg(short = 'm', long, value_name = "METHOD")]
    pub(super) method: Option<String>,

    /// Request body.
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    pub(super) body: Option<String>,

    /// File with the request body.
    #[arg(long, value_name = "FILE")]
    pub(super) body_file: Option<PathBuf>,

    /// Content type of the body.
    #[arg(short = 'T', long, value_name = "TYPE", default_value = "application/json")]
    pub(super) content_type: String,

    /// Time one request may take.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(super) timeout: Duration,
}

/// `stampede stress pool`.
#[derive(Debug, Args)]
pub(super) struct PoolArgs {
    #[command(flatten)]
    pub(super) request: RequestArgs,

    /// The service's database, such as `postgres://user:password@host:5432/name`.
    #[arg(long, value_name = "URL", env = "STAMPEDE_POSTGRES_URL", hide_env_values = true)]
    pub(super) database: String,

    /// Connections to hold: a number, or all-but M to leave M free.
    #[arg(long, value_name = "N|all-but M", num_args = 1..=2, default_values = ["all-but", "0"])]
    pub(super) hold: Vec<String>,

    /// How long they are held.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(super) hold_for: Duration,

    /// Time before anything is held.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub(super) before: Duration,

    /// Requests per second.
    #[arg(short = 'R', long, value_name = "RATE", default_value = "50", value_parser = parse_rate)]
    pub(super) rate: f64,

    /// Hold a table locked as well, so that whoever needs it waits and fills the service's own pool.
    #[arg(long, value_name = "TABLE")]
    pub(super) lock: Option<String>,

    /// Hold each connection in a transaction.
    #[arg(long, conflicts_with = "lock")]
    pub(super) in_transaction: bool,

    /// Time from the release to good answers.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(super) recover_within: Duration,

    /// Statuses that are as good as a 2xx, such as 429.
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(super) also_good: Vec<u16>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// `stampede stress http`.
#[derive(Debug, Args)]
pub(super) struct HttpArgs {
    #[command(flatten)]
    pub(super) request: RequestArgs,

    /// The rates, rising, such as 100,200,400.
    #[arg(long, value_name = "RATE", value_delimiter = ',', value_parser = parse_rate, conflicts_with_all = ["from", "to"])]
    pub(super) steps: Vec<f64>,

    /// The first rate; each further one is twice the one before.
    #[arg(long, value_name = "RATE", default_value = "100", value_parser = parse_rate)]
    pub(super) from: f64,

    /// The last rate.
    #[arg(long, value_name = "RATE", default_value = "6400", value_parser = parse_rate)]
    pub(super) to: f64,

    /// How long each step takes.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(super) step: Duration,

    /// Go on after the first step that breaks a limit.
    #[arg(long)]
    pub(super) beyond: bool,

    /// The rate that must be held: a bend above it is no failure.
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(super) must_hold: Option<f64>,

    /// Limit of every step; may be repeated [default: p95<500ms, p99<1s and errors<0.1%].
    #[arg(long = "threshold", value_name = "LIMIT")]
    pub(super) thresholds: Vec<Threshold>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// Reads `40`, `all-but 5` (one word or two), `all-but=5`.
pub(super) fn hold(words: &[String]) -> Result<HoldCount, String> {
    let text = words.join(" ");
    let bad = || {
        format!(
            "--hold {text}: write a number of connections, or all-but and the number to leave free, and the URL before it"
        )
    };
    match text.strip_prefix("all-but") {
        Some(rest) => rest.trim_start_matches([' ', '=']).parse().map(HoldCount::AllBut).map_err(|_| bad()),
        None => text.parse().map(HoldCount::Exactly).map_err(|_| bad()),
    }
}

fn small(text: &str) -> Result<u32, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    u32::try_from(count).ok().filter(|count| *count <= 20_000).ok_or_else(|| format!("{text} is more than 20k"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_hold_is_a_number_or_all_but_one() {
        let read = |words: &[&str]| hold(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["40"]), Ok(HoldCount::Exactly(40)));
        assert_eq!(read(&["all-but", "5"]), Ok(HoldCount::AllBut(5)));
        assert_eq!(read(&["all-but 5"]), Ok(HoldCount::AllBut(5)));
        assert_eq!(read(&["all-but=5"]), Ok(HoldCount::AllBut(5)));
        for bad in [&["all"][..], &["all-but"], &["5", "6"], &["-1"]] {
            assert!(read(bad).unwrap_err().contains("--hold"), "{bad:?}");
        }
    }
}
