//! Adjustments and transfers over HTTP.

use serde_json::json;

use crate::world::{World, faults};

#[tokio::test]
async fn a_count_sets_the_level_right_or_says_what_there_is() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let adjust = async |line: serde_json::Value| {
        let mut line = line;
        line["product_id"] = json!(product);
        line["warehouse_id"] = json!(warehouse);
        caller.post("/stock-adjustments", &json!({"items": [line], "reason": "annual count"})).await
    };
    let problem = adjust(json!({"set_to": 8, "expected_quantity": 9})).await.refused(409, "quantity_mismatch");
    assert_eq!(faults(&problem), ["/items/0/expected_quantity quantity_mismatch"]);
    assert_eq!((&problem["errors"][0]["expected"], &problem["errors"][0]["available"]), (&json!(9), &json!(10)));
    let made = adjust(json!({"set_to": 8, "expected_quantity": 10})).await;
    let item = &made.body["items"][0];
    assert_eq!((&item["delta"], &item["quantity_after"], &item["version"]), (&json!(-2), &json!(8), &json!(2)));
    let body = made.body.clone();
    let id = made.made();
    assert_eq!(caller.get(&format!("/stock-adjustments/{id}")).await.expect(200), body);
    assert_eq!(caller.get("/stock-adjustments").await.expect(200)["data"], json!([body]));
    let problem = adjust(json!({"delta": -9})).await.refused(409, "insufficient_stock");
    assert_eq!(faults(&problem), ["/items/0/delta insufficient_stock"]);
    for (line, fault) in [
        (json!({"delta": 0}), "/items/0/delta out_of_range"),
        (json!({}), "/items/0/delta required"),
        (json!({"set_to": 1}), "/items/0/expected_quantity required"),
        (json!({"delta": 1, "set_to": 1, "expected_quantity": 8}), "/items/0/delta contradiction"),
    ] {
        assert_eq!(faults(&adjust(line).await.refused(422, "validation_failed")), [fault]);
    }
    let movements = format!("/stock-movements?product_id={product}&warehouse_id={warehouse}");
    let movement = &caller.get(&movements).await.expect(200)["data"][1];
    assert_eq!((&movement["kind"], &movement["reason"]), (&json!("adjusted"), &json!("annual count")));
    assert_eq!((&movement["adjustment_id"], &movement["d_received"]), (&json!(id), &json!(-2)));
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

/// Eight of ten units are held and six turn out to be broken.
#[tokio::test]
async fn held_units_that_are_lost_are_booked_as_far_as_the_level_may_promise() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let level = format!("/stock-levels/{product}/{warehouse}");
    let held = json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 8}]});
    let held = caller.post("/reservations", &held).await.made();
    let adjust = async |mut line: serde_json::Value| {
        line["product_id"] = json!(product);
        line["warehouse_id"] = json!(warehouse);
        caller.post("/stock-adjustments", &json!({"items": [line], "reason": "broken"})).await
    };
    let problem = adjust(json!({"delta": -6})).await.refused(409, "insufficient_stock");
    assert_eq!((&problem["errors"][0]["requested"], &problem["errors"][0]["available"]), (&json!(6), &json!(2)));
    caller.send(&format!("PUT {level}/backorder-limit"), &json!({"limit": 5})).await.expect(200);
    let booked = adjust(json!({"delta": -6})).await.expect(201);
    assert_eq!(booked["items"][0]["quantity_after"], -4);
    let seen = caller.get(&level).await.expect(200);
    assert_eq!((&seen["quantity"], &seen["on_hand_quantity"]), (&json!(-4), &json!(4)));
    adjust(json!({"delta": -2})).await.refused(409, "insufficient_stock");
    caller.ask(&format!("POST /reservations/{held}/confirm")).await.refused(409, "not_on_hand");
    // What is promised beyond what is there is a result, not something to count.
    let problem = adjust(json!({"set_to": -5, "expected_quantity": -4})).await.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/items/0/set_to out_of_range"]);
    adjust(json!({"set_to": 0, "expected_quantity": -4})).await.expect(201);
    caller.ask(&format!("POST /reservations/{held}/confirm")).await.expect(200);
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_transfer_is_two_movements_under_one_id() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let far = caller.warehouse("far", 200).await;
    let transfer = |to: &str, units: i64| {
        let items = json!([{"product_id": product, "quantity": units}]);
        json!({"from_warehouse_id": warehouse, "to_warehouse_id": to, "items": items, "reference": "van 1"})
    };
    let made = caller.post("/stock-transfers", &transfer(&far, 4)).await;
    let body = made.body.clone();
    let id = made.made();
    assert_eq!(caller.get(&format!("/stock-transfers/{id}")).await.expect(200), body);
    assert_eq!(caller.get("/stock-transfers").await.expect(200)["data"], json!([body]));
    for (place, version, kind, change) in [(&warehouse, 1, "transferred_out", -4), (&far, 0, "transferred_in", 4)] {
        let movements = format!("/stock-movements?product_id={product}&warehouse_id={place}&after={version}");
        let movement = &caller.get(&movements).await.expect(200)["data"][0];
        assert_eq!((&movement["kind"], &movement["d_quantity"]), (&json!(kind), &json!(change)));
        assert_eq!(movement["transfer_id"], json!(id));
    }
    let problem = caller.post("/stock-transfers", &transfer(&far, 7)).await.refused(409, "insufficient_stock");
    assert_eq!(problem["errors"][0]["available"], 6);
    let problem = caller.post("/stock-transfers", &transfer(&warehouse, 1)).await.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/to_warehouse_id same_warehouse"]);
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_receipt_can_be_looked_up() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let line = json!({"product_id": product, "warehouse_id": warehouse, "quantity": 2});
    let made = caller.post("/stock-receipts", &json!({"items": [line, line]})).await;
    let body = made.body.clone();
    let id = made.made();
    assert_eq!(caller.get(&format!("/stock-receipts/{id}")).await.expect(200), body);
    assert_eq!(caller.walk("/stock-receipts?limit=1", async || ()).await.len(), 2);
}

