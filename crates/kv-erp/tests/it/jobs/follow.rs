//! Events as their tenant reads them: which there are, in which order, and that a low level is told of once.

use serde_json::{Value, json};

use crate::world::{Caller, World};

async fn told(world: &World, caller: &Caller, after: i64) -> (Vec<Value>, i64) {
    while world.store.place_events(1_000).await.unwrap() > 0 {}
    let page = caller.get(&format!("/events?after={after}&limit=100")).await.expect(200);
    assert_eq!(page["has_more"], false);
    (page["data"].as_array().unwrap().clone(), page["next_after"].as_i64().unwrap())
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_steps_of_an_order_are_told_in_their_order() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("p", 10).await;
    let customer = world.one.customer("c").await;
    let order = |units: i64| json!({"customer_id": customer, "reference": "R", "items": [{"product_id": product, "quantity": units}]});
    let one = json!({"items": [{"product_id": product, "quantity": 1}]});
    let id = world.one.post("/orders", &order(3)).await.made();
    for (step, body) in
        [("confirm", Value::Null), ("confirm", Value::Null), ("fulfill", one.clone()), ("fulfill", Value::Null)]
    {
        world.one.post(&format!("/orders/{id}/{step}"), &body).await.expect(200);
    }
    let back =
        json!({"reason": "broken", "items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 1}]});
    world.one.post(&format!("/orders/{id}/returns"), &back).await.expect(200);
    let other = world.one.post("/orders", &order(1)).await.made();
    world.one.post(&format!("/orders/{other}/cancel"), &Value::Null).await.expect(200);
    let (events, next) = told(&world, &world.one, 0).await;
    let expected = [
        "order.created",
        "order.confirmed",
        "order.partially_fulfilled",
        "order.fulfilled",
        "order.returned",
        "order.created",
        "order.cancelled",
    ];
    assert_eq!(types(&events), expected);
    assert!(events.iter().map(|event| event["position"].as_i64().unwrap()).is_sorted_by(|a, b| a < b));
    let first = &events[0]["data"];
    assert_eq!(
        (&first["order_id"], &first["reference"], &first["total_minor"]),
        (&json!(id), &json!("R"), &json!(750))
    );
    assert_eq!(
        told(&world, &world.one, next).await,
        (Vec::new(), next),
        "a reader that has read all stays where it is"
    );
    let created = world.one.get("/events?type=order.created&limit=1").await.expect(200);
    assert_eq!((&created["data"][0]["id"], &created["has_more"]), (&events[0]["id"], &json!(true)));
    world.one.get("/events?type=order.gone").await.refused(422, "validation_failed");
    assert_eq!(told(&world, &world.two, 0).await.0, Vec::<Value>::new());
    // What a refused batch would have told is not told.
    let batch = json!({"mode": "atomic", "items": [order(1), order(99)]});
    world.one.post("/orders/batch", &batch).await.refused(409, "batch_refused");
    assert_eq!(told(&world, &world.one, next).await.0, Vec::<Value>::new());
}

#[tokio::test]
async fn a_level_that_falls_to_its_reorder_point_is_told_of_once() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("p", 10).await;
    let path = format!("/stock-levels/{product}/{warehouse}/reorder-point");
    assert_eq!(world.one.get(&path).await.expect(200)["reorder_point"], Value::Null);
    let set = world.one.send(&format!("PUT {path}"), &json!({"reorder_point": 6})).await.expect(200);
    assert_eq!((&set["reorder_point"], &set["quantity"]), (&json!(6), &json!(10)));
    let reserve = async |units: i64| {
        let body = json!({"items": [{"product_id": product, "quantity": units}]});
        world.one.post("/reservations", &body).await.made()
    };
    reserve(3).await;
    assert_eq!(told(&world, &world.one, 0).await.0, Vec::<Value>::new(), "seven are more than six");
    let held = reserve(1).await;
    let (events, next) = told(&world, &world.one, 0).await;
    assert_eq!(types(&events), ["stock.low"]);
    let low = &events[0]["data"];
    assert_eq!((&low["quantity"], &low["on_hand_quantity"], &low["reorder_point"]), (&json!(6), &json!(10), &json!(6)));
    assert_eq!((&low["product_id"], &low["warehouse_id"]), (&json!(product), &json!(warehouse)));
    reserve(2).await;
    assert_eq!(told(&world, &world.one, next).await.0, Vec::<Value>::new(), "it was low before");
    world.one.receive(&product, &warehouse, 5).await;
    world.one.post(&format!("/reservations/{held}/release"), &Value::Null).await.expect(200);
    reserve(5).await;
    assert_eq!(types(&told(&world, &world.one, next).await.0), ["stock.low"], "it rose, and fell again");
    world.one.send(&format!("PUT {path}"), &json!({})).await.refused(422, "validation_failed");
    world.one.send(&format!("PUT {path}"), &json!({"reorder_point": -1})).await.refused(422, "validation_failed");
    assert_eq!(
        world.one.send(&format!("PUT {path}"), &json!({"reorder_point": null})).await.expect(200)["reorder_point"],
        Value::Null
    );
}

#[tokio::test]
async fn a_reservation_whose_time_is_over_is_told_of() {
    let world = World::new().await;
    let (product, _) = world.one.stocked("p", 2).await;
    let body = json!({"items": [{"product_id": product, "quantity": 2}], "ttl_seconds": 60});
    let held = world.one.post("/reservations", &body).await.made();
    let superuser = kv_store::admin::connect(&world.database.url().parse().unwrap()).await.unwrap();
    superuser.batch_execute("update reservations set expires_at = now(), due_at = now()").await.unwrap();
    // Somebody needs the units, and takes them.
    world.one.post("/reservations", &body).await.made();
    let (events, _) = told(&world, &world.one, 0).await;
    assert_eq!(types(&events), ["reservation.expired"]);
    assert_eq!(
        (&events[0]["data"]["reservation_id"], &events[0]["data"]["items"][0]["quantity"]),
        (&json!(held), &json!(2))
    );
}
