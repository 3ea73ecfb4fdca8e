//! A Redis as it stands in production: behind a login, behind TLS, with a replica that takes over, in a cluster.

mod cluster;
mod login;
mod replica;
mod sentinel;
mod tls;

use std::time::Duration;

use kv_coord::lock::{LockGrant, Resource, Ttl, Wait};
use kv_coord::rate_limit::{LimitKey, Policy};
use kv_coord::{CoordError, JobQueue, LockService, RateLimiter, RedisSettings};
use kv_types::{TenantId, UserId};
use sandbox::{Redis, RedisOptions};

use crate::server::{self, Operator};

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What all servers of a group want.
const PASSWORD: &str = "one-for-all";

fn tenant() -> TenantId {
    TenantId::new(1).expect("positive")
}

fn resource() -> Resource {
    Resource::parse("stock:product-1").expect("an allowed name")
}

/// Patient, for a machine on which fifty tests run at once.
fn patient(url: &str) -> RedisSettings {
    let mut settings = server::settings(url);
    settings.limit_timeout = Duration::from_secs(5);
    settings.lock_timeout = Duration::from_secs(5);
    settings.queue_timeout = Duration::from_secs(5);
    settings.connect_timeout = Duration::from_secs(5);
    settings
}

/// Takes the lock and leaves it held.
async fn hold(locks: &LockService) -> Result<LockGrant, String> {
    let (wait, ttl) = (Wait::NONE, Ttl::from_millis(60_000).expect("in range"));
    let guard = locks.acquire(tenant(), &resource(), wait, ttl).await.map_err(|error| chain(&error))?;
    Ok(guard.detach())
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn give_back(locks: &LockService, grant: LockGrant) -> Result<(), CoordError> {
    locks.release(tenant(), &resource(), grant.token).await.map(drop)
}

/// Locks, limits and queue each do their simplest thing.
async fn all_work(settings: &RedisSettings) {
    let locks = LockService::redis(settings, server::epochs()).expect("the settings are fine");
    let grant = hold(&locks).await.expect("the lock should be had");
    give_back(&locks, grant).await.expect("Redis should answer");
    let limiter = RateLimiter::redis(settings).expect("the settings are fine");
    let user: UserId = "018f0000-0000-7000-8000-000000000001".parse().expect("a UUID");
    let minute = Duration::from_mins(1);
    let policies = [
        Policy::new("user", LimitKey::user(tenant(), user), 5, minute).expect("numbers"),
        Policy::new("tenant", LimitKey::tenant(tenant()), 9, minute).expect("numbers"),
    ];
    assert!(limiter.check(&policies).await.expect("Redis should answer").is_allowed());
    let logins = [
        Policy::new("address", LimitKey::login_address("192.0.2.1".parse().expect("an address")), 5, minute)
            .expect("numbers"),
        Policy::new("account", LimitKey::login_account(&[1, 2, 3]), 9, minute).expect("numbers"),
    ];
    assert!(limiter.peek(&logins).await.expect("Redis should answer").is_allowed());
    limiter.penalise(&logins).await.expect("Redis should answer");
    let queue = JobQueue::redis(settings, server::epochs()).expect("the settings are fine");
    assert_eq!(queue.counts().await.expect("Redis should answer").total(), 0);
}

/// A Redis whose password is everybody's.
async fn start() -> Redis {
    start_with(RedisOptions::default()).await
}

async fn start_with(options: RedisOptions) -> Redis {
    let redis = Redis::start(options).await.expect("a Redis");
    let mut operator = Operator::of_cluster(&redis.url());
    for (name, value) in [("masterauth", PASSWORD), ("requirepass", PASSWORD)] {
        let _: () = operator.ask(&["CONFIG", "SET", name, value]);
    }
    redis
}

fn url(redis: &Redis) -> String {
    format!("redis://:{PASSWORD}@127.0.0.1:{}", port(redis))
}

fn port(redis: &Redis) -> u16 {
    redis.port().expect("it listens on TCP")
}

/// Has `replica` follow `master`, and waits until it has caught up.
async fn follow(replica: &Redis, master: &Redis) {
    let mut operator = Operator::of(&url(replica), 0);
    let _: () = operator.ask(&["REPLICAOF", "127.0.0.1", &port(master).to_string()]);
    sandbox::testing::eventually(PATIENCE, async || {
        let about: String = Operator::of(&url(replica), 0).ask(&["INFO", "replication"]);
        about.contains("master_link_status:up")
    })
    .await;
}
