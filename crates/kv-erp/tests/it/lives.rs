//! Reservations and orders over HTTP, from their making to their end.

use std::time::Duration;

use sandbox::testing::eventually;
use serde_json::{Value, json};

use crate::world::{Caller, World, faults};

async fn pass(world: &World) {
    let superuser = world.database.connect().await.unwrap();
    let passed = "update reservations set expires_at = now(), due_at = now() where due_at is not null";
    superuser.batch_execute(passed).await.unwrap();
}

fn line(product: &str, warehouse: &str, units: i64) -> Value {
    json!({"product_id": product, "warehouse_id": warehouse, "quantity": units})
}

#[tokio::test]
async fn a_reservation_has_a_life_that_can_be_extended() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let wish = |ttl: i64| json!({"items": [line(&product, &warehouse, 4)], "ttl_seconds": ttl});
    for ttl in [0, 86_401] {
        let problem = caller.post("/reservations", &wish(ttl)).await.refused(422, "validation_failed");
        assert_eq!(faults(&problem), ["/ttl_seconds out_of_range"]);
    }
    let made = caller.post("/reservations", &wish(60)).await;
    let before = made.body["expires_at"].as_str().unwrap().to_owned();
    let held = made.made();
    let path = format!("/reservations/{held}");
    let extended = caller.post(&format!("{path}/extend"), &json!({"ttl_seconds": 600})).await.expect(200);
    assert!(extended["expires_at"].as_str().unwrap() > before.as_str());
    assert_eq!(caller.get(&path).await.expect(200), extended);
    pass(&world).await;
    caller.ask(&format!("POST {path}/confirm")).await.refused(409, "reservation_expired");
    caller.post(&format!("{path}/extend"), &json!({"ttl_seconds": 60})).await.refused(409, "reservation_expired");
    assert_eq!(caller.get(&path).await.expect(200)["status"], "expired");
    let endless = caller.post("/reservations", &json!({"items": [line(&product, &warehouse, 4)]})).await;
    assert_eq!(endless.body["expires_at"], Value::Null);
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_part_of_a_reservation_leaves_and_the_rest_comes_back() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let held = caller.post("/reservations", &json!({"items": [line(&product, &warehouse, 4)]})).await.made();
    let confirm = format!("/reservations/{held}/confirm");
    let part = |units: i64| json!({"items": [line(&product, &warehouse, units)]});
    let problem = caller.post(&confirm, &part(5)).await.refused(409, "quantity_exceeded");
    assert_eq!(faults(&problem), ["/items/0/quantity quantity_exceeded"]);
    let shipped = caller.post(&confirm, &part(3)).await.expect(200);
    assert_eq!((&shipped["status"], &shipped["items"][0]["fulfilled_quantity"]), (&json!("fulfilled"), &json!(3)));
    assert_eq!(caller.post(&confirm, &part(3)).await.expect(200), shipped);
    caller.post(&confirm, &part(2)).await.refused(409, "reservation_already_fulfilled");
    let level = caller.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    assert_eq!((&level["quantity"], &level["reserved_quantity"]), (&json!(7), &json!(0)));
}

async fn ordered(caller: &Caller, product: &str, more: Value) -> String {
    let customer = caller.customer("C").await;
    let mut order = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 4}]});
    order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    caller.post("/orders", &order).await.made()
}

