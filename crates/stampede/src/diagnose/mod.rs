//! `stampede diagnose`: a few looks at a system in trouble, and what they show, worst first.
//!
//! Invariant: it looks and changes nothing.

use std::time::Duration;

use clap::Args;
use stampede_engine::cluster::{self as engine, MemberState, Status, log_tail};
use stampede_engine::monitor::{Monitor, Snapshot, Sources, lifetimes};
use stampede_model::diagnose::{Finding, Seen, Severity, findings};
use stampede_model::units::parse_duration;
use tokio::time::sleep;

use crate::cluster::{FolderArgs, find, runtime};
use crate::exit::Exit;
use crate::print::Append;
use crate::{Failure, print};

/// Lines of a log that are looked through.
const LOG_LINES: usize = 1_000;
/// How much of a logged line is shown.
const LINE_MAX: usize = 200;

/// Look at a cluster, or at servers of your own, and say what is wrong.
#[derive(Debug, Args)]
pub(crate) struct DiagnoseArgs {
    /// How long to look
    #[arg(long = "for", value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    lasts: Duration,
    /// A PostgreSQL of your own
    #[arg(long, value_name = "URL", env = "STAMPEDE_POSTGRES_URL", hide_env_values = true)]
    postgres: Option<String>,
    /// A Redis of your own
    #[arg(long, value_name = "URL", env = "STAMPEDE_REDIS_URL", hide_env_values = true)]
    redis: Option<String>,
    /// Keys of locks in Redis; one that lives long, or for ever, is stuck. May be repeated
    #[arg(long, value_name = "PATTERN")]
    locks: Vec<String>,
    /// A list of Redis that should not grow, such as queue:default. May be repeated
    #[arg(long, value_name = "KEY")]
    list: Vec<String>,
    /// From when on a statement is slow
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    slow: Duration,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Carries out the subcommand: 0 when nothing was found that needs anybody now, 99 otherwise.
pub(crate) fn command(args: &DiagnoseArgs) -> Result<Exit, Failure> {
    let found = runtime()?.block_on(diagnose(args))?;
    if args.json {
        print::result(&(serde_json::to_string_pretty(&found).map_err(Failure::tool)? + "\n"));
    } else {
        print::result(&text(&found));
    }
    let now = found.iter().any(|finding| finding.severity == Severity::Now);
    Ok(if now { Exit::ThresholdFailed } else { Exit::Pass })
}

async fn diagnose(args: &DiagnoseArgs) -> Result<Vec<Finding>, Failure> {
    let mut sources = Sources {
        postgres: args.postgres.clone(),
        redis: args.redis.clone(),
        lists: args.list.clone(),
        slow: args.slow,
        ..Sources::default()
    };
    let mut seen = Seen::default();
    let own = args.postgres.is_some() || args.redis.is_some();
    if !own {
        let card = find(&args.folder.dir)?;
        let status = engine::status(&card.socket).await.map_err(Failure::tool)?;
        sources.postgres = status.server("postgres").map(|server| server.url.clone());
        sources.redis = status.server("redis").map(|server| server.url.clone());
        look_at_cluster(&mut seen, &status);
    }
    let redis = sources.redis.clone();
    let mut monitor = Monitor::new(sources);
    let first = monitor.look().await;
    sleep(args.lasts).await;
    let last = monitor.look().await;
    compare(&mut seen, first, last);
    if let Some(url) = redis {
        for pattern in &args.locks {
            match lifetimes(&url, pattern).await {
                Ok(locks) => seen.locks.extend(locks),
                Err(why) => seen.troubles.push(format!("redis: {why}")),
            }
        }
    }
    Ok(findings(&seen))
}

fn look_at_cluster(seen: &mut Seen, status: &Status) {
    for member in status.members() {
        let state = match member.state {
            MemberState::Ready | MemberState::Leaving => None,
            MemberState::Starting => Some("is starting"),
            MemberState::Unready => Some("runs and does not say that it is ready"),
            MemberState::Waiting => Some("ended and waits to be started"),
            MemberState::Down => Some("is down"),
        };
        if let Some(state) = state {
            seen.replicas.push((member.name.clone(), state.to_owned()));
        }
        if let (Some(how), times @ 1..) = (&member.last_end, member.ended) {
            seen.ended.push((member.name.clone(), format!("has ended {times} times by itself, last {how}")));
        }
        let tail = log_tail(std::path::Path::new(&member.log), LOG_LINES);
        let errors: Vec<&str> = tail.lines().filter(|line| speaks_of_an_error(line)).collect();
        if let Some(last) = errors.last() {
            let last: String = last.chars().take(LINE_MAX).collect();
            seen.logged.push((member.name.clone(), errors.len() as u64, last));
        }
    }
    let down = status.servers.iter().filter(|server| !server.running);
    seen.replicas.extend(down.map(|server| (server.name.clone(), "is down".to_owned())));
}

fn speaks_of_an_error(line: &str) -> bool {
    ["ERROR", "FATAL", "PANIC", "panicked at", "\"level\":\"error\""].iter().any(|word| line.contains(word))
}

fn compare(seen: &mut Seen, first: Snapshot, last: Snapshot) {
    seen.postgres = first.postgres.zip(last.postgres);
    seen.redis = first.redis.zip(last.redis);
    seen.slow = last.slow;
    seen.troubles = last.troubles;
}

fn text(found: &[Finding]) -> String {
    if found.is_empty() {
        return "nothing was found\n".to_owned();
    }
    let mut text = String::new();
    for Finding { severity, seen, hint } in found {
        text.append(format_args!("{:<5} {seen}\n      hint: {hint}\n", severity.to_string()));
    }
    text
}
