//! Stock and orders: received, reserved, released, shipped, ordered.

use serde_json::{Value, json};

use crate::world::{Caller, World, faults};

async fn level(caller: &Caller, (product, warehouse): &(String, String)) -> Value {
    caller.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200)
}

/// Available, reserved, on hand, shipped, received.
fn counts(level: &Value) -> [i64; 5] {
    ["quantity", "reserved_quantity", "on_hand_quantity", "shipped_quantity", "received_quantity"]
        .map(|name| level[name].as_i64().unwrap())
}

fn reserve(key: &(String, String), quantity: i64) -> Value {
    json!({"items": [{"product_id": key.0, "warehouse_id": key.1, "quantity": quantity}]})
}

#[tokio::test]
async fn a_receipt_says_what_it_made_of_the_level() {
    let world = World::new().await;
    let key = world.one.stocked("A", 5).await;
    let line = |quantity: i64| json!({"product_id": key.0, "warehouse_id": key.1, "quantity": quantity});
    let body = json!({"items": [line(3), line(4)], "reference": "delivery 7"});
    let receipt = world.one.post("/stock-receipts", &body).await.expect(201);
    assert_eq!(receipt["reference"], "delivery 7");
    let items: Vec<_> = receipt["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (&item["quantity"], &item["quantity_after"], &item["version"]))
        .collect();
    assert_eq!(items, [(&json!(3), &json!(8), &json!(2)), (&json!(4), &json!(12), &json!(3))]);
    assert_eq!(counts(&level(&world.one, &key).await), [12, 0, 12, 0, 12]);
}

#[tokio::test]
async fn a_reservation_is_held_then_released_or_shipped_but_never_both() {
    let world = World::new().await;
    let key = world.one.stocked("A", 10).await;
    let mut body = reserve(&key, 4);
    body["reference"] = json!("basket 1");
    let made = world.one.post("/reservations", &body).await;
    let location = made.headers["location"].to_str().unwrap().to_owned();
    let made = made.expect(201);
    assert_eq!(
        (&made["status"], &made["order_id"], &made["reference"]),
        (&json!("pending"), &Value::Null, &json!("basket 1"))
    );
    let item = json!({"product_id": key.0, "warehouse_id": key.1, "quantity": 4, "fulfilled_quantity": 0, "returned_quantity": 0, "version": 2, "last_version": 2});
    assert_eq!(made["items"], json!([item]));
    assert_eq!(world.one.get(&location).await.expect(200), made);
    assert_eq!(counts(&level(&world.one, &key).await), [6, 4, 10, 0, 10]);

    let first = format!("/reservations/{}", made["id"].as_str().unwrap());
    let released = world.one.ask(&format!("POST {first}/release")).await.expect(200);
    assert_eq!((&released["status"], &released["items"][0]["last_version"]), (&json!("released"), &json!(3)));
    assert_eq!(world.one.ask(&format!("POST {first}/release")).await.expect(200), released, "again is no change");
    world.one.ask(&format!("POST {first}/confirm")).await.refused(409, "reservation_released");
    assert_eq!(counts(&level(&world.one, &key).await), [10, 0, 10, 0, 10]);

    let second = format!("/reservations/{}", world.one.post("/reservations", &reserve(&key, 7)).await.made());
    let shipped = world.one.ask(&format!("POST {second}/confirm")).await.expect(200);
    assert_eq!((&shipped["status"], &shipped["items"][0]["fulfilled_quantity"]), (&json!("fulfilled"), &json!(7)));
    assert_eq!((&shipped["items"][0]["version"], &shipped["items"][0]["last_version"]), (&json!(4), &json!(5)));
    assert_eq!(world.one.ask(&format!("POST {second}/confirm")).await.expect(200), shipped);
    world.one.ask(&format!("POST {second}/release")).await.refused(409, "reservation_already_fulfilled");
    let after = level(&world.one, &key).await;
    assert_eq!((counts(&after), &after["version"]), ([3, 0, 3, 7, 10], &json!(5)));
}

#[tokio::test]
async fn the_ledger_of_a_level_is_paged_without_a_gap() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("A", 1_000).await;
    let key = (product, warehouse);
    for _ in 0..6 {
        world.one.post("/reservations", &reserve(&key, 2)).await.made();
    }
    let path = format!("/stock-movements?product_id={}&warehouse_id={}&limit=3", key.0, key.1);
    let rows = world.one.walk(&path, async || ()).await;
    let versions: Vec<_> = rows.iter().map(|row| row["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        (&rows[0]["kind"], &rows[0]["d_received"], &rows[0]["quantity_after"]),
        (&json!("received"), &json!(1_000), &json!(1_000))
    );
    assert_eq!(
        (&rows[6]["kind"], &rows[6]["d_quantity"], &rows[6]["reserved_after"]),
        (&json!("reserved"), &json!(-2), &json!(12))
    );
    assert!(rows[6]["reservation_id"].is_string());
    let rest = world.one.get(&format!("{path}&after=5")).await.expect(200);
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["next_cursor"]), (2, &Value::Null));
}

