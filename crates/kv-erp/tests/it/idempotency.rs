//! `Idempotency-Key` as callers meet it: each write once, whoever repeats it.

use std::collections::HashSet;
use std::time::Duration;

use axum::Router;
use futures_util::future::join_all;
use kv_store::access::Role;
use kv_store::{Server, Store, StoreConfig};
use sandbox::Login;
use sandbox::testing::eventually;
use serde_json::{Value, json};

use crate::world::{self, Answer, Caller, World, faults};

const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";
const SOON: Duration = Duration::from_secs(20);

/// Sends the same request twice under one key. The second must be told what the first was, byte by byte.
async fn twice(caller: &Caller, line: &str, body: &Value) -> Answer {
    let keyed = caller.with(KEY, format!("twice {line}").replace(' ', ":"));
    let send = async || if body.is_null() { keyed.ask(line).await } else { keyed.send(line, body).await };
    let (first, again) = (send().await, send().await);
    assert!((200..300).contains(&first.status), "{line}: {:#}", first.body);
    assert!(!first.headers.contains_key(REPLAYED), "{line}");
    assert_eq!(again.headers.get(REPLAYED).map(|value| value.to_str().unwrap()), Some("true"), "{line}: {again:#?}");
    assert_eq!((first.status, &first.bytes), (again.status, &again.bytes), "{line}");
    for name in ["location", "content-type", "content-length", "etag"] {
        assert_eq!(first.headers.get(name), again.headers.get(name), "{line} {name}");
    }
    first
}

fn version(of: &Value) -> i64 {
    of["version"].as_i64().unwrap()
}

