//! Batches: all or none, each for itself, and what of them is repeated under a key.

use serde_json::{Value, json};

use crate::world::{Caller, World, faults};

fn batch(mode: &str, items: impl IntoIterator<Item = Value>) -> Value {
    json!({"mode": mode, "items": items.into_iter().collect::<Vec<_>>()})
}

fn customer(code: &str) -> Value {
    json!({"code": code, "name": format!("Customer {code}")})
}

/// The statuses of an independent batch's items.
fn statuses(results: &Value) -> Vec<i64> {
    let results = results["results"].as_array().unwrap();
    assert!(results.iter().enumerate().all(|(place, result)| result["index"] == place));
    results.iter().map(|result| result["status"].as_i64().unwrap()).collect()
}

fn line(product: &str, warehouse: &str, quantity: i64) -> Value {
    json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": quantity}]})
}

/// `quantity reserved_quantity` of a level.
async fn level(caller: &Caller, (product, warehouse): (&str, &str)) -> (i64, i64) {
    let level = caller.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    (level["quantity"].as_i64().unwrap(), level["reserved_quantity"].as_i64().unwrap())
}

#[tokio::test]
async fn a_batch_has_a_mode_and_one_to_a_thousand_items() {
    let world = World::new().await;
    let many = |count: usize| batch("atomic", (0..count).map(|number| customer(&format!("c-{number:04}"))));
    let cases = [
        (batch("atomic", []), vec!["/items too_few"]),
        (many(1_001), vec!["/items too_many"]),
        (batch("sometimes", [customer("a")]), vec!["/mode unknown_mode"]),
        (json!({"items": [customer("a")], "more": 1}), vec!["/mode required", "/more unknown_field"]),
        (json!({"mode": "atomic", "items": {}}), vec!["/items wrong_type"]),
    ];
    for (body, wanted) in cases {
        let problem = world.one.post("/customers/batch", &body).await.refused(422, "validation_failed");
        assert_eq!(faults(&problem), wanted);
    }
    let made = world.one.post("/customers/batch", &many(1_000)).await.expect(201);
    let made = made["results"].as_array().unwrap();
    assert_eq!(made.len(), 1_000);
    // In the order of the items, as the single request shows them, and in that order in the list too.
    let single = world.one.get(&format!("/customers/{}", made[999]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&single, &single["code"]), (&made[999], &json!("c-0999")));
    let listed = world.one.get("/customers?limit=2").await.expect(200);
    assert_eq!(listed["data"], json!(made[..2]));
}

