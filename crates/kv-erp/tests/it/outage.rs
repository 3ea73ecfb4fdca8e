//! Servers that go away and come back, under a service that stays.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use kv_erp::app::{App, HttpSettings};
use kv_store::{Store, StoreConfig, admin};
use sandbox::testing::eventually;
use sandbox::{Login, Postgres, PostgresOptions, Redis, RedisOptions};
use serde_json::json;
use tower::ServiceExt as _;

use crate::service::{self, Account, Backend, header, log_in};
use crate::world::World;

const BACK: Duration = Duration::from_secs(20);

async fn probe(router: &Router) -> u16 {
    let request = Request::builder().uri("/readyz").body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn without_postgres_503_and_with_it_again_200() {
    // A durable one: without synchronous commits a killed server forgets the last half second, the schema among it.
    let mut postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    let superuser = postgres.url().parse().unwrap();
    admin::migrate(&superuser, Some("secret")).await.unwrap();
    let login = postgres.url_for("postgres", Login::Role { name: "kv_app", password: "secret" });
    let store = Store::open(&StoreConfig::new(login.parse().unwrap())).unwrap();
    let app = service::app(&store, Backend::InProcess, HttpSettings::default()).await;
    let router = kv_erp::http::router(app);
    let caller = crate::world::caller_on(&superuser, &router).await;
    caller.customer("C-1").await;

    postgres.kill().await;
    // The killed server's other processes answer for another moment. The caller is still in the token cache, so it is the list
    // that finds the database gone.
    let answer =
        eventually(BACK, || async { Some(caller.get("/customers").await).filter(|answer| answer.status != 200) }).await;
    let seconds: u64 = header(&answer, "retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds));
    assert_eq!(answer.refused(503, "unavailable")["retryable"], true);
    // Another connection, whose process may still say that nobody has this token.
    let stranger = caller.with_token(&format!("kva_{}", "A".repeat(43)));
    eventually(BACK, || async { Some(stranger.get("/customers").await).filter(|answer| answer.status != 401) })
        .await
        .refused(503, "unavailable");
    let body = json!({"items": [{"product_id": uuid::Uuid::nil(), "quantity": 1}]});
    caller.post("/reservations", &body).await.refused(503, "unavailable");
    assert_eq!(probe(&router).await, 503);

    // The killed server's last processes may hold its memory for another moment.
    let mut tries = 0;
    while let Err(error) = postgres.restart().await {
        tries += 1;
        assert!(tries < 10, "{error}");
    }
    eventually(BACK, || async { caller.get("/customers").await.status == 200 }).await;
    eventually(BACK, || async { probe(&router).await == 200 }).await;
    caller.post("/reservations", &body).await.refused(422, "unknown_product");
}

#[tokio::test]
async fn without_redis_work_goes_on_but_locks_and_logins_wait() {
    let mut redis = Redis::start(RedisOptions::default()).await.unwrap();
    let world = World::new().await;
    let app = App::new(world.store.clone(), service::redis(&world.store, &redis.url()), HttpSettings::default());
    let router = kv_erp::http::router(app);
    let account = Account::new(&world.database, None).await;
    let caller = account.caller(&world, &router).await;
    let busy = Account::new(&world.database, None).await.caller(&world, &router).await;
    let lock = json!({"wait_ms": 0, "ttl_ms": 1_000});
    caller.post("/locks/a", &lock).await.expect(201);
    log_in(&caller, &account.credentials()).await.expect(200);

    redis.kill().await;
    let answer = caller.get("/customers").await;
    assert!(header(&answer, "ratelimit-policy").ends_with(";kv-mode=\"degraded\""), "{answer:?}");
    answer.expect(200);
    let answer = caller.post("/locks/b", &lock).await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.refused(503, "unavailable");
    // The password is right and was right a moment ago; still nobody comes in whose failures could not be counted.
    log_in(&caller, &account.credentials()).await.refused(503, "unavailable");
    assert_eq!(probe(&router).await, 200, "the service is of use without Redis");
    // The limit is counted by the replica alone, and is still one: sixty calls in a minute.
    let (mut passed, mut limited) = (0, 0);
    for _ in 0..70 {
        match busy.get("/customers").await.status {
            200 => passed += 1,
            429 => limited += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((passed, limited), (60, 10));

    redis.restart().await.unwrap();
    eventually(BACK, || async { caller.post("/locks/c", &lock).await.status == 201 }).await;
    eventually(BACK, || async { log_in(&caller, &account.credentials()).await.status == 200 }).await;
    eventually(BACK, || async { header(&caller.get("/auth/me").await, "ratelimit-policy") == "\"user\";q=60;w=60" })
        .await;
}