#[tokio::test]
async fn in_the_catalogue_a_repeat_is_told_the_same_and_changes_nothing() {
    let world = World::new().await;
    let caller = &world.one.with("if-match", "*");
    let product = json!({"sku": "C", "name": "N", "price_minor": 1, "currency": "EUR"});
    for (path, new) in [
        ("/customers", json!({"code": "C", "name": "N"})),
        ("/products", product),
        ("/warehouses", json!({"code": "C", "name": "N"})),
    ] {
        let id = twice(caller, &format!("POST {path}"), &new).await.made();
        let thing = format!("{path}/{id}");
        let changed = twice(caller, &format!("PATCH {thing}"), &json!({"name": "M"})).await.expect(200);
        assert_eq!(version(&changed), 2);
        assert_eq!(caller.get(&thing).await.expect(200), changed, "changed once");
        assert_eq!(caller.get(path).await.expect(200)["data"].as_array().unwrap().len(), 1, "made once");
        twice(caller, &format!("DELETE {thing}"), &Value::Null).await.expect(204);
        caller.get(&thing).await.refused(404, "not_found");
        // Nothing to change is no change, with a key or without, and nothing to keep.
        let id = caller.post(path, &new).await.made();
        let keyed = caller.with(KEY, format!("nothing:{path}"));
        assert_eq!(version(&keyed.send(&format!("PATCH {path}/{id}"), &json!({})).await.expect(200)), 1);
        caller.get(&format!("/idempotency/nothing:{}", path.replace('/', "%2F"))).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn in_stock_and_orders_a_repeat_is_told_the_same_and_moves_nothing() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 100).await;
    let customer = caller.customer("C").await;
    let items = json!([{"product_id": product, "warehouse_id": warehouse, "quantity": 3}]);
    let lines = json!([{"product_id": product, "quantity": 3}]);
    twice(caller, "POST /stock-receipts", &json!({"items": items})).await.expect(201);
    let held = twice(caller, "POST /reservations", &json!({"items": items})).await.made();
    let count = json!([{"product_id": product, "warehouse_id": warehouse, "delta": 2}]);
    twice(caller, "POST /stock-adjustments", &json!({"items": count, "reason": "counted"})).await.made();
    let limit = format!("PUT /stock-levels/{product}/{warehouse}/backorder-limit");
    twice(caller, &limit, &json!({"limit": 5})).await.expect(200);
    let far = caller.warehouse("far", 200).await;
    let moved = json!({"from_warehouse_id": warehouse, "to_warehouse_id": far, "items": lines});
    twice(caller, "POST /stock-transfers", &moved).await.made();
    let shipped = twice(caller, &format!("POST /reservations/{held}/confirm"), &Value::Null).await.expect(200);
    assert_eq!(shipped["status"], "fulfilled");
    let held = caller.post("/reservations", &json!({"items": items})).await.made();
    twice(caller, &format!("POST /reservations/{held}/release"), &Value::Null).await.expect(200);
    let order = json!({"customer_id": customer, "items": lines, "reference": "\"order_number\":0,"});
    let placed = twice(caller, "POST /orders", &order).await;
    let number = placed.body["order_number"].as_i64().unwrap();
    assert!(number > 100_000);
    let order = placed.made();
    assert_eq!(caller.get(&format!("/orders/{order}")).await.expect(200)["order_number"], number);
    assert_eq!(version(&twice(caller, &format!("POST /orders/{order}/confirm"), &Value::Null).await.expect(200)), 2);
    let cancelled = twice(caller, &format!("POST /orders/{order}/cancel"), &Value::Null).await.expect(200);
    assert_eq!((version(&cancelled), &cancelled["status"]), (3, &json!("cancelled")));
    assert_eq!(caller.get("/orders").await.expect(200)["data"].as_array().unwrap().len(), 1);
    let held = caller.post("/reservations", &json!({"items": items, "ttl_seconds": 60})).await.made();
    twice(caller, &format!("POST /reservations/{held}/extend"), &json!({"ttl_seconds": 600})).await.expect(200);
    let part = json!([{"product_id": product, "warehouse_id": warehouse, "quantity": 1}]);
    twice(caller, &format!("POST /reservations/{held}/confirm"), &json!({"items": part})).await.expect(200);
    let order = caller.post("/orders", &json!({"customer_id": customer, "items": lines})).await.made();
    caller.ask(&format!("POST /orders/{order}/confirm")).await.expect(200);
    let one = json!({"items": [{"product_id": product, "quantity": 1}]});
    let partly = twice(caller, &format!("POST /orders/{order}/fulfill"), &one).await.expect(200);
    assert_eq!(partly["items"][0]["fulfilled_quantity"], 1);
    let back = json!({"items": part, "reason": "broken"});
    let back = twice(caller, &format!("POST /orders/{order}/returns"), &back).await.expect(200);
    assert_eq!(back["items"][0]["returned_quantity"], 1);
    let level = caller.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    // Received twice; counted; moved; reserved and shipped; reserved and released; ordered and cancelled; reserved, shipped and
    // given back; ordered, shipped and returned.
    let seen = ["received_quantity", "shipped_quantity", "reserved_quantity", "version"].map(|name| &level[name]);
    assert_eq!(seen, [&json!(102), &json!(4), &json!(2), &json!(16)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_through_two_services_at_once_are_one_order() {
    let world = World::new().await;
    let second = world::router(&world::store(&world.database, world::Guard::Both)).await;
    let (product, warehouse) = world.one.stocked("SKU", 1_000).await;
    let customer = world.one.customer("C").await;
    for round in 0..4 {
        let body = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 2}]});
        let keyed = world.one.with(KEY, format!("order-{round}"));
        let repeats = (0..64).map(|number| {
            let caller = if number % 2 == 0 { keyed.clone() } else { keyed.through(&second) };
            let body = body.clone();
            tokio::spawn(async move { caller.post("/orders", &body).await })
        });
        let answers: Vec<Answer> = join_all(repeats).await.into_iter().map(Result::unwrap).collect();
        assert!(answers.iter().all(|answer| answer.status == 201), "{answers:#?}");
        let first = answers.iter().filter(|answer| !answer.headers.contains_key(REPLAYED)).count();
        let told: HashSet<_> = answers.iter().map(|answer| (&answer.bytes, &answer.headers["location"])).collect();
        assert_eq!((first, told.len()), (1, 1));
    }
    assert_eq!(world.one.get("/orders").await.expect(200)["data"].as_array().unwrap().len(), 4);
    let level = world.one.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    assert_eq!(level["reserved_quantity"], 8);
    assert_eq!(world.store.audit_stock(world.one.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_key_stands_for_one_method_path_and_body() {
    let world = World::new().await;
    let keyed = world.one.with(KEY, "k").with("if-match", "*");
    let body = json!({"code": "C", "name": "N"});
    let made = keyed.post("/customers", &body).await.made();
    let reused = [
        keyed.post("/customers", &json!({"code": "D", "name": "N"})).await,
        keyed.post("/warehouses", &body).await,
        keyed.send(&format!("PATCH /customers/{made}"), &json!({"name": "M"})).await,
        keyed.ask(&format!("DELETE /customers/{made}")).await,
        keyed.ask(&format!("POST /orders/{made}/confirm")).await,
    ];
    for answer in reused {
        answer.refused(422, "idempotency_key_reused");
    }
    // The same in other bytes is not the same.
    let spaced = keyed.send_raw("POST /customers", Some("application/json"), r#"{"code": "C",  "name": "N"}"#).await;
    spaced.refused(422, "idempotency_key_reused");
    // Another tenant's key is another key.
    let other = world.two.with(KEY, "k").post("/customers", &body).await;
    assert!(!other.headers.contains_key(REPLAYED));
    assert_ne!(other.made(), made);
    assert_eq!(keyed.post("/customers", &body).await.made(), made);
    assert_eq!(world.one.get(&format!("/customers/{made}")).await.expect(200)["name"], "N");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_before_anything_happens() {
    let world = World::new().await;
    let body = json!({"code": "C", "name": "N"});
    for key in ["", "two words", &"x".repeat(256)] {
        let answer = world.one.with(KEY, key).post("/customers", &body).await;
        assert_eq!(faults(&answer.refused(422, "validation_failed")), ["Idempotency-Key invalid_format"], "{key:?}");
    }
    let two = world.one.with(KEY, "a").with(KEY, "b").post("/customers", &body).await;
    two.refused(422, "validation_failed");
    assert_eq!(world.one.get("/customers").await.expect(200)["data"], json!([]));
    world.one.with(KEY, "x".repeat(255)).post("/customers", &body).await.expect(201);
}

#[tokio::test]
async fn what_was_refused_is_tried_anew() {
    let world = World::new().await;
    let keyed = world.one.with(KEY, "k");
    let (product, warehouse) = world.one.stocked("SKU", 1).await;
    let body = json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 5}]});
    keyed.post("/reservations", &json!({"items": []})).await.refused(422, "validation_failed");
    keyed.post("/reservations", &body).await.refused(409, "insufficient_stock");
    keyed.post("/reservations", &body).await.refused(409, "insufficient_stock");
    world.one.get("/idempotency/k").await.refused(404, "not_found");
    world.one.receive(&product, &warehouse, 10).await;
    let answer = keyed.post("/reservations", &body).await;
    assert!(!answer.headers.contains_key(REPLAYED));
    answer.expect(201);
}

