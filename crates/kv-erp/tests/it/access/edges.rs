//! What somebody tries who is not meant to come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kv_coord::RateLimiter;
use kv_coord::lock::Epoch;
use kv_coord::rate_limit::{Clock, Now};
use kv_erp::app::{App, Coordination, HttpSettings};
use serde_json::{Value, json};

use super::{Member, PASSWORD, api_token};
use crate::service::{Backend, log_in, router};
use crate::world::World;

#[tokio::test]
async fn a_token_belongs_into_one_header_and_nowhere_else() {
    let world = World::new().await;
    let token = world.one.token().to_owned();
    let nobody = world.one.nobody();
    nobody.get(&format!("/orders?access_token={token}")).await.refused(400, "token_in_address");
    world.one.get(&format!("/orders?q={token}")).await.refused(400, "token_in_address");
    nobody.with("authorization", format!("bEARER   {token}")).get("/orders").await.expect(200);
    nobody.with("Authorization", format!("Bearer {token}")).get("/orders").await.expect(200);
    nobody.with("x-api-key", token.clone()).get("/orders").await.refused(401, "token_missing");
    nobody.with("cookie", format!("token={token}")).get("/orders").await.refused(401, "token_missing");
    world.one.with("authorization", "Bearer kva_other").get("/orders").await.refused(401, "token_missing");
    for huge in ["kva_", "kvs_", ""] {
        let huge = format!("Bearer {huge}{}", "A".repeat(200_000));
        nobody.with("authorization", huge).get("/orders").await.refused(401, "token_invalid");
    }
    for odd in ["Bearer", "Bearer ", "Bearer \u{e4}", "Token kva_x", "kva_x", ""] {
        let answer = nobody.with("authorization", odd).get("/orders").await;
        assert_eq!(answer.status, 401, "{odd:?}: {:#}", answer.body);
    }
}

/// In every respect that a caller sees: the status, the body, the headers, and the counters.
#[tokio::test]
async fn an_account_that_is_none_is_refused_as_one_that_is() {
    let world = World::new().await;
    let (active, switched_off) = (Member::new(&world, "clerk").await, Member::new(&world, "clerk").await);
    world.one.ask(&format!("DELETE /users/{}", switched_off.id)).await.expect(204);
    let behind_proxy = HttpSettings { trusted_proxies: 1, ..HttpSettings::default() };
    let replica = router(&world, Backend::InProcess, behind_proxy).await;
    let mut seen: Vec<Vec<Value>> = Vec::new();
    for (n, email) in [&active.email, &switched_off.email, "nobody@nowhere.example"].into_iter().enumerate() {
        let mut answers = Vec::new();
        for attempt in 0..7 {
            let from = world.one.through(&replica).with("x-forwarded-for", format!("198.51.{n}.{attempt}"));
            let answer = log_in(&from, &json!({"email": email, "password": "wrong password"})).await;
            let mut body = answer.body.clone();
            body["request_id"].take();
            let mut names: Vec<&str> = answer.headers.keys().map(axum::http::HeaderName::as_str).collect();
            names.sort_unstable();
            answers.push(json!([answer.status, body, names]));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0][0][0], 401);
    assert_eq!(seen[0][6][0], 429, "the account is shut");
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

/// The work is the same whether or not there is an account: Argon2's, not a look-up's.
#[tokio::test]
async fn the_time_of_a_refusal_does_not_tell_who_exists() {
    let world = World::new().await;
    let behind_proxy = HttpSettings { trusted_proxies: 1, ..HttpSettings::default() };
    let replica = router(&world, Backend::InProcess, behind_proxy).await;
    let mut fastest = [Duration::MAX; 2];
    for round in 0..4 {
        let member = Member::new(&world, "clerk").await;
        let emails = [member.email, format!("{}@nowhere.example", uuid::Uuid::now_v7())];
        for (which, email) in emails.iter().enumerate() {
            let from = world.one.through(&replica).with("x-forwarded-for", format!("198.51.{round}.{which}"));
            let begun = Instant::now();
            log_in(&from, &json!({"email": email, "password": "wrong password"})).await.expect(401);
            fastest[which] = fastest[which].min(begun.elapsed());
        }
    }
    // Without the work for nobody the second would take a hundredth of the first.
    let (known, unknown) = (fastest[0].as_secs_f64(), fastest[1].as_secs_f64());
    assert!(unknown > known / 4.0 && known > unknown / 4.0, "{known} s and {unknown} s");
}

/// A clock that is set by hand.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now(&self) -> Now {
        let us = self.0.load(Ordering::Relaxed);
        Now { monotonic_us: us, unix_us: us }
    }
}

