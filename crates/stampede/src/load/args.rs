//! The flags of `stampede load`, as the hand knows them from other tools.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stampede_model::schedule::Spacing;
use stampede_model::units::{parse_count, parse_duration, parse_rate};

use super::outcome::OutcomeArgs;
use super::stage::{LoadStage, Way};
use crate::exit;

/// Send load to one URL and judge how it was answered.
///
/// Without --rate each of the connections sends its next request when the last one was answered (closed model: how much
/// can it do?). With --rate requests leave on a schedule whatever the server does (open model: how long do users wait?).
/// Without -n, -d and --stage a run takes 10 s. Every flag can be given as a variable STAMPEDE_*; the flag wins. An answer is a success when its status is below 400; without --threshold,
/// errors<1% must hold.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct LoadArgs {
    /// What to load, such as `http://127.0.0.1:8080/path`; with --host, only the path.
    pub(crate) url: Option<String>,

    /// Scheme, host and port, when the URL is only a path.
    #[arg(long, env = "STAMPEDE_HOST", value_name = "URL")]
    pub(crate) host: Option<String>,

    /// Connections of the closed model [default: 10]; with --rate the most requests under way at once.
    #[arg(short = 'c', long, env = "STAMPEDE_CONNECTIONS", value_name = "N", value_parser = parse_connections)]
    pub(crate) connections: Option<u32>,

    /// Stop after so many requests (500, 10k, 1m).
    #[arg(short = 'n', long, env = "STAMPEDE_REQUESTS", value_name = "N", value_parser = parse_count)]
    pub(crate) requests: Option<u64>,

    /// Stop after so long (500ms, 30s, 2m) [default: 10s, unless -n is given].
    #[arg(short = 'd', long, short_alias = 'z', env = "STAMPEDE_DURATION", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,

    /// Requests per second of the open model (200, 1.5k, 90/m).
    #[arg(short = 'R', long, short_alias = 'q', env = "STAMPEDE_RATE", value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,

    /// Stage of the load, 'TIME:AMOUNT': in that time go evenly to so many connections (30s:100) or, with /s behind it, to that
    /// rate (30s:200/s); 0s is a jump. May be repeated; -c or --rate say where the first one starts [default: from 0].
    #[arg(long = "stage", env = "STAMPEDE_STAGES", value_name = "STAGE", value_delimiter = ';')]
    pub(crate) stages: Vec<LoadStage>,

    /// Most connections that begin per second in the closed model (10, 90/m).
    #[arg(long, env = "STAMPEDE_SPAWN_RATE", value_name = "RATE", value_parser = parse_rate)]
    pub(crate) spawn_rate: Option<f64>,

    /// Most requests under way at once in the open model [default: 512].
    #[arg(long, env = "STAMPEDE_MAX_IN_FLIGHT", value_name = "N", conflicts_with = "connections", value_parser = parse_connections)]
    pub(crate) max_in_flight: Option<u32>,

    /// Most arrivals that may wait for a connection in the open model; more are counted as not sent [default: 100k].
    #[arg(long, env = "STAMPEDE_MAX_QUEUE", value_name = "N", value_parser = parse_queue)]
    pub(crate) max_queue: Option<u32>,

    /// Gaps of the open model: uniform, or poisson as independent users make them [default: uniform].
    #[arg(long, env = "STAMPEDE_SPACING", value_name = "KIND")]
    pub(crate) spacing: Option<Spacing>,

    /// Seed of the gaps; the same seed gives the same arrivals [default: 1].
    #[arg(long, env = "STAMPEDE_SEED", value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Request header, 'Name: value'; may be repeated.
    #[arg(
        short = 'H',
        long = "header",
        env = "STAMPEDE_HEADERS",
        value_name = "HEADER",
        value_delimiter = '\n',
        hide_env_values = true
    )]
    pub(crate) headers: Vec<String>,

    /// Request method [default: GET, with a body POST].
    #[arg(short = 'm', long, env = "STAMPEDE_METHOD", value_name = "METHOD")]
    pub(crate) method: Option<String>,

    /// Request body.
    #[arg(long, env = "STAMPEDE_BODY", value_name = "TEXT", conflicts_with = "body_file")]
    pub(crate) body: Option<String>,

    /// File with the request body.
    #[arg(long, value_name = "FILE")]
    pub(crate) body_file: Option<PathBuf>,

    /// Content type of the body [default: application/json if the body is JSON, else text/plain].
    #[arg(short = 'T', long, env = "STAMPEDE_CONTENT_TYPE", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,

    /// Time one request may take.
    #[arg(long, env = "STAMPEDE_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,

    /// Time the last requests get to finish.
    #[arg(long, env = "STAMPEDE_DRAIN", value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(crate) drain: Duration,

    /// Generator threads [default: cores less one].
    #[arg(long, env = "STAMPEDE_THREADS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: Option<u32>,

    /// Open a new connection for every request.
    #[arg(long, env = "STAMPEDE_NO_KEEPALIVE")]
    pub(crate) no_keepalive: bool,

    /// How requests travel: auto, hyper or raw [default: auto, which is raw bytes wherever they do].
    #[arg(long, env = "STAMPEDE_TRANSPORT", value_name = "KIND", conflicts_with = "http2")]
    pub(crate) transport: Option<Way>,

    /// Speak HTTP/2: several requests at once on one connection. Without TLS the server must know beforehand.
    #[arg(long, env = "STAMPEDE_HTTP2")]
    pub(crate) http2: bool,

    /// Most requests at once on one HTTP/2 connection; the server may allow fewer [default: 100].
    #[arg(long, env = "STAMPEDE_STREAMS", value_name = "N", requires = "http2", value_parser = parse_connections)]
    pub(crate) streams: Option<u32>,

    /// Trust any certificate: the server may be anyone.
    #[arg(long, env = "STAMPEDE_INSECURE", conflicts_with = "cacert")]
    pub(crate) insecure: bool,

    /// Trust the certificates of this PEM file and no others.
    #[arg(long, env = "STAMPEDE_CACERT", value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,

    /// Make a full TLS handshake for every connection.
    #[arg(long, env = "STAMPEDE_NO_TLS_RESUMPTION")]
    pub(crate) no_tls_resumption: bool,

    /// Statuses that are successes, such as 200,409 [default: all below 400].
    #[arg(long, env = "STAMPEDE_EXPECT_STATUS", value_name = "STATUS", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(crate) expect_status: Vec<u16>,

    #[command(flatten)]
    pub(crate) outcome: OutcomeArgs,

    /// Send one request and print it with its answer.
    #[arg(long, conflicts_with_all = ["requests", "duration", "rate", "dry_run", "json", "outputs", "thresholds", "stages"])]
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

fn parse_connections(text: &str) -> Result<u32, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    u32::try_from(count).map_err(|_| format!("{text} connections are too many"))
}

fn parse_queue(text: &str) -> Result<u32, String> {
    if text == "0" {
        return Ok(0);
    }
    let count = parse_count(text).map_err(|error| error.to_string())?;
    // Eight million waiting arrivals are 200 MB; beyond that the bench, not the server, is what breaks.
    u32::try_from(count).ok().filter(|count| *count <= 8_000_000).ok_or_else(|| format!("{text} is more than 8m"))
}