#[tokio::test]
async fn a_key_says_what_became_of_it() {
    let world = World::new().await;
    let key = "order/17?\"a%b\"";
    let path = "/idempotency/order%2F17%3F%22a%25b%22";
    world.one.get(path).await.refused(404, "not_found");
    let made = world.one.with(KEY, key).post("/customers", &json!({"code": "C", "name": "N"})).await.made();
    let record = world.one.get(path).await.expect(200);
    let expected = json!({"key": key, "state": "completed", "status": 201, "method": "POST", "path": "/api/v1/customers",
        "location": format!("/api/v1/customers/{made}"), "created_at": record["created_at"], "expires_at": record["expires_at"]});
    assert_eq!(record, expected);
    let instant = |name: &str| record[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(instant("expires_at").duration_since(instant("created_at")).as_hours(), 24);
    assert_eq!(world.one.ask(&format!("DELETE {path}")).await.expect(200), record, "what was done stays done");
    world.two.get(path).await.refused(404, "not_found");

    let void = world.one.ask("DELETE /idempotency/never").await.expect(200);
    assert_eq!((&void["state"], &void["status"], &void["location"]), (&json!("void"), &Value::Null, &Value::Null));
    assert_eq!(world.one.ask("DELETE /idempotency/never").await.expect(200), void);
    assert_eq!(world.one.get("/idempotency/never").await.expect(200), void);
    let late = world.one.with(KEY, "never");
    late.post("/customers", &json!({"code": "D", "name": "N"})).await.refused(409, "idempotency_key_void");
    late.post("/stock-receipts", &stock_of(&world).await).await.refused(409, "idempotency_key_void");
    assert_eq!(world.one.get("/customers").await.expect(200)["data"].as_array().unwrap().len(), 1);

    let looker = world.caller_with("looker", Role::ReadOnly).await;
    looker.get("/idempotency/never").await.refused(404, "not_found");
    looker.ask("DELETE /idempotency/never").await.refused(403, "read_only");
    for bad in ["%20", "a%C3%A4", &"x".repeat(256)] {
        world.one.get(&format!("/idempotency/{bad}")).await.refused(404, "not_found");
    }
}

async fn stock_of(world: &World) -> Value {
    let (product, warehouse) = world.one.stocked("SKU", 1).await;
    json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 1}]})
}

