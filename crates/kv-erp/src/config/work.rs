//! The settings of whoever does jobs.

use std::time::Duration;

use jiff::Timestamp;
use kv_coord::RedisSettings;
use kv_coord::queue::{LeaseTtl, Queues};
use secrecy::ExposeSecret as _;

use crate::cli::{WorkArgs, WorkerArgs};
use crate::failure::{Failure, chain};
use crate::webhooks::Reach;
use crate::worker::WorkerConfig;
use crate::worker::config::Schedule;

/// Checks the settings of a worker by itself.
///
/// # Errors
/// A failure that names what is wrong.
pub fn worker(args: &WorkerArgs) -> Result<(WorkerConfig, RedisSettings), Failure> {
    let (flag, url) = match &args.queue_redis_url {
        Some(url) => ("--queue-redis-url", url),
        None => ("--redis-url", &args.redis_url),
    };
    let redis = RedisSettings::parse(url.expose_secret());
    let mut redis = redis.map_err(|error| Failure::usage(format!("{flag} cannot be used: {}", chain(&error))))?;
    redis.key_tag.clone_from(&args.redis_key_tag);
    if let Some(file) = args.redis_ca_file.as_ref().filter(|_| redis.is_encrypted()) {
        let pem = std::fs::read(file).map_err(|error| {
            let what = format!("--redis-ca-file names {}, which cannot be read: {error}", file.display());
            Failure::usage(what).hint("name a file of certificates in PEM")
        })?;
        redis = redis.with_authorities(pem);
    }
    Ok((work(&args.work)?, redis))
}

/// How jobs are done.
///
/// # Errors
/// A failure that names what is wrong.
pub fn work(args: &WorkArgs) -> Result<WorkerConfig, Failure> {
    let mut config = WorkerConfig {
        concurrency: args.job_concurrency,
        grace: Duration::from_millis(args.job_grace_ms),
        patience: Duration::from_millis(args.job_patience_ms),
        ..WorkerConfig::default()
    };
    if args.webhook_allow_private {
        config.reach = Reach::Anywhere;
    }
    let lease = LeaseTtl::from_millis(args.job_lease_ms);
    config.lease_ttl = lease.map_err(|error| Failure::usage(format!("--job-lease-ms: {error}")))?;
    let queues = Queues::of(args.queues.iter().copied());
    config.queues = queues.ok_or_else(|| Failure::usage("--queues names none; give high, default or low"))?;
    for raw in args.cron.iter().filter(|raw| !raw.is_empty()) {
        let schedule = Schedule::parse(raw, Timestamp::now());
        let schedule = schedule.map_err(|fault| Failure::usage(format!("--cron: {fault}")))?;
        config.schedules.retain(|usual| usual.kind != schedule.kind);
        config.schedules.push(schedule);
    }
    Ok(config)
}