#[tokio::test]
async fn short_stock_names_every_short_line_and_writes_nothing() {
    let world = World::new().await;
    let (plenty, few, none) =
        (world.one.stocked("P", 100).await, world.one.stocked("F", 3).await, world.one.product("N").await);
    let body = json!({"items": [
        {"product_id": plenty.0, "warehouse_id": plenty.1, "quantity": 100},
        {"product_id": few.0, "warehouse_id": few.1, "quantity": 2},
        {"product_id": none, "quantity": 1},
        {"product_id": few.0, "warehouse_id": few.1, "quantity": 2},
    ]});
    let problem = world.one.post("/reservations", &body).await.refused(409, "insufficient_stock");
    let errors: Vec<Value> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            json!([
                error["pointer"],
                error["product_id"],
                error["warehouse_id"],
                error["requested"],
                error["available"]
            ])
        })
        .collect();
    let wanted = [json!(["/items/1/quantity", few.0, few.1, 4, 3]), json!(["/items/2/quantity", none, null, 1, 0])];
    assert_eq!(errors, wanted, "the lines of one level are one demand");
    assert_eq!(level(&world.one, &plenty).await["version"], 1);
    assert_eq!(level(&world.one, &few).await["version"], 1);
}

/// Which warehouse gives how many of an order's first product, the most first.
fn allocations(order: &Value) -> Vec<(String, i64)> {
    let parts = order["items"][0]["allocations"].as_array().unwrap();
    let mut allocations: Vec<_> = parts
        .iter()
        .map(|part| (part["warehouse_id"].as_str().unwrap().to_owned(), part["quantity"].as_i64().unwrap()))
        .collect();
    allocations.sort_unstable_by_key(|(_, quantity)| -quantity);
    allocations
}

