//! `stampede watch`: what PostgreSQL, Redis and the processes are doing, a line a second, for eyes or for programs.
//!
//! Invariant: what cannot be looked at is told in its line, never left out in silence.

use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use stampede_engine::chaos::processes::identity;
use stampede_engine::cluster::{self as engine, Status};
use stampede_engine::monitor::{Monitor, Snapshot, Sources};
use stampede_model::chaos::ProcessId;
use stampede_model::units::{parse_duration, show_ns};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cluster::{FolderArgs, find, runtime};
use crate::exit::Exit;
use crate::print::Append;
use crate::watch::Stops;
use crate::{Failure, print};

/// Watch a cluster, or servers and processes of your own, until Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// One JSON document a line instead of text
    #[arg(long)]
    json: bool,
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    every: Duration,
    /// Stop after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    lasts: Option<Duration>,
    /// A PostgreSQL of your own
    #[arg(long, value_name = "URL", env = "STAMPEDE_POSTGRES_URL", hide_env_values = true)]
    postgres: Option<String>,
    /// A Redis of your own
    #[arg(long, value_name = "URL", env = "STAMPEDE_REDIS_URL", hide_env_values = true)]
    redis: Option<String>,
    /// A process of your own; it counts with all it started. May be repeated
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// A list of Redis whose length is told, such as queue:default. May be repeated
    #[arg(long, value_name = "KEY")]
    list: Vec<String>,
    /// From when on a statement is slow
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    slow: Duration,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Carries out the subcommand.
pub(crate) fn command(args: &WatchArgs) -> Result<Exit, Failure> {
    if args.every < Duration::from_millis(100) {
        return Err(Failure::usage(anyhow!("--every: at least 100ms; looking costs the servers something")));
    }
    runtime()?.block_on(watch(args))
}

async fn watch(args: &WatchArgs) -> Result<Exit, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    let own = args.postgres.is_some() || args.redis.is_some() || !args.pid.is_empty();
    let card = if own { None } else { Some(find(&args.folder.dir)?) };
    let mut sources = Sources { lists: args.list.clone(), slow: args.slow, ..Sources::default() };
    if let Some(card) = &card {
        let status = engine::status(&card.socket).await.map_err(Failure::tool)?;
        sources.postgres = status.primary().map(|server| server.url.clone());
        sources.redis = status.server("redis").map(|server| server.url.clone());
        sources.processes = processes(&status);
    } else {
        (sources.postgres, sources.redis) = (args.postgres.clone(), args.redis.clone());
        for pid in &args.pid {
            let process = identity(*pid).ok_or_else(|| Failure::usage(anyhow!("--pid: there is no process {pid}")))?;
            sources.processes.push((format!("pid {pid}"), process));
        }
    }
    let mut monitor = Monitor::new(sources);
    let end = args.lasts.map(|lasts| Instant::now() + lasts);
    let mut ticks = interval(args.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stops.next() => return Ok(Exit::Pass),
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(Exit::Pass);
        }
        // Replicas come and go; while the cluster does not answer those that are known are looked at.
        if let Some(card) = &card
            && let Ok(status) = engine::status(&card.socket).await
        {
            monitor.follow(processes(&status));
        }
        let snapshot = monitor.look().await;
        let line = if args.json { serde_json::to_string(&snapshot).map_err(Failure::tool)? } else { text(&snapshot) };
        print::result(&(line + "\n"));
    }
}

fn processes(status: &Status) -> Vec<(String, ProcessId)> {
    let members = status.members().filter_map(|member| Some((member.name.clone(), member.process?)));
    let servers = status.servers.iter().filter_map(|server| Some((server.name.clone(), server.process?)));
    members.chain(servers).collect()
}

fn text(snapshot: &Snapshot) -> String {
    let mut parts = Vec::new();
    if let Some(postgres) = &snapshot.postgres {
        let mut part = format!(
            "postgres {}/{} connections, {} active, {} idle in transaction, {} locks waited for, oldest transaction {}",
            postgres.connections,
            postgres.connections_max,
            postgres.active,
            postgres.idle_in_transaction,
            postgres.locks_waiting,
            show_ns(postgres.longest_transaction_ns)
        );
        if let Some(wait) = postgres.lock_waits.first() {
            part.append(format_args!(
                " ({} waits for {} on {}, {})",
                wait.blocked_pid, wait.blocker_pid, wait.lock, wait.blocker_state
            ));
        }
        parts.push(part);
    }
    if let Some(slow) = snapshot.slow.first() {
        parts.push(format!("slowest statement {} ({})", show_ns(slow.longest_ns), slow.statement));
    }
    if let Some(redis) = &snapshot.redis {
        let asked = redis.keyspace_hits + redis.keyspace_misses;
        let hits = (redis.keyspace_hits * 100).checked_div(asked).map_or("-".to_owned(), |share| format!("{share} %"));
        let mut part = format!(
            "redis {}, {} clients, {} blocked, {} evicted, hits {hits}",
            mib(redis.used_memory_bytes),
            redis.connected_clients,
            redis.blocked_clients,
            redis.evicted_keys
        );
        for (list, length) in &redis.lists {
            let length = length.map_or("no list".to_owned(), |length| length.to_string());
            part.append(format_args!(", {list} {length}"));
        }
        parts.push(part);
    }
    for process in &snapshot.processes {
        let files = process.descriptors.map_or("-".to_owned(), |count| count.to_string());
        parts.push(format!(
            "{} {:.0} % CPU, {}, {files} files",
            process.name,
            process.cpu_cores * 100.0,
            mib(process.resident_bytes)
        ));
    }
    parts.extend(snapshot.troubles.iter().map(|trouble| format!("NOT SEEN: {trouble}")));
    parts.join(" | ")
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