#[tokio::test]
async fn an_atomic_batch_names_every_item_that_cannot_be_and_writes_nothing() {
    let world = World::new().await;
    world.one.customer("taken").await;
    let items = [customer("new"), customer("taken"), customer("twice"), customer("twice")];
    let problem = world.one.post("/customers/batch", &batch("atomic", items)).await.refused(409, "batch_refused");
    assert_eq!(faults(&problem), ["/items/1/code duplicate_code", "/items/3/code duplicate_code"]);
    assert_eq!(problem["errors"][1]["index"], 2, "the item that has it");
    let items = [json!({"code": "", "name": 7}), customer("new"), json!([]), json!({"code": "x"})];
    let problem = world.one.post("/customers/batch", &batch("atomic", items)).await.refused(422, "validation_failed");
    let wanted = ["/items/0/code blank", "/items/0/name wrong_type", "/items/2 wrong_type", "/items/3/name required"];
    assert_eq!(faults(&problem), wanted);
    // More faults than a single request's answer lists: all the same every item is named.
    let problem = world.one.post("/products/batch", &batch("atomic", vec![json!({"sku": 1}); 700])).await;
    let problem = problem.refused(422, "validation_failed");
    assert!((0..700).all(|item| faults(&problem).contains(&format!("/items/{item}/sku wrong_type"))));
    assert_eq!(world.one.get("/customers").await.expect(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn items_for_themselves_do_not_meet() {
    let world = World::new().await;
    world.one.warehouse("taken", 1).await;
    let of = |code: &str| json!({"code": code, "name": "W"});
    let items = [of("a"), of("taken"), json!({"code": "b"}), of("c"), of("c")];
    let results = world.one.post("/warehouses/batch", &batch("independent", items)).await.expect(207);
    assert_eq!(statuses(&results), [201, 409, 422, 201, 409]);
    let results = &results["results"];
    assert_eq!((&results[0]["body"]["code"], &results[0]["replayed"]), (&json!("a"), &json!(false)));
    assert_eq!(faults(&results[1]["body"]), ["/code duplicate_code"]);
    assert_eq!(faults(&results[2]["body"]), ["/name required"], "a pointer begins at the item");
    assert_eq!(results[4]["body"]["errors"][0]["index"], 3);
    let listed = world.one.get("/warehouses").await.expect(200);
    let codes: Vec<_> = listed["data"].as_array().unwrap().iter().map(|row| row["code"].clone()).collect();
    assert_eq!(codes, ["taken", "a", "c"]);
}

#[tokio::test]
async fn later_items_see_what_earlier_ones_took() {
    let world = World::new().await;
    let one = &world.one;
    let (product, warehouse) = one.stocked("hot", 10).await;
    let hold = |units: i64| line(&product, &warehouse, units);
    let refused = one.post("/reservations/batch", &batch("atomic", [hold(6), hold(5), hold(4), hold(1)])).await;
    let problem = refused.refused(409, "batch_refused");
    // The third fits only because the second was refused, and the fourth no more.
    assert_eq!(
        faults(&problem),
        ["/items/1/items/0/quantity insufficient_stock", "/items/3/items/0/quantity insufficient_stock"]
    );
    let told: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["available"].clone()).collect();
    assert_eq!(told, [4, 0]);
    assert_eq!(level(one, (&product, &warehouse)).await, (10, 0), "nothing was written");
    let made = one.post("/reservations/batch", &batch("atomic", [hold(6), hold(3), hold(1)])).await.expect(201);
    let versions: Vec<_> =
        made["results"].as_array().unwrap().iter().map(|held| &held["items"][0]["version"]).collect();
    assert_eq!(versions, [2, 3, 4]);
    assert_eq!(level(one, (&product, &warehouse)).await, (0, 10));
    // Goods that come in and are counted in one batch each; then orders for them.
    let receipts = batch("atomic", [hold(2), hold(3)]);
    one.post("/stock-receipts/batch", &receipts).await.expect(201);
    let set = |to: i64, expected: i64| {
        let line =
            json!({"product_id": product, "warehouse_id": warehouse, "set_to": to, "expected_quantity": expected});
        json!({"reason": "count", "items": [line]})
    };
    one.post("/stock-adjustments/batch", &batch("atomic", [set(7, 5), set(9, 7)])).await.expect(201);
    let problem = one.post("/stock-adjustments/batch", &batch("atomic", [set(1, 9), set(2, 9)])).await;
    let problem = problem.refused(409, "batch_refused");
    assert_eq!(faults(&problem), ["/items/1/items/0/expected_quantity quantity_mismatch"]);
    assert_eq!(level(one, (&product, &warehouse)).await, (9, 10));
    assert_eq!(world.store.audit_stock(one.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn orders_of_a_batch_have_numbers_and_a_repeat_has_the_same() {
    let world = World::new().await;
    let one = &world.one;
    let (product, warehouse) = one.stocked("hot", 10).await;
    let buyer = one.customer("c").await;
    let order = |units: i64| json!({"customer_id": buyer, "items": [{"product_id": product, "quantity": units}]});
    let body = batch("atomic", [order(1), order(2), order(3)]);
    let keyed = one.with("idempotency-key", "k".repeat(255));
    let first = keyed.post("/orders/batch", &body).await;
    let again = keyed.post("/orders/batch", &body).await;
    assert_eq!((first.status, again.status), (201, 201), "{:#}", first.body);
    assert_eq!((&again.bytes, &again.headers["idempotency-replayed"]), (&first.bytes, &"true".parse().unwrap()));
    for order in first.body["results"].as_array().unwrap() {
        let single = one.get(&format!("/orders/{}", order["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(single["order_number"], order["order_number"]);
        assert!(order["order_number"].as_i64().unwrap() > 100_000);
    }
    assert_eq!(level(one, (&product, &warehouse)).await, (4, 6));
    keyed.post("/orders/batch", &batch("atomic", [order(1)])).await.refused(422, "idempotency_key_reused");
    // What was refused is not kept: with more stock the same is done.
    let other = one.with("idempotency-key", "other");
    other.post("/orders/batch", &batch("atomic", [order(4), order(1)])).await.refused(409, "batch_refused");
    one.receive(&product, &warehouse, 1).await;
    other.post("/orders/batch", &batch("atomic", [order(4), order(1)])).await.expect(201);
    assert_eq!(level(one, (&product, &warehouse)).await, (0, 11));
    assert_eq!(world.store.audit_stock(one.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_repeated_independent_batch_does_only_what_was_not_done() {
    let world = World::new().await;
    let one = &world.one;
    let (product, warehouse) = one.stocked("hot", 5).await;
    let hold = |units: i64| line(&product, &warehouse, units);
    let keyed = one.with("idempotency-key", "k");
    let body = batch("independent", [hold(2), hold(9), hold(3), json!({})]);
    let first = keyed.post("/reservations/batch", &body).await.expect(207);
    assert_eq!(statuses(&first), [201, 409, 201, 422]);
    one.receive(&product, &warehouse, 9).await;
    let again = keyed.post("/reservations/batch", &body).await.expect(207);
    assert_eq!(statuses(&again), [201, 201, 201, 422]);
    let replayed: Vec<_> = again["results"].as_array().unwrap().iter().map(|result| &result["replayed"]).collect();
    assert_eq!(replayed, [true, false, true, false]);
    assert_eq!(again["results"][0]["body"], first["results"][0]["body"]);
    assert_eq!(level(one, (&product, &warehouse)).await, (0, 14));
    // Another item at the same place is another request.
    let other = keyed.post("/reservations/batch", &batch("independent", [hold(1)])).await.expect(207);
    assert_eq!(other["results"][0]["body"]["code"], "idempotency_key_reused");

    // The same in the catalogue, where all rows are one statement; the code of the first is free again by then.
    let items = [customer("a"), customer("b"), json!({"code": "c"})];
    let first = keyed.post("/customers/batch", &batch("independent", items.clone())).await.expect(207);
    assert_eq!(statuses(&first), [422, 422, 422]);
    assert_eq!(first["results"][1]["body"]["code"], "idempotency_key_reused", "its item was a reservation");
    let keyed = one.with("idempotency-key", "catalogue");
    let first = keyed.post("/customers/batch", &batch("independent", items.clone())).await.expect(207);
    assert_eq!(statuses(&first), [201, 201, 422]);
    let id = first["results"][0]["body"]["id"].as_str().unwrap();
    one.ask(&format!("DELETE /customers/{id}")).await.expect(204);
    let again = keyed.post("/customers/batch", &batch("independent", items)).await.expect(207);
    assert_eq!(again["results"][0]["body"], first["results"][0]["body"]);
    assert_eq!(again["results"][1]["replayed"], true);
    assert_eq!(one.get("/customers").await.expect(200)["data"].as_array().unwrap().len(), 1);
    let long = one.with("idempotency-key", "k".repeat(252));
    let problem = long.post("/customers/batch", &batch("independent", vec![customer("z"); 1])).await;
    assert_eq!(problem.status, 207, "251 and less always do; 252 does for places of one digit");
    let problem = long.post("/customers/batch", &batch("independent", vec![customer("z"); 101])).await;
    assert_eq!(faults(&problem.refused(422, "validation_failed")), ["Idempotency-Key too_long"]);
}

#[tokio::test]
async fn a_catalogue_batch_under_a_key_is_kept_as_a_whole() {
    let world = World::new().await;
    let keyed = world.one.with("idempotency-key", "k");
    let body = batch("atomic", [customer("a"), customer("b")]);
    let (first, second) = tokio::join!(keyed.post("/customers/batch", &body), keyed.post("/customers/batch", &body));
    assert_eq!((first.status, second.status), (201, 201), "{:#} {:#}", first.body, second.body);
    assert_eq!(first.bytes, second.bytes);
    assert_eq!(world.one.get("/customers").await.expect(200)["data"].as_array().unwrap().len(), 2);
    let other = batch("atomic", [customer("c")]);
    keyed.post("/customers/batch", &other).await.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_group_has_no_more_lines_than_one_transaction() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("hot", 1).await;
    let full = json!({"items": vec![json!({"product_id": product, "warehouse_id": warehouse, "quantity": 1}); 100]});
    let problem = world.one.post("/stock-receipts/batch", &batch("atomic", vec![full.clone(); 21])).await;
    let problem = problem.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/items too_many_lines"]);
    world.one.post("/stock-receipts/batch", &batch("atomic", vec![full; 20])).await.expect(201);
    assert_eq!(level(&world.one, (&product, &warehouse)).await, (2_001, 0));
}

/// Groups and single commands fight for the same units; none is sold twice and no group is halved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_among_others_are_whole() {
    let world = World::new().await;
    let one = &world.one;
    let (product, warehouse) = one.stocked("hot", 50).await;
    let tasks = (0..60).map(|number| {
        let (one, hold) = (one.clone(), line(&product, &warehouse, 1));
        tokio::spawn(async move {
            if number % 2 == 0 {
                (1, one.post("/reservations", &hold).await)
            } else {
                (3, one.post("/reservations/batch", &batch("atomic", vec![hold; 3])).await)
            }
        })
    });
    let mut held = 0;
    for task in tasks.collect::<Vec<_>>() {
        let (units, answer) = task.await.unwrap();
        match answer.status {
            201 => held += units,
            409 => {}
            other => panic!("{other}: {:#}", answer.body),
        }
    }
    assert_eq!(level(one, (&product, &warehouse)).await, (50 - held, held));
    assert!(held >= 48, "{held}");
    assert_eq!(world.store.audit_stock(one.tenant).await.unwrap(), vec![]);
}