#[tokio::test]
async fn orders_are_found_by_their_reference_page_by_page() {
    let world = World::new().await;
    let (product, _) = world.one.stocked("A", 10).await;
    let customer = world.one.customer("C").await;
    let place = async |reference: &str| {
        let items = json!([{"product_id": product, "quantity": 1}]);
        let body = json!({"customer_id": customer, "items": items, "reference": reference});
        world.one.post("/orders", &body).await.made()
    };
    let wanted = [place("PO 7").await, place("PO 7").await];
    place("PO 77").await;
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = world.one.get("/orders?reference=PO%207").await.expect(200);
    assert_eq!(ids(&all), wanted);
    assert_eq!(
        (&all["data"][0]["items"][0]["quantity"], all["data"][1]["reservation_id"].is_string()),
        (&json!(1), true)
    );
    let first = world.one.get("/orders?reference=PO%207&limit=1").await.expect(200);
    let rest = format!("/orders?reference=PO%207&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = world.one.get(&rest).await.expect(200);
    assert_eq!([ids(&first), ids(&second)].concat(), wanted);
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(ids(&world.two.get("/orders?reference=PO%207").await.expect(200)), Vec::<String>::new());
    let refused = world.one.get("/orders?reference=a%0Ab&reference=b").await;
    assert_eq!(faults(&refused.refused(422, "validation_failed")), ["reference repeated"]);
}

#[tokio::test]
async fn an_order_takes_from_warehouses_by_their_priority_and_gives_back_when_called_off() {
    let world = World::new().await;
    let product = world.one.product("A").await;
    let (second, first) = (world.one.warehouse("second", 20).await, world.one.warehouse("first", 10).await);
    world.one.receive(&product, &second, 10).await;
    world.one.receive(&product, &first, 4).await;
    let customer = world.one.customer("C").await;
    let order = |quantity: i64| json!({"customer_id": customer, "items": [{"product_id": product, "quantity": quantity}], "reference": "PO 1"});

    // The first warehouse that has all of it gives all of it; when none has, they give by their priority.
    let whole =
        world.one.get(&format!("/orders/{}", world.one.post("/orders", &order(6)).await.made())).await.expect(200);
    assert_eq!(allocations(&whole), [(second.clone(), 6)]);
    let id = world.one.post("/orders", &order(7)).await.made();
    let shown = world.one.get(&format!("/orders/{id}")).await.expect(200);
    assert_eq!(
        (&shown["status"], &shown["currency"], &shown["total_minor"]),
        (&json!("pending"), &json!("EUR"), &json!(1_750))
    );
    assert_eq!((&shown["customer_id"], &shown["reference"]), (&json!(customer), &json!("PO 1")));
    assert!(shown["order_number"].as_i64() > whole["order_number"].as_i64());
    assert_eq!(shown["items"][0]["unit_price_minor"], 250);
    assert_eq!(allocations(&shown), [(first.clone(), 4), (second.clone(), 3)]);
    assert_eq!(counts(&level(&world.one, &(product.clone(), second.clone())).await), [1, 9, 10, 0, 10]);

    world.one.post("/orders", &order(2)).await.refused(409, "insufficient_stock");
    assert_eq!(world.one.ask(&format!("POST /orders/{id}/confirm")).await.expect(200)["status"], "confirmed");
    let reservation = shown["reservation_id"].as_str().unwrap();
    world
        .one
        .ask(&format!("POST /reservations/{reservation}/release"))
        .await
        .refused(409, "reservation_belongs_to_order");
    let cancelled = world.one.ask(&format!("POST /orders/{id}/cancel")).await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(world.one.ask(&format!("POST /orders/{id}/cancel")).await.expect(200), cancelled);
    world.one.ask(&format!("POST /orders/{id}/confirm")).await.refused(409, "order_not_confirmable");
    assert_eq!(counts(&level(&world.one, &(product, second)).await), [4, 6, 10, 0, 10]);
    assert_eq!(world.one.walk("/orders?limit=1", async || ()).await, [whole, cancelled]);
}

#[tokio::test]
async fn what_is_switched_off_is_not_reserved() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("A", 5).await;
    world
        .one
        .with("if-match", "*")
        .send(&format!("PATCH /products/{product}"), &json!({"active": false}))
        .await
        .expect(200);
    let problem =
        world.one.post("/reservations", &reserve(&(product, warehouse), 1)).await.refused(422, "inactive_product");
    assert_eq!(faults(&problem), ["/items/0/product_id inactive_product"]);
}

#[tokio::test]
async fn a_write_under_a_lost_lock_is_refused() {
    let world = World::new().await;
    let key = world.one.stocked("A", 10).await;
    let resource = format!("stock:product-{}", key.0);
    let fence = |number: i64| world.one.with("x-lock-fence", format!("{resource}={number}"));
    let granted = world.one.post(&format!("/locks/{resource}"), &json!({"ttl_ms": 30_000})).await.expect(201)["fence"]
        .as_i64()
        .unwrap();
    let held = fence(granted).post("/reservations", &reserve(&key, 1)).await.made();
    fence(granted + 1).post("/reservations", &reserve(&key, 1)).await.made();
    let problem = fence(granted).post("/reservations", &reserve(&key, 1)).await.refused(409, "lock_lost");
    assert_eq!(problem["resource"], json!(resource));
    fence(granted).ask(&format!("POST /reservations/{held}/release")).await.refused(409, "lock_lost");
    assert_eq!(counts(&level(&world.one, &key).await), [8, 2, 10, 0, 10]);
    // Another tenant's lock of the same name is another lock.
    let other = world.two.stocked("A", 10).await;
    world.two.with("x-lock-fence", format!("{resource}=1")).post("/reservations", &reserve(&other, 1)).await.made();
    let bad = world.one.with("x-lock-fence", "17").post("/reservations", &reserve(&key, 1)).await;
    assert_eq!(faults(&bad.refused(422, "validation_failed")), ["X-Lock-Fence invalid_format"]);
}

#[tokio::test]
async fn many_who_want_the_same_units_get_each_unit_once() {
    let world = World::new().await;
    let key = world.one.stocked("A", 25).await;
    let body = reserve(&key, 1);
    let answers = futures_util::future::join_all((0..60).map(|_| world.one.post("/reservations", &body))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let short = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((made, short), (25, 35));
    assert_eq!(counts(&level(&world.one, &key).await), [0, 25, 25, 0, 25]);
    assert_eq!(world.store.audit_stock(world.one.tenant).await.unwrap(), vec![]);
}
