//! The proof of the ledger over HTTP.

use kv_store::access::Role;
use serde_json::json;

use crate::world::World;

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