#[tokio::test]
async fn a_level_promises_up_to_its_limit_and_ships_what_is_there() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 3).await;
    let level = format!("/stock-levels/{product}/{warehouse}");
    let limit = async |limit: i64| caller.send(&format!("PUT {level}/backorder-limit"), &json!({"limit": limit})).await;
    let line = |units: i64| json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": units}]});
    caller.post("/reservations", &line(4)).await.refused(409, "insufficient_stock");
    let set = limit(5).await.expect(200);
    assert_eq!((&set["backorder_limit"], &set["version"]), (&json!(5), &json!(1)));
    assert_eq!(caller.get(&level).await.expect(200), set);
    let held = caller.post("/reservations", &line(7)).await.made();
    let problem = caller.post("/reservations", &line(2)).await.refused(409, "insufficient_stock");
    assert_eq!(problem["errors"][0]["available"], 1);
    let seen = caller.get(&level).await.expect(200);
    assert_eq!((&seen["quantity"], &seen["on_hand_quantity"]), (&json!(-4), &json!(3)));
    assert_eq!(limit(3).await.refused(409, "backorders_outstanding")["promised"], 4);
    limit(4).await.expect(200);
    let confirm = format!("/reservations/{held}/confirm");
    let problem = caller.ask(&format!("POST {confirm}")).await.refused(409, "not_on_hand");
    assert_eq!((&problem["errors"][0]["requested"], &problem["errors"][0]["available"]), (&json!(7), &json!(3)));
    caller.receive(&product, &warehouse, 4).await;
    caller.ask(&format!("POST {confirm}")).await.expect(200);
    limit(0).await.expect(200);
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_limit_of_nothing_says_what_is_not_there() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 3).await;
    let nobody = uuid::Uuid::now_v7().to_string();
    for (product, warehouse, thing) in [(&nobody, &warehouse, "product"), (&product, &nobody, "warehouse")] {
        let path = format!("PUT /stock-levels/{product}/{warehouse}/backorder-limit");
        let problem = caller.send(&path, &json!({"limit": 5})).await.refused(404, "not_found");
        assert_eq!(problem["detail"], format!("There is no such {thing}."));
    }
    let problem = caller.ask(&format!("POST /orders/{nobody}/cancel")).await.refused(404, "not_found");
    assert_eq!(problem["detail"], "There is no such order.");
}

#[tokio::test]
async fn an_order_is_shipped_from_where_its_units_are() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, near) = caller.stocked("SKU", 1).await;
    let far = caller.warehouse("far", 200).await;
    caller.receive(&product, &far, 2).await;
    let set = json!({"limit": 10});
    caller.send(&format!("PUT /stock-levels/{product}/{near}/backorder-limit"), &set).await.expect(200);
    let customer = caller.customer("C").await;
    let order = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 5}]});
    let order = caller.post("/orders", &order).await;
    // What is on the shelves first, and the rest promised where that is allowed.
    let mut given: Vec<_> = order.body["items"][0]["allocations"].as_array().unwrap().clone();
    given.sort_unstable_by_key(|part| part["quantity"].as_i64());
    let part =
        |warehouse: &str, quantity: i64| json!({"warehouse_id": warehouse, "quantity": quantity, "last_version": 2});
    assert_eq!(given, [part(&far, 2), part(&near, 3)]);
    let path = format!("/orders/{}", order.made());
    caller.ask(&format!("POST {path}/confirm")).await.expect(200);
    let some = |units: i64| json!({"items": [{"product_id": product, "quantity": units}]});
    let problem = caller.post(&format!("{path}/fulfill"), &some(4)).await.refused(409, "not_on_hand");
    assert_eq!(problem["errors"][0]["available"], 3);
    caller.ask(&format!("POST {path}/fulfill")).await.refused(409, "not_on_hand");
    caller.post(&format!("{path}/fulfill"), &some(3)).await.expect(200);
    caller.receive(&product, &near, 2).await;
    assert_eq!(caller.ask(&format!("POST {path}/fulfill")).await.expect(200)["status"], "fulfilled");
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}
