//! The flags of `stampede run`, and those that `stampede plan` shares with it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stampede_model::units::{parse_count, parse_duration, parse_rate};

use crate::exit;
use crate::load::OutcomeArgs;

/// Carry out a scenario file: who does what, how often, and what must hold.
///
/// The file is checked whole before anything is sent. Flags win over variables STAMPEDE_*, and both over the file. An example
/// with comments is scenarios/guide.toml; docs/scenarios.md says all.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,

    #[command(flatten)]
    pub(crate) outcome: OutcomeArgs,

    /// Generator threads [default: cores less one].
    #[arg(long, env = "STAMPEDE_THREADS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: Option<u32>,

    /// Write what steps with `record` did to this file, one operation a line, and judge it at the end: 3 when a rule was broken.
    #[arg(long, env = "STAMPEDE_HISTORY", value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    /// Do each task once, as one user, and print each exchange.
    #[arg(long, conflicts_with_all = ["dry_run", "json", "outputs", "thresholds", "history"])]
    pub(crate) once: bool,

    /// Print what would be done and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// In a terminal, one line of progress instead of the live view with its keys.
    #[arg(long, env = "STAMPEDE_NO_TUI")]
    pub(crate) no_tui: bool,

    /// No progress on standard error.
    #[arg(long, env = "STAMPEDE_QUIET")]
    pub(crate) quiet: bool,
}

/// Which scenario, and what is changed in it.
#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// The scenario file (TOML 1.1).
    pub(crate) file: Option<PathBuf>,

    /// Instead of a scenario, a list of URLs as siege reads it, sent one after the other by 10 users.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) urls: Option<PathBuf>,

    /// Header of every request of a list of URLs, 'Name: value'; may be repeated. The value is shown nowhere.
    #[arg(short = 'H', long = "header", value_name = "HEADER", requires = "urls")]
    pub(crate) headers: Vec<String>,

    /// Scheme, host and port instead of the file's target.
    #[arg(long, env = "STAMPEDE_HOST", value_name = "URL")]
    pub(crate) host: Option<String>,

    /// Users of all closed scenarios together, shared out as the file's numbers stand to each other.
    #[arg(short = 'u', long, env = "STAMPEDE_USERS", value_name = "N", value_parser = parse_users)]
    pub(crate) users: Option<u32>,

    /// Users that start per second in closed scenarios (10, 90/m).
    #[arg(long, env = "STAMPEDE_SPAWN_RATE", value_name = "RATE", value_parser = parse_rate)]
    pub(crate) spawn_rate: Option<f64>,

    /// How long every scenario issues (500ms, 30s, 2m).
    #[arg(short = 'd', long, short_alias = 'z', env = "STAMPEDE_DURATION", value_name = "TIME", value_parser = parse_time)]
    pub(crate) duration: Option<Duration>,

    /// By what the rates of open scenarios are multiplied (0.1, 2).
    #[arg(long, env = "STAMPEDE_RATE_FACTOR", value_name = "FACTOR", value_parser = parse_factor)]
    pub(crate) rate_factor: Option<f64>,

    /// Seed of everything random.
    #[arg(long, env = "STAMPEDE_SEED", value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Value of [vars] in the file, NAME=VALUE. May be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_var)]
    pub(crate) vars: Vec<(String, String)>,

    /// Time an answer is assumed to take, for what is reckoned beforehand.
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = parse_duration)]
    pub(crate) assume: Duration,
}

fn parse_users(text: &str) -> Result<u32, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    u32::try_from(count).map_err(|_| format!("{text} users are too many"))
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("nothing is sent in no time".to_owned()) } else { Ok(time) }
}

fn parse_factor(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor > 0.0);
    factor.ok_or_else(|| format!("`{text}` is no factor: write a number above 0, such as 0.1 or 2"))
}

fn parse_var(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` gives nothing: write NAME=VALUE"))?;
    Ok((name.trim().to_owned(), value.to_owned()))
}
