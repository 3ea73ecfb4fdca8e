//! How often one may ask, and what every answer says about it.

use axum::body::Body;
use futures_util::future::join_all;
use jiff::Timestamp;
use kv_erp::app::HttpSettings;
use kv_store::access::Role;
use serde_json::json;

use crate::service::{Account, Backend, header, router};
use crate::world::{Answer, World};

const HEADERS: [&str; 5] =
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-policy", "ratelimit"];

#[tokio::test]
async fn sixty_of_seventy_in_a_row() {
    for backend in [Backend::InProcess, Backend::Redis] {
        let world = World::new().await;
        let router = router(&world, backend, HttpSettings::default()).await;
        let caller = Account::new(&world.database, None).await.caller(&world, &router).await;
        for n in 0..60 {
            let answer = caller.get("/auth/me").await;
            assert_eq!(header(&answer, "x-ratelimit-limit"), "60");
            assert_eq!(header(&answer, "x-ratelimit-remaining"), (59 - n).to_string(), "{backend:?}");
            assert_eq!(header(&answer, "ratelimit-policy"), "\"user\";q=60;w=60");
            answer.expect(200);
        }
        for _ in 60..70 {
            assert_refused(caller.get("/auth/me").await);
        }
    }
}

#[track_caller]
fn assert_refused(answer: Answer) {
    let seconds: i64 = header(&answer, "retry-after").parse().unwrap();
    let reset: i64 = header(&answer, "x-ratelimit-reset").parse().unwrap();
    let now = Timestamp::now().as_second();
    assert!((1..=60).contains(&seconds), "retry after {seconds} s");
    assert!((now..=now + 61).contains(&reset), "reset at {reset}, now {now}");
    assert_eq!(header(&answer, "x-ratelimit-remaining"), "0");
    assert!(header(&answer, "ratelimit").starts_with("\"user\";r=0;t="), "{answer:?}");
    let problem = answer.refused(429, "rate_limited");
    assert_eq!((&problem["violated_policies"], &problem["retryable"]), (&json!(["user"]), &json!(true)));
}

#[tokio::test]
async fn sixty_of_seventy_at_once() {
    for backend in [Backend::InProcess, Backend::Redis] {
        let world = World::new().await;
        let router = router(&world, backend, HttpSettings::default()).await;
        let account = Account::new(&world.database, None).await;
        // Two tokens of one account share its limit.
        let callers = [account.caller(&world, &router).await, account.caller(&world, &router).await];
        let answers = join_all((0..70).map(|n| callers[n % 2].get("/customers"))).await;
        let passed = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert_eq!((passed, refused), (60, 10), "{backend:?}");
    }
}

#[tokio::test]
async fn replicas_share_a_limit_through_redis() {
    let world = World::new().await;
    let account = Account::new(&world.database, None).await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        let router = router(&world, Backend::Redis, HttpSettings::default()).await;
        callers.push(account.caller(&world, &router).await);
    }
    let answers = join_all((0..90).map(|n| callers[n % 3].get("/auth/me"))).await;
    assert!(
        answers.iter().all(|answer| header(answer, "ratelimit-policy") == "\"user\";q=60;w=60"),
        "none counted alone"
    );
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 60);
}

#[tokio::test]
async fn users_do_not_spend_each_others_limit_but_their_tenant_s() {
    let world = World::new().await;
    let settings =
        HttpSettings { rate_limit_per_minute: 5, tenant_rate_limit_per_minute: Some(8), ..HttpSettings::default() };
    let router = router(&world, Backend::InProcess, settings).await;
    let first = Account::new(&world.database, None).await.caller(&world, &router).await;
    let second = Account::new(&world.database, None).await.caller(&world, &router).await;
    for _ in 0..5 {
        first.get("/auth/me").await.expect(200);
    }
    let problem = first.get("/auth/me").await.refused(429, "rate_limited");
    assert_eq!(problem["violated_policies"], json!(["user"]));
    for _ in 0..3 {
        second.get("/auth/me").await.expect(200);
    }
    let refused = second.get("/auth/me").await;
    assert_eq!(header(&refused, "ratelimit-policy"), "\"user\";q=5;w=60, \"tenant\";q=8;w=60");
    assert_eq!(header(&refused, "x-ratelimit-limit"), "8", "the policy that refuses is the one told");
    assert_eq!(refused.refused(429, "rate_limited")["violated_policies"], json!(["tenant"]));
    world.two.through(&router).get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn an_account_may_have_a_number_of_its_own() {
    let world = World::new().await;
    let router = router(&world, Backend::InProcess, HttpSettings::default()).await;
    let caller = Account::new(&world.database, Some(3)).await.caller(&world, &router).await;
    for _ in 0..3 {
        caller.get("/auth/me").await.expect(200);
    }
    caller.get("/auth/me").await.refused(429, "rate_limited");
}

#[tokio::test]
async fn every_answer_to_a_known_caller_carries_the_headers() {
    let world = World::new().await;
    let one = &world.one;
    let id = one.customer("C-1").await;
    let looker = world.caller_with("lookers", Role::ReadOnly).await;
    let json = Some("application/json");
    let answers = [
        (200, one.get("/customers").await),
        (201, one.post("/customers", &json!({"code": "C-2", "name": "Two"})).await),
        (400, one.send_raw("POST /customers", json, "{").await),
        (403, looker.post("/customers", &json!({"code": "C-3", "name": "Three"})).await),
        (404, one.get("/customers/nothing").await),
        (404, one.get("/no-such-route").await),
        (405, one.ask(&format!("PUT /customers/{id}")).await),
        (409, one.post("/customers", &json!({"code": "C-1", "name": "One"})).await),
        (413, one.send_raw("POST /customers", json, vec![b' '; 1024 * 1024 + 1]).await),
        (413, one.with("content-length", "1048577").ask("POST /customers").await),
        (415, one.send_raw("POST /customers", Some("text/plain"), "x").await),
        (422, one.post("/customers", &json!({})).await),
        (204, one.ask(&format!("DELETE /customers/{id}")).await),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{answer:?}");
        for name in HEADERS {
            assert!(answer.headers.contains_key(name), "{name} is missing on {status}");
        }
        assert!(answer.headers.contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let world = World::new().await;
    let router = router(&world, Backend::InProcess, HttpSettings::default()).await;
    let caller = Account::new(&world.database, Some(1)).await.caller(&world, &router).await;
    caller.post("/customers", &json!({"code": "C-1", "name": "One"})).await.expect(201);
    caller.post("/customers", &json!({"code": "C-2", "name": "Two"})).await.refused(429, "rate_limited");
    let codes = world.one.get("/customers").await.expect(200);
    assert_eq!(codes["data"].as_array().unwrap().len(), 1);
    // Nor does a request that nobody may send count for anybody.
    let stranger = caller.with_token("kvs_garbled");
    assert_eq!(stranger.send_raw("GET /customers", None, Body::empty()).await.status, 401);
}