#[tokio::test]
async fn an_order_goes_through_its_states() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let order = ordered(caller, &product, json!({"ttl_seconds": 60})).await;
    let path = format!("/orders/{order}");
    let some = |units: i64| json!({"items": [{"product_id": product, "quantity": units}]});
    let back = |units: i64| json!({"items": [line(&product, &warehouse, units)], "reason": "damaged"});
    let problem = caller.ask(&format!("POST {path}/fulfill")).await.refused(409, "order_not_fulfillable");
    assert_eq!(problem["order_status"], "pending");
    let confirmed = caller.ask(&format!("POST {path}/confirm")).await.expect(200);
    assert_eq!((&confirmed["status"], &confirmed["expires_at"]), (&json!("confirmed"), &Value::Null));
    let partly = caller.post(&format!("{path}/fulfill"), &some(1)).await.expect(200);
    assert_eq!(
        (&partly["status"], &partly["items"][0]["fulfilled_quantity"]),
        (&json!("partially_fulfilled"), &json!(1))
    );
    let problem = caller.ask(&format!("POST {path}/cancel")).await.refused(409, "order_not_cancellable");
    assert_eq!(problem["order_status"], "partially_fulfilled");
    caller.ask(&format!("POST {path}/confirm")).await.refused(409, "order_not_confirmable");
    caller.post(&format!("{path}/fulfill"), &some(4)).await.refused(409, "quantity_exceeded");
    let all = caller.ask(&format!("POST {path}/fulfill")).await.expect(200);
    assert_eq!((&all["status"], &all["items"][0]["fulfilled_quantity"]), (&json!("fulfilled"), &json!(4)));
    assert_eq!(caller.ask(&format!("POST {path}/fulfill")).await.expect(200), all);
    let returned = caller.post(&format!("{path}/returns"), &back(3)).await.expect(200);
    assert_eq!(returned["items"][0]["returned_quantity"], 3);
    caller.post(&format!("{path}/returns"), &back(2)).await.refused(409, "quantity_exceeded");
    assert_eq!(caller.get(&path).await.expect(200), returned);
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_partly_fulfilled_order_is_closed_short() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let order = ordered(caller, &product, json!({})).await;
    let path = format!("/orders/{order}");
    let close = format!("POST {path}/close");
    let some = |units: i64| json!({"items": [{"product_id": product, "quantity": units}]});
    for step in ["", "confirm"] {
        if !step.is_empty() {
            caller.ask(&format!("POST {path}/{step}")).await.expect(200);
        }
        let problem = caller.ask(&close).await.refused(409, "order_not_closable");
        let status = if step.is_empty() { "pending" } else { "confirmed" };
        assert_eq!(problem["order_status"], status);
        assert!(problem["detail"].as_str().unwrap().contains("cancel"), "{problem}");
    }
    caller.post(&format!("{path}/fulfill"), &some(1)).await.expect(200);
    let problem = caller.ask(&format!("POST {path}/cancel")).await.refused(409, "order_not_cancellable");
    assert!(problem["detail"].as_str().unwrap().contains("close"), "{problem}");
    let resource = format!("orders:{order}");
    let fenced = |number: i64| caller.with("x-lock-fence", format!("{resource}={number}"));
    let keyed = fenced(7).with("idempotency-key", "close-1");
    let closed = keyed.ask(&close).await.expect(200);
    assert_eq!(closed["status"], "fulfilled");
    assert_eq!((&closed["items"][0]["quantity"], &closed["items"][0]["fulfilled_quantity"]), (&json!(4), &json!(1)));
    let repeat = keyed.ask(&close).await;
    assert_eq!(repeat.headers["idempotency-replayed"], "true");
    assert_eq!(repeat.expect(200), closed);
    assert_eq!(caller.ask(&close).await.expect(200), closed, "once more is no change");
    assert_eq!(caller.get(&path).await.expect(200), closed);
    fenced(6).ask(&close).await.refused(409, "lock_lost");
    caller.ask(&format!("POST {path}/fulfill")).await.refused(409, "order_not_fulfillable");
    let level = caller.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    assert_eq!(
        (&level["quantity"], &level["reserved_quantity"], &level["shipped_quantity"]),
        (&json!(9), &json!(0), &json!(1))
    );
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

/// Every answer says where in the order of its levels' movements it stands, as the ledger has it.
#[tokio::test]
async fn answers_carry_the_versions_that_their_movements_took() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 20).await;
    let movements = format!("/stock-movements?product_id={product}&warehouse_id={warehouse}");
    let ledger = async || -> Vec<String> {
        let rows = caller.get(&movements).await.expect(200)["data"].as_array().unwrap().clone();
        rows.iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
    };
    let some = |units: i64| json!({"items": [{"product_id": product, "quantity": units}]});
    let back = json!({"items": [line(&product, &warehouse, 1)], "reason": "damaged"});
    let order = ordered(caller, &product, json!({})).await;
    let path = format!("/orders/{order}");
    let steps = [
        ("confirm", Value::Null, "reserved"),
        ("fulfill", some(1), "shipped"),
        ("fulfill", some(2), "shipped"),
        ("returns", back, "returned"),
        ("close", Value::Null, "released"),
        ("close", Value::Null, "released"),
    ];
    for (step, body, kind) in steps {
        let step = format!("{path}/{step}");
        let answer =
            if body.is_null() { caller.ask(&format!("POST {step}")).await } else { caller.post(&step, &body).await };
        let shown = answer.expect(200);
        let version = shown["items"][0]["allocations"][0]["last_version"].as_u64().unwrap();
        let kinds = ledger().await;
        assert_eq!((version, kinds.last().map(String::as_str)), (kinds.len() as u64, Some(kind)), "{step}");
        assert_eq!(caller.get(&path).await.expect(200), shown);
    }
    let called_off = ordered_again(caller, &product).await;
    let shown = caller.ask(&format!("POST /orders/{called_off}/cancel")).await.expect(200);
    assert_eq!(shown["items"][0]["allocations"][0]["last_version"], json!(ledger().await.len()));
    let wish = json!({"items": [line(&product, &warehouse, 4)], "ttl_seconds": 60});
    let held = caller.post("/reservations", &wish).await.made();
    let taken = ledger().await.len();
    let extended = caller.post(&format!("/reservations/{held}/extend"), &json!({"ttl_seconds": 600})).await.expect(200);
    assert_eq!(extended["items"][0]["last_version"], json!(taken), "nothing has moved");
    let part = json!({"items": [line(&product, &warehouse, 3)]});
    let shipped = caller.post(&format!("/reservations/{held}/confirm"), &part).await.expect(200);
    assert_eq!(shipped["items"][0]["last_version"], json!(taken + 2));
    assert_eq!(ledger().await[taken..], ["shipped", "released"]);
    let held = caller.post("/reservations", &wish).await.made();
    pass(&world).await;
    caller.ask(&format!("POST /reservations/{held}/release")).await.refused(409, "reservation_expired");
    let expired = caller.get(&format!("/reservations/{held}")).await.expect(200);
    assert_eq!(expired["items"][0]["last_version"], json!(ledger().await.len()));
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