#[tokio::test]
async fn a_repeat_of_what_is_under_way_waits_and_is_then_told_so() {
    let world = World::new().await;
    let body = stock_of(&world).await;
    let keyed = world.one.with(KEY, "k").through(&patient(&world).await);
    let holder = world.database.connect().await.unwrap();
    holder.batch_execute("begin; select from stock_levels for update").await.unwrap();
    let (first, again) = (keyed.clone(), body.clone());
    let first = tokio::spawn(async move { first.post("/reservations", &again).await });
    eventually(SOON, async || keyed.get("/idempotency/k").await.status == 200).await;
    assert_eq!(keyed.get("/idempotency/k").await.expect(200)["state"], "in_flight");
    let repeat = keyed.post("/reservations", &body).await;
    assert_eq!(repeat.headers["retry-after"], "1");
    assert_eq!(repeat.refused(409, "idempotency_in_flight")["retryable"], true);
    holder.batch_execute("commit").await.unwrap();
    let told = first.await.unwrap().made();
    assert_eq!(keyed.post("/reservations", &body).await.made(), told);
    let key = world.one.get("/idempotency/k").await.expect(200);
    assert_eq!(
        (&key["state"], &key["location"]),
        (&json!("completed"), &json!(format!("/api/v1/reservations/{told}")))
    );
    assert_eq!(world.store.audit_stock(world.one.tenant).await.unwrap(), vec![]);
}

/// A service that waits for a row until the test lets go of it.
async fn patient(world: &World) -> Router {
    let login = Login::Role { name: "kv_app", password: world::APP_PASSWORD };
    let mut config: Server = world.database.url_for(login).parse().unwrap();
    config.config_mut().options("-c lock_timeout=7s -c statement_timeout=7s");
    world::router(&Store::open(&StoreConfig::new(config)).unwrap()).await
}

#[tokio::test]
async fn an_expired_key_may_be_used_anew() {
    let world = World::new().await;
    let keyed = world.one.with(KEY, "k");
    let first = keyed.post("/customers", &json!({"code": "C", "name": "N"})).await.made();
    let superuser = world.database.connect().await.unwrap();
    superuser.batch_execute("update idempotency_keys set expires_at = now()").await.unwrap();
    world.one.get("/idempotency/k").await.refused(404, "not_found");
    let second = keyed.post("/customers", &json!({"code": "D", "name": "N"})).await.made();
    assert_ne!(first, second);
    assert_eq!(keyed.post("/customers", &json!({"code": "D", "name": "N"})).await.made(), second);
}

/// A lock that was lost meanwhile does not take back what was done under it.
#[tokio::test]
async fn a_repeat_needs_its_lock_no_more() {
    let world = World::new().await;
    let body = stock_of(&world).await;
    let fenced = |key: &str, fence: i64| world.one.with(KEY, key).with("x-lock-fence", format!("stock:a={fence}"));
    let made = fenced("k", 5).post("/reservations", &body).await.made();
    fenced("newer", 6).post("/reservations", &body).await.refused(409, "insufficient_stock");
    fenced("older", 5).post("/stock-receipts", &body).await.refused(409, "lock_lost");
    assert_eq!(fenced("k", 5).post("/reservations", &body).await.made(), made);
}

/// The service itself forgets what has expired.
#[tokio::test]
async fn expired_keys_are_swept_away() {
    let world = World::new().await;
    for code in ["a", "b"] {
        world.one.with(KEY, code).post("/customers", &json!({"code": code, "name": "N"})).await.expect(201);
    }
    let superuser = world.database.connect().await.unwrap();
    superuser.batch_execute("update idempotency_keys set expires_at = now() where key = 'a'").await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let sweeping = tokio::spawn(kv_erp::sweep::keep_sweeping(world.store.clone(), stop.clone()));
    let left = async || -> Vec<String> {
        let rows = superuser.query("select key from idempotency_keys", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    eventually(SOON, async || left().await == ["b"]).await;
    stop.cancel();
    sweeping.await.unwrap();
}
