//! Reads from replicas, and writers who see what they wrote.

use std::time::Duration;

use kv_store::replicas::Condition;
use kv_store::stock::verify_chains;
use kv_store::{Store, StoreConfig, admin};
use sandbox::Postgres;
use sandbox::testing::eventually;

use super::{PATIENCE, Service, ask, login, primary, run, superuser};
use crate::world::{Answer, Caller};

async fn pause(standby: &Postgres) {
    run(standby, "select pg_wal_replay_pause()").await;
    eventually(PATIENCE, async || ask(standby, "pg_get_wal_replay_pause_state()").await == "paused").await;
}

fn token(answer: &Answer) -> String {
    answer.headers["x-read-your-writes"].to_str().unwrap().to_owned()
}

/// Whether each way to read finds the customer: by its id, in the plain list, in a sorted one.
async fn finds(caller: &Caller, id: &str) -> [bool; 3] {
    let by_id = caller.get(&format!("/customers/{id}")).await;
    assert!([200, 404].contains(&by_id.status), "{by_id:?}");
    let mut found = [by_id.status == 200, false, false];
    for (place, list) in ["/customers?limit=100", "/customers?limit=100&sort=-name"].into_iter().enumerate() {
        let page = caller.get(list).await.expect(200);
        found[place + 1] = page["data"].as_array().unwrap().iter().any(|row| row["id"] == id);
    }
    found
}

#[tokio::test]
async fn reads_come_from_a_replica_and_a_writer_sees_its_write() {
    let primary = primary().await;
    let mut standby = primary.standby().await.unwrap();
    let mut config = StoreConfig::new(login(&primary));
    config.replicas = vec![login(&standby)];
    config.replica_max_lag = Duration::from_mins(10);
    admin::check_replicas(&config).await.unwrap();
    let service = Service::on(&config).await;
    let caller = service.caller(&primary).await;
    service.until_replica_is(true).await;

    let made = caller.post("/customers", &serde_json::json!({"code": "C-1", "name": "First"})).await;
    let first_token = token(&made);
    let first = made.made();
    assert_eq!(finds(&caller.with("x-read-your-writes", first_token), &first).await, [true; 3]);
    eventually(PATIENCE, async || finds(&caller, &first).await == [true; 3]).await;
    assert!(service.metric("kv_replica_reads_total{server=\"replica\",reason=\"fresh\"}").await >= 3.0);
    assert!(!caller.get("/customers").await.headers.contains_key("x-read-your-writes"), "a read has no token");

    // A replica that stands still shows what is read where.
    pause(&standby).await;
    let made = caller.post("/customers", &serde_json::json!({"code": "C-2", "name": "Second"})).await;
    let second_token = token(&made);
    let second = made.made();
    assert_eq!(finds(&caller, &second).await, [false; 3], "who asks for nothing is served by the replica");
    assert_eq!(finds(&caller.with("x-read-your-writes", second_token.clone()), &second).await, [true; 3]);
    assert_eq!(finds(&caller.with("cache-control", "no-cache"), &second).await, [true; 3]);
    assert_eq!(finds(&caller.with("x-read-your-writes", "no token at all"), &second).await, [true; 3]);
    assert!(service.metric("kv_replica_reads_total{server=\"primary\",reason=\"lag\"}").await >= 3.0);
    let changing = caller.with("if-match", "*");
    let changed = changing.send(&format!("PATCH /customers/{second}"), &serde_json::json!({"name": "Changed"})).await;
    assert_eq!(changed.expect(200)["name"], "Changed", "a change decides by the primary");

    // The same servers under a service that bears less: it reads the primary by itself.
    config.replica_max_lag = Duration::from_millis(500);
    let strict = Service::on(&config).await;
    let strictly = caller.through(&strict.router);
    strict.until_replica_is(false).await;
    assert_eq!(finds(&strictly, &second).await, [true; 3]);
    run(&standby, "select pg_wal_replay_resume()").await;
    strict.until_replica_is(true).await;
    eventually(PATIENCE, async || finds(&caller, &second).await == [true; 3]).await;

    // A dead replica costs nobody an answer.
    standby.kill().await;
    for _ in 0..20 {
        assert_eq!(finds(&caller, &second).await, [true; 3]);
    }
    service.until_replica_is(false).await;
    let mut tries = 0;
    while let Err(error) = standby.restart().await {
        tries += 1;
        assert!(tries < 10, "{error}");
    }
    service.until_replica_is(true).await;
    // One that was promoted follows nobody, and is not read.
    standby.promote().await.unwrap();
    service.until_replica_is(false).await;
    assert_eq!(finds(&caller, &second).await, [true; 3]);
}

#[tokio::test]
async fn a_replica_of_another_cluster_is_refused() {
    let (one, other) = (primary().await, primary().await);
    let mut config = StoreConfig::new(login(&one));
    config.replicas = vec![login(&other)];
    let refused = admin::check_replicas(&config).await.unwrap_err().to_string();
    assert!(refused.contains("of another cluster") && refused.contains("system identifier"), "{refused}");
    // And if it becomes one later, it is not read.
    let store = Store::open(&config).unwrap();
    eventually(PATIENCE, async || store.replica_health()[0].condition == Condition::OfAnotherCluster).await;
    assert!(!store.replica_health()[0].is_usable);
    config.replicas = vec!["postgresql://kv_app:x@127.0.0.1:1/postgres".parse().unwrap()];
    admin::check_replicas(&config).await.expect("one that is away is no reason not to start");
}

/// Exports and proofs come from a replica, and lack nothing that was there when they were asked for.
#[tokio::test]
async fn exports_and_proofs_are_read_from_replicas_as_of_their_beginning() {
    let primary = primary().await;
    let standby = primary.standby().await.unwrap();
    let mut config = StoreConfig::new(login(&primary));
    config.replicas = vec![login(&standby)];
    config.replica_max_lag = Duration::from_mins(10);
    let service = Service::on(&config).await;
    let caller = service.caller(&primary).await;
    service.until_replica_is(true).await;
    caller.stocked("p", 3).await;
    let rows = async || caller.get("/exports/products").await.expect(200).as_str().unwrap().lines().count();
    let by_replica = async || service.metric("kv_replica_reads_total{server=\"replica\",reason=\"fresh\"}").await;
    // A replica that is only a moment behind may be passed by.
    for read in ["/exports/products", "/admin/invariants"] {
        let before = by_replica().await;
        eventually(PATIENCE, async || {
            caller.get(read).await.expect(200);
            by_replica().await > before
        })
        .await;
    }
    assert_eq!(rows().await, 2, "a header and a product");
    // One that stands still lacks what was made since, so it is not asked.
    pause(&standby).await;
    caller.product("q").await;
    assert_eq!(rows().await, 3);
    caller.get("/admin/invariants").await.expect(200);
    run(&standby, "select pg_wal_replay_resume()").await;
    // The command line reads whatever server it is shown.
    let verified = eventually(PATIENCE, async || {
        let verified = verify_chains(&superuser(&standby), None, |broken| panic!("{broken:?}")).await.ok()??;
        (verified.movements > 0).then_some(verified)
    })
    .await;
    assert_eq!(verified.unhashed, 0);
}