/// At the pace that the limit by the minute alone allows one would try 7,200 passwords of an account a day.
#[tokio::test]
async fn who_goes_on_guessing_is_shut_out_for_the_hour() {
    let world = World::new().await;
    let (member, other) = (Member::new(&world, "clerk").await, Member::new(&world, "clerk").await);
    let hand = Hand::default();
    let mut coordination = Coordination::in_process(Epoch::new(world.store.next_lock_epoch().await.unwrap()).unwrap());
    coordination.login_failures = RateLimiter::in_process_with(Arc::new(hand.clone()));
    let behind_proxy = HttpSettings { trusted_proxies: 1, ..HttpSettings::default() };
    let replica = kv_erp::http::router(App::new(world.store.clone(), coordination, behind_proxy));
    let log_in_as = async |member: &Member, password: &str, from: &str| {
        let caller = world.one.through(&replica).with("x-forwarded-for", from);
        log_in(&caller, &json!({"email": member.email, "password": password})).await
    };
    let pass = |minutes: u64| hand.0.fetch_add(minutes * 61_000_000, Ordering::Relaxed);
    for round in 0..4 {
        for n in 0..5 {
            log_in_as(&member, "wrong password", &format!("198.51.{round}.{n}")).await.expect(401);
        }
        log_in_as(&member, PASSWORD, "198.51.9.9").await.refused(429, "login_throttled");
        pass(1);
    }
    let shut = log_in_as(&member, PASSWORD, "198.51.9.9").await;
    let wait: u64 = shut.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((600..=3_600).contains(&wait), "{wait} s");
    shut.refused(429, "login_throttled");
    log_in_as(&other, PASSWORD, "198.51.9.9").await.expect(200);
    pass(60);
    log_in_as(&member, PASSWORD, "198.51.9.9").await.expect(200);
}

/// Names that are written to deceive are kept as text and shown as JSON.
#[tokio::test]
async fn odd_names_are_text() {
    let world = World::new().await;
    for name in ["<script>alert(1)</script>", "'; drop table users; --", "\u{202e}gnp.exe", "𝔄𝔡𝔞", "👩🏽‍🚀"]
    {
        let email = format!("{}@odd.example", uuid::Uuid::now_v7());
        let made = world
            .one
            .post("/users", &json!({"email": email, "name": name, "role": "clerk", "password": PASSWORD}))
            .await;
        assert_eq!(made.expect(201)["name"], name);
    }
    for name in ["a\u{0}b", "a\nb", " ", "", &"x".repeat(201)] {
        let body = json!({"email": "x@odd.example", "name": name, "role": "clerk", "password": PASSWORD});
        world.one.post("/users", &body).await.refused(422, "validation_failed");
    }
    for email in ["a b@c.example", "a@b@c.example", "@c.example", "a@", "a\u{a0}@c.example"] {
        let body = json!({"email": email, "role": "clerk", "password": PASSWORD});
        world.one.post("/users", &body).await.refused(422, "validation_failed");
    }
}

#[tokio::test]
async fn a_token_reads_no_other_tenant() {
    let world = World::new().await;
    let customer = world.two.customer("theirs").await;
    let (_, token) = api_token(&world.one, &["customers:read", "customers:write"]).await;
    token.get(&format!("/customers/{customer}")).await.refused(404, "not_found");
    token.with("if-match", "*").ask(&format!("DELETE /customers/{customer}")).await.refused(404, "not_found");
    world.two.get(&format!("/customers/{customer}")).await.expect(200);
}
