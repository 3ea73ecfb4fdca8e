//! Who comes in, who does not, and who may try again.

use std::time::Duration;

use axum::http::Method;
use futures_util::future::join_all;
use jiff::SignedDuration;
use kv_coord::lock::Ttl;
use kv_erp::app::HttpSettings;
use sandbox::testing::eventually;
use serde_json::json;

use crate::service::{Account, Backend, header, log_in, router};
use crate::world::World;

const BEHIND_ONE_PROXY: HttpSettings = HttpSettings {
    rate_limit_per_minute: 60,
    tenant_rate_limit_per_minute: None,
    trusted_proxies: 1,
    request_timeout: Duration::from_secs(10),
    lock_ttl: Ttl::DEFAULT,
    proof_timeout: Duration::from_mins(1),
    platform_token: None,
};

#[tokio::test]
async fn a_login_gives_a_token_that_works_until_logout() {
    let world = World::new().await;
    let account = Account::new(&world.database, None).await;
    // The address is found in any case of letters.
    let body = json!({"email": account.email.to_uppercase(), "password": crate::service::PASSWORD});
    let session = log_in(&world.one, &body).await.expect(200);
    assert_eq!((&session["token_type"], &session["user"]["role"]), (&json!("Bearer"), &json!("clerk")));
    assert_eq!(session["user"]["tenant_id"], json!(world.one.tenant));
    let caller = world.one.with_token(session["token"].as_str().unwrap());
    let me = caller.get("/auth/me").await.expect(200);
    assert_eq!(me, session["user"]);
    assert_eq!(me["email"], account.email);
    assert_eq!(caller.ask("POST /auth/logout").await.status, 204);
    caller.get("/auth/me").await.refused(401, "token_invalid");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let world = World::new().await;
    let account = Account::new(&world.database, None).await;
    let unknown = json!({"email": "nobody@nowhere.example", "password": "wrong"});
    let mut bodies = Vec::new();
    for credentials in [account.wrong_credentials(), unknown] {
        let answer = log_in(&world.one, &credentials).await;
        assert_eq!(header(&answer, "www-authenticate"), "Bearer realm=\"kv-erp\"");
        let mut body = answer.refused(401, "invalid_credentials");
        body["request_id"].take();
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_login_s_body_is_checked_like_any_other() {
    let world = World::new().await;
    let problem = log_in(&world.one, &json!({"email": 7, "pass": "x"})).await.refused(422, "validation_failed");
    assert_eq!(crate::world::faults(&problem), ["/email wrong_type", "/password required", "/pass unknown_field"]);
    let long = json!({"email": "a@b.c", "password": "x".repeat(1_025)});
    log_in(&world.one, &long).await.refused(422, "validation_failed");
}

#[tokio::test]
async fn five_failures_shut_an_account_even_for_the_right_password() {
    for backend in [Backend::InProcess, Backend::Redis] {
        let world = World::new().await;
        let router = router(&world, backend, BEHIND_ONE_PROXY).await;
        // Each from another address, so that it is the account that is counted.
        let from = |n: u8| world.one.through(&router).with("x-forwarded-for", random_address(n));
        let (account, other) = (Account::new(&world.database, None).await, Account::new(&world.database, None).await);
        log_in(&from(0), &account.credentials()).await.expect(200);
        for n in 1..=5 {
            log_in(&from(n), &account.wrong_credentials()).await.refused(401, "invalid_credentials");
        }
        let shut = log_in(&from(6), &account.credentials()).await;
        let seconds: u64 = header(&shut, "retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{backend:?}: {seconds}");
        shut.refused(429, "login_throttled");
        log_in(&from(7), &other.credentials()).await.expect(200);
    }
}

#[tokio::test]
async fn twenty_failures_shut_an_address() {
    let world = World::new().await;
    let router = router(&world, Backend::InProcess, BEHIND_ONE_PROXY).await;
    let guesser = world.one.through(&router).with("x-forwarded-for", "203.0.113.9");
    for n in 0..20 {
        let guess = json!({"email": format!("guess{n}@one.example"), "password": "123456"});
        log_in(&guesser, &guess).await.refused(401, "invalid_credentials");
    }
    let account = Account::new(&world.database, None).await;
    log_in(&guesser, &account.credentials()).await.refused(429, "login_throttled");
    let neighbour = world.one.through(&router).with("x-forwarded-for", "203.0.113.10");
    log_in(&neighbour, &account.credentials()).await.expect(200);
}

#[tokio::test]
async fn a_flood_of_guesses_at_once_tries_hardly_more_than_the_allowance() {
    let world = World::new().await;
    let account = Account::new(&world.database, None).await;
    // The account is in use: its right password is remembered, and that must not make guessing cheaper.
    log_in(&world.one, &account.credentials()).await.expect(200);
    let guess = account.wrong_credentials();
    let answers = join_all((0..40).map(|_| log_in(&world.one, &guess))).await;
    let tried = answers.iter().filter(|answer| answer.status == 401).count();
    let throttled = answers.iter().filter(|answer| answer.status == 429).count();
    // Two run at a time, so one may pass the look at the counter while the fifth failure is being written.
    assert!((5..=6).contains(&tried), "{tried} were tried");
    assert_eq!(tried + throttled, 40);
}

#[tokio::test]
async fn a_hundred_users_log_in_as_one_account() {
    let world = World::new().await;
    let account = Account::new(&world.database, None).await;
    let (credentials, caller) = (account.credentials(), &world.one);
    let answers = join_all((0..100).map(|_| log_in(caller, &credentials))).await;
    let tokens: std::collections::HashSet<String> =
        answers.into_iter().map(|answer| answer.expect(200)["token"].as_str().unwrap().to_owned()).collect();
    assert_eq!(tokens.len(), 100, "each has a session of its own");
}

#[tokio::test]
async fn tokens_that_are_missing_garbled_or_expired_are_refused() {
    let world = World::new().await;
    let account = Account::new(&world.database, None).await;
    world.one.nobody().get("/auth/me").await.refused(401, "token_missing");
    world.one.with_token("kvs_garbled").get("/auth/me").await.refused(401, "token_invalid");
    let unknown = format!("kva_{}", "A".repeat(43));
    world.one.with_token(&unknown).get("/auth/me").await.refused(401, "token_invalid");
    let expired = account.token(SignedDuration::from_secs(-1)).await;
    let answer = world.one.with_token(&expired).get("/auth/me").await;
    assert_eq!(header(&answer, "www-authenticate"), "Bearer realm=\"kv-erp\"");
    answer.refused(401, "token_invalid");
}

#[tokio::test]
async fn a_token_in_the_cache_ends_when_it_expires() {
    let world = World::new().await;
    let account = Account::new(&world.database, None).await;
    let caller = world.one.with_token(&account.token(SignedDuration::from_millis(1_500)).await);
    caller.get("/auth/me").await.expect(200);
    // Sooner than the cache would ask again by itself.
    eventually(Duration::from_secs(4), || async { caller.get("/auth/me").await.status == 401 }).await;
}

#[tokio::test]
async fn a_token_revoked_elsewhere_ends_within_the_cache_s_life() {
    let world = World::new().await;
    let account = Account::new(&world.database, None).await;
    let other_replica = router(&world, Backend::InProcess, HttpSettings::default()).await;
    let session = log_in(&world.one, &account.credentials()).await.expect(200);
    let here = world.one.with_token(session["token"].as_str().unwrap());
    here.get("/auth/me").await.expect(200);
    assert_eq!(here.through(&other_replica).ask("POST /auth/logout").await.status, 204);
    eventually(Duration::from_secs(8), || async { here.get("/auth/me").await.status == 401 }).await;
}

#[tokio::test]
async fn nothing_is_done_for_somebody_unknown() {
    let world = World::new().await;
    let nobody = world.one.nobody();
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        // An address that is none tells a stranger no more than one that is.
        for path in ["/customers", "/no-such-thing", "/locks/a"] {
            let answer = nobody.ask(&format!("{method} {path}")).await;
            assert!(!answer.headers.contains_key("x-ratelimit-limit"));
            answer.refused(401, "token_missing");
        }
    }
}

fn random_address(n: u8) -> String {
    let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
    format!("10.{a}.{b}.{n}")
}
