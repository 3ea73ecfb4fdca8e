//! What settings must be to one another.

use secrecy::{ExposeSecret as _, SecretString};

use super::faults::Fault;
use crate::cli::ServiceArgs;

/// What must be left of a request's time when a statement has had all of its own.
const REQUEST_MARGIN_MS: u64 = 1_000;
/// A lock must outlive the longest statement under it by this much.
const LOCK_MARGIN_MS: u64 = 1_000;

/// All pairs that contradict each other. Each setting is good by itself.
pub(crate) fn faults(args: &ServiceArgs) -> Vec<Fault> {
    let pairs = [limits, waits, request, lock, replicas, authorities];
    pairs.iter().filter_map(|pair| pair(args)).collect()
}

/// What is allowed, and yet probably not meant.
pub(crate) fn warnings(args: &ServiceArgs) -> Vec<String> {
    let mut all = Vec::new();
    let (ttl_ms, request_ms) = (args.lock_ttl_ms, args.request_timeout_ms);
    if ttl_ms < request_ms {
        all.push(format!(
            "{} {ttl_ms} is below {} {request_ms}: a client may lose its lock while a request under it is still on its way; its write \
             is then refused by the fence, if it sends one",
            args.places.of("lock_ttl_ms"),
            args.places.of("request_timeout_ms")
        ));
    }
    all
}

fn limits(args: &ServiceArgs) -> Option<Fault> {
    let (tenant, user) = (args.tenant_rate_limit_per_minute?, args.rate_limit_per_minute);
    (tenant < user).then(|| {
        Fault::at(
            args.places.of("tenant_rate_limit_per_minute"),
            format!(
                "{tenant} is below {} {user}, so no user could reach its own",
                args.places.of("rate_limit_per_minute")
            ),
            format!("raise the tenant's to {user} or more, or lower the user's"),
        )
        .about(&["tenant_rate_limit_per_minute", "rate_limit_per_minute"])
    })
}

fn waits(args: &ServiceArgs) -> Option<Fault> {
    let (lock_ms, statement_ms) = (args.row_lock_timeout_ms, args.statement_timeout_ms);
    (lock_ms >= statement_ms).then(|| {
        Fault::at(
            args.places.of("row_lock_timeout_ms"),
            format!(
                "{lock_ms} is not below {} {statement_ms}, so a wait for a row would end as a slow statement",
                args.places.of("statement_timeout_ms")
            ),
            format!("lower it below {statement_ms}"),
        )
        .about(&["row_lock_timeout_ms", "statement_timeout_ms"])
    })
}

fn request(args: &ServiceArgs) -> Option<Fault> {
    let needed_ms = args.pool_wait_ms + args.statement_timeout_ms + REQUEST_MARGIN_MS;
    let request_ms = args.request_timeout_ms;
    (request_ms < needed_ms).then(|| {
        Fault::at(
            args.places.of("request_timeout_ms"),
            format!(
                "{request_ms} is too short: a request may wait {} ms for a connection ({}) and {} ms for a statement ({})",
                args.pool_wait_ms,
                args.places.of("pool_wait_ms"),
                args.statement_timeout_ms,
                args.places.of("statement_timeout_ms")
            ),
            format!("raise it to {needed_ms} or more, or lower the others"),
        )
        .about(&["request_timeout_ms", "pool_wait_ms", "statement_timeout_ms"])
    })
}

fn lock(args: &ServiceArgs) -> Option<Fault> {
    let (ttl_ms, needed_ms) = (args.lock_ttl_ms, args.statement_timeout_ms + LOCK_MARGIN_MS);
    (ttl_ms < needed_ms).then(|| {
        Fault::at(
            args.places.of("lock_ttl_ms"),
            format!(
                "{ttl_ms} is too short: a statement under the lock may take {} ms ({})",
                args.statement_timeout_ms,
                args.places.of("statement_timeout_ms")
            ),
            format!("raise it to {needed_ms} or more"),
        )
        .about(&["lock_ttl_ms", "statement_timeout_ms"])
    })
}

fn authorities(args: &ServiceArgs) -> Option<Fault> {
    let is_encrypted = |url: &SecretString| url.expose_secret().starts_with("rediss");
    let has_use = args.redis_url.iter().chain(&args.queue_redis_url).any(is_encrypted);
    (args.redis_ca_file.is_some() && !has_use).then(|| {
        Fault::at(
            args.places.of("redis_ca_file"),
            "names authorities, but no connection to Redis is encrypted",
            "use rediss:// or rediss+sentinel://, or take it away",
        )
        .about(&["redis_ca_file", "redis_url", "queue_redis_url"])
    })
}

fn replicas(args: &ServiceArgs) -> Option<Fault> {
    let replicas = args.replicas;
    (replicas > 1 && args.redis_url.is_none()).then(|| {
        Fault::at(
            args.places.of("replicas"),
            format!("{replicas} need a Redis: without one each has locks and rate limits of its own"),
            "give --redis-url, or run one replica",
        )
        .about(&["replicas", "redis_url"])
    })
}