async fn ordered_again(caller: &Caller, product: &str) -> String {
    let customer = caller.customer("C-2").await;
    let order = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 4}]});
    caller.post("/orders", &order).await.made()
}

#[tokio::test]
async fn an_order_may_be_content_with_less() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, _) = caller.stocked("SKU", 3).await;
    let order = ordered(caller, &product, json!({"allow_partial": true})).await;
    assert_eq!(caller.get(&format!("/orders/{order}")).await.expect(200)["items"][0]["quantity"], 3);
}

/// The service itself ends what is due, reservations and orders of all tenants.
#[tokio::test]
async fn what_is_due_is_swept() {
    let world = World::new().await;
    let mut due = Vec::new();
    for caller in [&world.one, &world.two] {
        let (product, warehouse) = caller.stocked("SKU", 10).await;
        let order = ordered(caller, &product, json!({"ttl_seconds": 60})).await;
        let wish = json!({"items": [line(&product, &warehouse, 4)], "ttl_seconds": 60});
        let held = caller.post("/reservations", &wish).await.made();
        due.extend([(caller, format!("/orders/{order}")), (caller, format!("/reservations/{held}"))]);
    }
    pass(&world).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let sweeping = tokio::spawn(kv_erp::sweep::keep_expiring(world.store.clone(), stop.clone()));
    for (caller, path) in due {
        let is_over = async || caller.get(&path).await.expect(200)["status"] == "expired";
        eventually(Duration::from_secs(20), is_over).await;
        assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
    }
    stop.cancel();
    sweeping.await.unwrap();
}

/// More reservations than one look finds contradict their level and stay due. What is due after them ends all the same.
#[tokio::test]
async fn what_cannot_be_ended_does_not_hide_what_can() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 10).await;
    let wish = json!({"items": [line(&product, &warehouse, 4)], "ttl_seconds": 60});
    let held = caller.post("/reservations", &wish).await.made();
    pass(&world).await;
    let superuser = world.database.connect().await.unwrap();
    let lies = format!(
        "insert into reservations (tenant_id, id, line, product_id, warehouse_id, quantity, status, level_version,
                last_version, expires_at, due_at)
         select {}, gen_random_uuid(), 1, '{product}', '{warehouse}', 1000000, 'pending', 1, 1, now() - interval '1 hour',
                now() - interval '1 hour' from generate_series(1, 700)",
        caller.tenant
    );
    superuser.batch_execute(&lies).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let sweeping = tokio::spawn(kv_erp::sweep::keep_expiring(world.store.clone(), stop.clone()));
    let path = format!("/reservations/{held}");
    eventually(Duration::from_secs(20), async || caller.get(&path).await.expect(200)["status"] == "expired").await;
    // It goes round: what becomes due at the head is found, too.
    let wish = json!({"items": [line(&product, &warehouse, 3)], "ttl_seconds": 60});
    let held = caller.post("/reservations", &wish).await.made();
    let first = format!(
        "update reservations set expires_at = now() - interval '2 hours', due_at = now() - interval '2 hours' where id = '{held}'"
    );
    superuser.batch_execute(&first).await.unwrap();
    let path = format!("/reservations/{held}");
    eventually(Duration::from_secs(20), async || caller.get(&path).await.expect(200)["status"] == "expired").await;
    stop.cancel();
    sweeping.await.unwrap();
}
