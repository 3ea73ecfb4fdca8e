//! Locks whose holders are the callers.

use futures_util::future::join;
use kv_erp::app::HttpSettings;
use sandbox::testing::eventually;
use serde_json::{Value, json};
use std::time::Duration;

use crate::service::{self, Backend, router};
use crate::world::{Caller, World};

async fn take(caller: &Caller, path: &str) -> Value {
    caller.post(path, &json!({"wait_ms": 0, "ttl_ms": 30_000})).await.expect(201)
}

fn holding(caller: &Caller, lock: &Value) -> Caller {
    caller.with("x-lock-token", lock["token"].as_str().unwrap())
}

/// A resource that no other test of a shared Redis uses.
fn resource() -> String {
    format!("/locks/test:{}", uuid::Uuid::now_v7())
}

#[tokio::test]
async fn a_lock_is_taken_seen_renewed_and_given_back() {
    for backend in [Backend::InProcess, Backend::Redis] {
        let world = World::new().await;
        let router = router(&world, backend, HttpSettings::default()).await;
        let (caller, path) = (world.one.through(&router), resource());
        assert_eq!(caller.get(&path).await.expect(200)["held"], false);
        let lock = take(&caller, &path).await;
        assert_eq!(format!("/locks/{}", lock["resource"].as_str().unwrap()), path);
        assert_eq!(lock["ttl_ms"], 30_000);
        let seen = caller.get(&path).await.expect(200);
        assert_eq!((&seen["held"], &seen["fence"], &seen["waiters"]), (&json!(true), &lock["fence"], &json!(0)));
        assert!(seen["ttl_ms"].as_i64().unwrap() <= 30_000);
        assert!(seen.get("token").is_none(), "the token is the holder's alone");

        let busy = caller.post(&path, &json!({"wait_ms": 0, "ttl_ms": 100})).await.refused(409, "lock_busy");
        let ttl_ms = busy["ttl_ms"].as_i64().unwrap();
        assert!((1..=30_000).contains(&ttl_ms), "{ttl_ms}");
        assert_eq!((&busy["retryable"], &busy["position"]), (&json!(true), &json!(0)));

        let holder = holding(&caller, &lock);
        let renewed = holder.send(&format!("PATCH {path}"), &json!({"ttl_ms": 60_000})).await.expect(200);
        assert_eq!(renewed["ttl_ms"], 60_000);
        assert_eq!(holder.ask(&format!("DELETE {path}")).await.status, 204);
        holder.ask(&format!("DELETE {path}")).await.refused(409, "lock_expired");
        let again = take(&caller, &path).await;
        assert!(again["fence"].as_i64() > lock["fence"].as_i64(), "{backend:?}");
        holder.ask(&format!("DELETE {path}")).await.refused(409, "lock_not_owner");
        holder.send(&format!("PATCH {path}"), &json!({"ttl_ms": 100})).await.refused(409, "lock_not_owner");
    }
}

#[tokio::test]
async fn tenants_do_not_meet() {
    for backend in [Backend::InProcess, Backend::Redis] {
        let world = World::new().await;
        let router = router(&world, backend, HttpSettings::default()).await;
        let (one, two, path) = (world.one.through(&router), world.two.through(&router), resource());
        let lock = take(&one, &path).await;
        assert_eq!(two.get(&path).await.expect(200)["held"], false);
        take(&two, &path).await;
        // Even with the other tenant's token, it is one's own lock that is meant.
        holding(&two, &lock).ask(&format!("DELETE {path}")).await.refused(409, "lock_not_owner");
        assert_eq!(one.get(&path).await.expect(200)["held"], true, "{backend:?}");
    }
}

#[tokio::test]
async fn a_waiter_gets_the_lock_when_it_is_given_back() {
    for backend in [Backend::InProcess, Backend::Redis] {
        let world = World::new().await;
        // Two replicas, so that through Redis the wake-up crosses processes' borders.
        let first = world.one.through(&router(&world, backend, HttpSettings::default()).await);
        let second = match backend {
            Backend::InProcess => first.clone(),
            Backend::Redis => world.one.through(&router(&world, backend, HttpSettings::default()).await),
        };
        let path = resource();
        let lock = take(&first, &path).await;
        let waits = async { second.post(&path, &json!({"wait_ms": 60_000, "ttl_ms": 1_000})).await };
        let gives_back = async {
            eventually(Duration::from_secs(10), || async { first.get(&path).await.expect(200)["waiters"] == 1 }).await;
            holding(&first, &lock).ask(&format!("DELETE {path}")).await.status
        };
        let (waited, status) = join(waits, gives_back).await;
        assert_eq!(status, 204);
        assert!(waited.expect(201)["fence"].as_i64() > lock["fence"].as_i64(), "{backend:?}");
    }
}

#[tokio::test]
async fn odd_requests_name_their_fault() {
    let world = World::new().await;
    let one = &world.one;
    for (path, fault) in [("/locks/a%20b", "resource invalid_format"), ("/locks/a*", "resource invalid_format")] {
        let problem = one.post(path, &json!({})).await.refused(422, "validation_failed");
        assert_eq!(crate::world::faults(&problem), [fault]);
    }
    let body = json!({"wait_ms": 60_001, "ttl_ms": 99, "tll_ms": 1});
    let problem = one.post("/locks/a", &body).await.refused(422, "validation_failed");
    let faults = crate::world::faults(&problem);
    assert_eq!(faults, ["/wait_ms out_of_range", "/ttl_ms out_of_range", "/tll_ms unknown_field"]);
    let problem = one.ask("DELETE /locks/a").await.refused(422, "validation_failed");
    assert_eq!(crate::world::faults(&problem), ["X-Lock-Token invalid_format"]);
    one.with("x-lock-token", "nonsense").ask("DELETE /locks/a").await.refused(409, "lock_not_owner");
}

#[tokio::test]
async fn waiters_are_sent_away_when_the_service_stops() {
    let world = World::new().await;
    let app = service::app(&world.store, Backend::InProcess, HttpSettings::default()).await;
    let caller = world.one.through(&kv_erp::http::router(app.clone()));
    take(&caller, "/locks/a").await;
    let waits = async { caller.post("/locks/a", &json!({"wait_ms": 60_000, "ttl_ms": 1_000})).await };
    let stops = async {
        eventually(Duration::from_secs(10), || async { caller.get("/locks/a").await.expect(200)["waiters"] == 1 })
            .await;
        app.draining().cancel();
    };
    let (waited, ()) = join(waits, stops).await;
    waited.refused(503, "draining");
}
