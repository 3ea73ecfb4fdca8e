//! The proof of the ledger over HTTP.

use std::time::Duration;

use kv_erp::app::HttpSettings;
use kv_store::access::Role;
use kv_store::{Server, Store, StoreConfig};
use sandbox::Login;
use sandbox::testing::eventually;
use serde_json::json;

use crate::service::{Backend, app, header};
use crate::world::{APP_PASSWORD, World};

#[tokio::test]
async fn a_ledger_that_is_not_sound_says_where_and_to_its_own_tenant_alone() {
    let world = World::new().await;
    let mut keys = Vec::new();
    for caller in [&world.one, &world.two] {
        let (product, warehouse) = caller.stocked("SKU", 10).await;
        let line = json!({"product_id": product, "warehouse_id": warehouse, "quantity": 4});
        caller.post("/reservations", &json!({"items": [line]})).await.made();
        let proof = caller.get("/admin/invariants").await.expect(200);
        assert_eq!(proof, json!({"sound": true, "faults": []}));
        keys.push((product, warehouse));
    }
    let superuser = world.database.connect().await.unwrap();
    let damage = "set session_replication_role = replica; update reservations set quantity = 9 where tenant_id = 2";
    superuser.batch_execute(damage).await.unwrap();
    let problem = world.two.get("/admin/invariants").await.refused(409, "not_sound");
    assert_eq!(problem["fault_count"], 1);
    let (product, warehouse) = &keys[1];
    assert_eq!(problem["errors"][0]["pointer"], format!("/stock-levels/{product}/{warehouse}"));
    assert_eq!(problem["errors"][0]["detail"], "held units are not those of the pending reservations");
    world.one.get("/admin/invariants").await.expect(200);
}

#[tokio::test]
async fn the_proof_is_for_those_who_run_the_tenant() {
    let world = World::new().await;
    for (slug, role, status) in [("a", Role::Owner, 200), ("b", Role::Clerk, 403), ("c", Role::ReadOnly, 403)] {
        let answer = world.caller_with(slug, role).await.get("/admin/invariants").await;
        assert_eq!(answer.status, status, "{role:?}: {:#}", answer.body);
    }
}

/// Each tenant has a place of its own, a proof ends with its request, and whoever is turned away is told what to do.
#[tokio::test]
async fn a_proof_that_takes_too_long_gives_its_place_back() {
    let world = World::new().await;
    let login = Login::Role { name: "kv_app", password: APP_PASSWORD };
    let mut patient: Server = world.database.url_for(login).parse().unwrap();
    patient.config_mut().options("-c lock_timeout=0");
    let store = Store::open(&StoreConfig::new(patient)).unwrap();
    let settings = HttpSettings { proof_timeout: Duration::from_secs(3), ..HttpSettings::default() };
    let router = kv_erp::http::router(app(&store, Backend::InProcess, settings).await);
    let (one, two) = (world.one.through(&router), world.two.through(&router));
    one.get("/admin/invariants").await.expect(200);
    let (holder, watcher) = (world.database.connect().await.unwrap(), world.database.connect().await.unwrap());
    holder.batch_execute("begin; lock table stock_movements in access exclusive mode").await.unwrap();
    let waiting = async || -> i64 {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and usename = 'kv_app'
            and wait_event_type = 'Lock'";
        watcher.query_one(waiting, &[]).await.unwrap().get(0)
    };
    let both = async { tokio::join!(one.get("/admin/invariants"), two.get("/admin/invariants")) };
    let meanwhile = async {
        eventually(Duration::from_secs(20), async || waiting().await == 2).await;
        let again = one.get("/admin/invariants").await;
        assert_eq!(header(&again, "retry-after"), "10");
        assert_eq!(again.refused(409, "proof_under_way")["retryable"], true);
    };
    let ((first, second), ()) = tokio::join!(both, meanwhile);
    for answer in [first, second] {
        assert_eq!(header(&answer, "retry-after"), "10");
        let problem = answer.refused(503, "proof_timeout");
        assert!(problem["detail"].as_str().unwrap().contains("kv-erp admin verify"), "{problem}");
    }
    eventually(Duration::from_secs(20), async || waiting().await == 0).await;
    // A caller that hangs up ends its proof, too.
    let gone = {
        let one = one.clone();
        tokio::spawn(async move { one.get("/admin/invariants").await })
    };
    eventually(Duration::from_secs(20), async || waiting().await == 1).await;
    gone.abort();
    eventually(Duration::from_secs(20), async || waiting().await == 0).await;
    holder.batch_execute("commit").await.unwrap();
    one.get("/admin/invariants").await.expect(200);
}
