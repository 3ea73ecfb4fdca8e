//! Limits against what only Redis can suffer.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use kv_coord::rate_limit::{LimitKey, Mode, Policy};
use kv_coord::{CoordError, RateLimiter, Resource};
use kv_types::TenantId;
use sandbox::testing::eventually;
use sandbox::{Redis, RedisOptions};

use crate::server::{self, Operator};

const PATIENCE: Duration = Duration::from_secs(20);
const LIMIT_DB: u8 = 1;
const ALONE: NonZeroU32 = NonZeroU32::MIN;

fn policy(name: &'static str, limit: u32) -> Policy {
    let key = LimitKey::named(TenantId::new(1).expect("positive"), &Resource::parse(name).expect("allowed"));
    Policy::new(name, key, limit, Duration::from_mins(1)).expect("a policy")
}

async fn own_redis() -> Redis {
    Redis::start(RedisOptions::default()).await.expect("a Redis")
}

#[tokio::test]
async fn every_key_has_an_end() {
    let redis = own_redis().await;
    let limiter = server::limiter(&redis.url());
    let policies = [policy("small", 60), policy("large", 5_000)];
    limiter.check(&policies).await.expect("Redis should answer");
    limiter.check(&policies).await.expect("Redis should answer");
    limiter.penalise(&[policy("login", 5)]).await.expect("Redis should answer");
    limiter.peek(&[policy("looked-at", 5)]).await.expect("Redis should answer");
    let mut operator = Operator::of(&redis.url(), LIMIT_DB);
    let keys = operator.keys("*");
    let expected = ["rl:{tenant:1}:for:large:count", "rl:{tenant:1}:for:login", "rl:{tenant:1}:for:small"];
    assert_eq!(keys, expected, "looking leaves nothing behind");
    for key in keys {
        let lives_ms: i64 = operator.ask(&["PTTL", &key]);
        assert!((1..=60_010).contains(&lives_ms), "{key} lives {lives_ms} ms");
    }
}

#[tokio::test]
async fn a_lost_lifetime_is_mended() {
    let redis = own_redis().await;
    let limiter = server::limiter(&redis.url());
    let policies = [policy("small", 60), policy("large", 5_000)];
    let mut operator = Operator::of(&redis.url(), LIMIT_DB);
    limiter.check(&policies).await.expect("Redis should answer");
    for key in operator.keys("*") {
        let _: i64 = operator.ask(&["PERSIST", &key]);
    }
    limiter.check(&policies).await.expect("Redis should answer");
    for key in operator.keys("*") {
        let lives_ms: i64 = operator.ask(&["PTTL", &key]);
        assert!(lives_ms > 0, "{key}");
    }
}

#[tokio::test]
async fn a_wall_clock_set_back_locks_nobody_out() {
    let redis = own_redis().await;
    let limiter = server::limiter(&redis.url());
    let mut operator = Operator::of(&redis.url(), LIMIT_DB);
    let policies = [policy("user", 2)];
    // As if both calls had been made by a clock an hour ahead.
    let key = "rl:{tenant:1}:for:user";
    let seconds: Vec<u64> = operator.ask(&["TIME"]);
    let ahead = ((seconds[0] + 3_600) * 1_000_000).to_string();
    let _: i64 = operator.ask(&["RPUSH", key, &ahead, &ahead]);
    assert!(limiter.check(&policies).await.expect("Redis should answer").is_allowed());
    // A small step is bridged instead: the calls still count.
    let _: i64 = operator.ask(&["DEL", key]);
    let ahead = ((seconds[0] + 30) * 1_000_000).to_string();
    let _: i64 = operator.ask(&["RPUSH", key, &ahead]);
    assert!(limiter.check(&policies).await.expect("Redis should answer").is_allowed());
    assert!(!limiter.check(&policies).await.expect("Redis should answer").is_allowed());
    let log: Vec<u64> = operator.ask(&["LRANGE", key, "0", "-1"]);
    assert!(log.is_sorted(), "{log:?}");
}

#[tokio::test]
async fn a_crash_is_a_typed_error_and_passes() {
    let mut redis = own_redis().await;
    let limiter = RateLimiter::redis(&server::settings(&redis.url())).expect("fine");
    let policies = [policy("user", 60)];
    eventually(PATIENCE, || limiter.check(&policies)).await;
    redis.kill().await;
    let failed = limiter.check(&policies).await;
    assert!(matches!(failed, Err(CoordError::Unreachable { .. })), "{failed:?}");
    redis.restart().await.expect("the same Redis again");
    eventually(PATIENCE, || limiter.check(&policies)).await;
}

#[tokio::test]
async fn without_redis_a_process_limits_alone_and_says_so() {
    let mut redis = own_redis().await;
    let mut patient = server::settings(&redis.url());
    patient.limit_timeout = Duration::from_secs(2);
    let limiter = RateLimiter::redis_or_alone(&patient, ALONE).expect("fine");
    let policies = [policy("user", 60)];
    let mut admitted = 0;
    let mut call = async || {
        let decision = limiter.check(&policies).await.expect("it never fails");
        admitted += u32::from(decision.is_allowed());
        (decision.mode(), admitted)
    };
    for _ in 0..20 {
        assert_eq!(call().await.0, Mode::Exact);
    }
    redis.kill().await;
    for _ in 0..30 {
        assert_eq!(call().await.0, Mode::Degraded);
    }
    assert_eq!(call().await.1, 51, "what Redis admitted before counts");
    // It comes back empty: it knows of none of the 51.
    redis.restart().await.expect("the same Redis again");
    let asked_again = async || {
        let elsewhere = limiter.check(&[policy("other", 1_000)]).await.expect("it never fails");
        elsewhere.mode() == Mode::Exact
    };
    eventually(PATIENCE, asked_again).await;
    for _ in 0..100 {
        call().await;
    }
    assert_eq!(call().await.1, 60, "exactly the limit, across crash and return");
}

#[tokio::test]
async fn a_process_alone_takes_its_share() {
    let redis = own_redis().await;
    let limiter = RateLimiter::redis_or_alone(&server::settings(&redis.url()), NonZeroU32::new(4).expect("4"));
    let limiter = limiter.expect("fine");
    redis.kill().await;
    let mut admitted = 0;
    for _ in 0..60 {
        admitted += u32::from(limiter.check(&[policy("user", 60)]).await.expect("it never fails").is_allowed());
    }
    assert_eq!(admitted, 15);
}

#[tokio::test]
async fn a_silent_redis_costs_one_call_its_budget_and_the_others_nothing() {
    let redis = own_redis().await;
    let limiter = RateLimiter::redis_or_alone(&server::settings(&redis.url()), ALONE).expect("fine");
    let policies = [policy("user", 5_000)];
    let exact = async || limiter.check(&policies).await.is_ok_and(|decision| decision.mode() == Mode::Exact);
    eventually(PATIENCE, exact).await;
    // Not dead, only silent: the connection stays open and nobody answers.
    redis.process().signal(sandbox::Signal::STOP);
    let begin = Instant::now();
    for _ in 0..1_000 {
        let decision = limiter.check(&policies).await.expect("it never fails");
        assert_eq!(decision.mode(), Mode::Degraded);
    }
    // 1,000 calls of 50 ms each would be 50 s.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    redis.process().signal(sandbox::Signal::CONT);
    eventually(PATIENCE, exact).await;
}
