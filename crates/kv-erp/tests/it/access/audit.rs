//! The audit log: every write leaves its entry, in its own transaction, and nobody takes one away.

use std::collections::BTreeSet;
use std::time::Duration;

use kv_store::access::Role;
use sandbox::testing::eventually;
use serde_json::{Value, json};

use super::deeds::{self, Deed};
use super::{Member, PASSWORD, api_token};
use crate::service::log_in;
use crate::world::{APP_PASSWORD, Caller, World};

/// The entries that a filter leaves.
async fn entries(reader: &Caller, query: &str) -> Vec<Value> {
    let page = reader.get(&format!("/audit-log?{query}")).await.expect(200);
    page["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_write_that_is_done_leaves_its_entry() {
    let world = World::new().await;
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    let mut writes = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for (method, operation) in item.as_object().unwrap() {
            if method != "get" && operation["operationId"].is_string() {
                writes.insert(operation["operationId"].as_str().unwrap().to_owned());
            }
        }
    }
    let done = deeds::all(&world).await;
    let done_ids: BTreeSet<String> = done.iter().map(|deed| deed.operation.to_owned()).collect();
    assert_eq!(done_ids, writes, "each write needs a deed in access/deeds.rs");
    let me = world.one.get("/auth/me").await.expect(200);
    for Deed { operation, request, object, reader } in done {
        // What is done in Redis is noted a moment later.
        let query = format!("request_id={request}&outcome=done");
        let found = eventually(Duration::from_secs(10), || async {
            let found = entries(&reader, &query).await;
            (!found.is_empty()).then_some(found)
        })
        .await;
        let entry = found.iter().find(|entry| object.is_none() || entry["object_id"].as_str() == object.as_deref());
        let entry = entry.unwrap_or_else(|| panic!("{operation} has no entry for {object:?}: {found:#?}"));
        assert_eq!((&entry["operation"], &entry["address"]), (&json!(operation), &json!("127.0.0.1")), "{entry:#}");
        assert!(entry["object_type"].is_string() && entry["at"].is_string(), "{entry:#}");
        match operation {
            "login" | "logout" | "change_password" => assert!(entry["actor_id"].is_string(), "{entry:#}"),
            "create_tenant" | "suspend_tenant" | "resume_tenant" => assert_eq!(entry["actor_id"], Value::Null),
            _ => {
                assert_eq!(entry["actor_id"], me["id"], "{entry:#}");
                assert!(entry["token_id"].is_string(), "{entry:#}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_done_leaves_no_entry() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("a", 5).await;
    let before = entries(&world.one, "limit=100").await.len();
    let wish = |units: i64| json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": units}]});
    world.one.post("/reservations", &wish(6)).await.refused(409, "insufficient_stock");
    world.one.post("/customers", &json!({"code": ""})).await.refused(422, "validation_failed");
    let some = "018f0000-0000-7000-8000-000000000000";
    world.one.with("if-match", "*").ask(&format!("DELETE /customers/{some}")).await.refused(404, "not_found");
    let customer = world.one.customer("c").await;
    let path = format!("PATCH /customers/{customer}");
    world.one.with("if-match", "\"7\"").send(&path, &json!({"name": "x"})).await.refused(412, "version_mismatch");
    world.one.post("/customers", &json!({"code": "c", "name": "again"})).await.refused(409, "duplicate_code");
    let held = world.one.post("/reservations", &wish(1)).await.made();
    for _ in 0..3 {
        world.one.ask(&format!("POST /reservations/{held}/release")).await.expect(200);
    }
    let keyed = world.one.with("idempotency-key", "k-1");
    let once = keyed.post("/customers", &json!({"code": "once", "name": "N"})).await.made();
    assert_eq!(keyed.post("/customers", &json!({"code": "once", "name": "N"})).await.made(), once);
    let left = entries(&world.one, "limit=100").await;
    let operations: Vec<&str> =
        left[..left.len() - before].iter().map(|entry| entry["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["create_customer", "release_reservation", "create_reservation", "create_customer"]);
}

/// Of a hundred changes of one thing for the same state one is done, and one is noted.
#[tokio::test]
async fn of_changes_that_meet_the_one_that_is_done_is_noted() {
    let world = World::new().await;
    let customer = world.one.customer("c").await;
    let (caller, path) = (world.one.with("if-match", "\"1\""), format!("PATCH /customers/{customer}"));
    let body = json!({"name": "x"});
    let answers = futures_util::future::join_all((0..12).map(|_| caller.send(&path, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(entries(&world.one, &format!("object_id={customer}&operation=change_customer")).await.len(), 1);
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_entry() {
    let world = World::new().await;
    let item = |code: &str| json!({"code": code, "name": "N"});
    let body = json!({"mode": "independent", "items": [item("a"), item("b"), item("a")]});
    let request = world.one.with("x-request-id", "batch-1");
    let answer = request.post("/customers/batch", &body).await.expect(207);
    assert_eq!(answer["results"][2]["status"], 409);
    assert_eq!(entries(&world.one, "request_id=batch-1").await.len(), 2);
    let (product, warehouse) = world.one.stocked("p", 5).await;
    let hold = json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 2}]});
    let body = json!({"mode": "independent", "items": [hold, hold, hold]});
    world.one.with("x-request-id", "batch-2").post("/reservations/batch", &body).await.expect(207);
    assert_eq!(entries(&world.one, "request_id=batch-2").await.len(), 2);
    let body = json!({"mode": "atomic", "items": [hold]});
    world.one.with("x-request-id", "batch-3").post("/reservations/batch", &body).await.expect(409);
    assert_eq!(entries(&world.one, "request_id=batch-3").await.len(), 0);
}

#[tokio::test]
async fn refusals_and_failed_logins_are_noted_for_their_tenant() {
    let world = World::new().await;
    let member = Member::new(&world, "clerk").await;
    member.caller.with("x-request-id", "too-much").post("/products", &json!({})).await.refused(403, "role_too_low");
    let (token, narrow) = api_token(&world.one, &["orders:read"]).await;
    narrow.get("/customers").await.refused(403, "scope_missing");
    for email in [member.email.as_str(), "nobody@nowhere.example"] {
        let wrong = json!({"email": email, "password": "wrong password"});
        log_in(&world.one, &wrong).await.refused(401, "invalid_credentials");
    }
    let refused = eventually(Duration::from_secs(10), || async {
        let refused = entries(&world.one, "outcome=refused").await;
        (refused.len() == 3).then_some(refused)
    })
    .await;
    let of = |operation: &str| refused.iter().find(|entry| entry["operation"] == operation).unwrap();
    assert_eq!((&of("login")["actor_id"], &of("login")["object_id"]), (&Value::Null, &json!(member.id)));
    let denied = of("create_product");
    assert_eq!((&denied["actor_id"], &denied["request_id"]), (&json!(member.id), &json!("too-much")));
    assert_eq!(of("list_customers")["token_id"], json!(token));
    assert_eq!(entries(&world.two, "outcome=refused").await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_log_is_read_by_owners_page_by_page_and_filtered() {
    let world = World::new().await;
    for number in 0..7 {
        world.one.customer(&format!("c{number}")).await;
    }
    let all = world.one.walk("/audit-log?operation=create_customer&limit=3", || async {}).await;
    let ids: Vec<&str> = all.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 7 && ids.is_sorted_by(|earlier, later| earlier > later), "the latest first: {ids:?}");
    let oldest = world.one.get("/audit-log?operation=create_customer&sort=at&limit=1").await.expect(200);
    assert_eq!(oldest["data"][0]["id"], ids[6]);
    let counted = world.one.get("/audit-log?object_type=customer&count=exact&limit=1").await.expect(200);
    assert_eq!(counted["total"], 7);
    let from = all[2]["at"].as_str().unwrap();
    let since = entries(&world.one, &format!("operation=create_customer&from={from}")).await;
    assert_eq!(since.len(), 3);
    assert_eq!(entries(&world.one, "operation=no_such").await.len(), 0);
    world.one.get("/audit-log?from=yesterday").await.refused(422, "validation_failed");
    world.one.get("/audit-log?color=red").await.refused(422, "validation_failed");
    let manager = world.caller_with("managed", Role::Manager).await;
    manager.get("/audit-log").await.refused(403, "role_too_low");
    assert!(entries(&world.two, "limit=100").await.iter().all(|entry| !ids.contains(&entry["id"].as_str().unwrap())));
}

/// Not the service's role, which is not granted it, nor anybody else, whom a trigger refuses.
#[tokio::test]
async fn nobody_changes_or_deletes_an_entry() {
    let world = World::new().await;
    world.one.customer("c").await;
    let superuser = world.database.connect().await.unwrap();
    let app = world.database.url_for(sandbox::Login::Role { name: "kv_app", password: APP_PASSWORD });
    let app = kv_store::admin::connect(&app.parse().unwrap()).await.unwrap();
    for forbidden in ["update audit_log set operation = 'x'", "delete from audit_log", "truncate audit_log"] {
        let refused = app.batch_execute(forbidden).await.unwrap_err();
        assert!(refused.as_db_error().unwrap().message().starts_with("permission denied"), "{forbidden}: {refused:?}");
        let refused = superuser.batch_execute(forbidden).await.unwrap_err();
        assert!(refused.as_db_error().unwrap().message().contains("append-only"), "{forbidden}: {refused:?}");
    }
    // Nor does it say of an entry when it was.
    let early = "insert into audit_log (tenant_id, id, at, operation, outcome, object_type) values (1, gen_random_uuid(), now(), 'x', 'done', 'x')";
    assert!(app.batch_execute(early).await.is_err());
}

#[tokio::test]
async fn nothing_secret_is_in_the_log() {
    let world = World::new().await;
    deeds::all(&world).await;
    let superuser = world.database.connect().await.unwrap();
    let whole = "select coalesce(string_agg(t::text, ' '), '') from audit_log t";
    let whole: String = superuser.query_one(whole, &[]).await.unwrap().get(0);
    assert!(whole.contains("create_api_token"));
    for secret in [PASSWORD, "another password", "a third password", "kva_", "kvs_", "argon2", world.one.token()] {
        assert!(!whole.contains(secret), "{secret}");
    }
}
