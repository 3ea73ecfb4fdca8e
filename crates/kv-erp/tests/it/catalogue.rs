//! Customers, products and warehouses: made, shown, changed, listed, deleted.

use serde_json::{Value, json};

use crate::world::{World, faults};

/// One resource's life: made with the least, made with all, changed, emptied, deleted.
struct Life {
    path: &'static str,
    least: Value,
    /// What `least` must show beside its own fields.
    defaults: Value,
    all: Value,
    change: Value,
    key: &'static str,
    duplicate: &'static str,
}

fn assert_includes(shown: &Value, wanted: &Value) {
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name} of {shown:#}");
    }
}

async fn live(life: Life) {
    let mut world = World::new().await;
    world.one = world.one.with("if-match", "*");
    let Life { path, least, defaults, all, change, key, duplicate } = life;

    let made = world.one.post(path, &least).await.expect(201);
    assert_includes(&made, &least);
    assert_includes(&made, &defaults);
    assert_eq!(made["version"], 1);
    assert_eq!(made["created_at"], made["updated_at"]);
    let id = world.one.post(path, &all).await.made();
    let one = format!("{path}/{id}");
    assert_includes(&world.one.get(&one).await.expect(200), &all);

    let changed = world.one.send(&format!("PATCH {one}"), &change).await.expect(200);
    assert_includes(&changed, &change);
    assert_eq!(changed["version"], 2);
    assert!(changed["updated_at"].as_str() > changed["created_at"].as_str(), "{changed:#}");
    for (name, value) in all.as_object().unwrap() {
        if change.get(name).is_none() {
            assert_eq!(&changed[name], value, "{name} was not to change");
        }
    }
    assert_eq!(world.one.send(&format!("PATCH {one}"), &json!({})).await.expect(200), changed, "no change, no version");
    assert_eq!(world.one.get(&one).await.expect(200), changed);

    let problem = world.one.post(path, &least).await.refused(409, duplicate);
    assert_eq!(faults(&problem), [format!("/{key} {duplicate}")]);
    world.one.send(&format!("PATCH {one}"), &json!({key: least[key]})).await.refused(409, duplicate);
    // Another tenant may use the same code.
    world.two.post(path, &least).await.expect(201);

    world.one.ask(&format!("DELETE {one}")).await.expect(204);
    world.one.ask(&format!("DELETE {one}")).await.refused(404, "not_found");
    world.one.get(&one).await.refused(404, "not_found");
    world.one.send(&format!("PATCH {one}"), &change).await.refused(404, "not_found");
    let rows = world.one.get(path).await.expect(200);
    assert_eq!((rows["data"].as_array().unwrap().len(), &rows["next_cursor"]), (1, &Value::Null));
}

#[tokio::test]
async fn customers_live() {
    live(Life {
        path: "/customers",
        least: json!({"code": "C-1", "name": "Ada"}),
        defaults: json!({"email": null, "phone": null}),
        all: json!({"code": "C-2", "name": "Bela", "email": "bela@example.com", "phone": "+36 1 555"}),
        change: json!({"name": "Béla", "email": null}),
        key: "code",
        duplicate: "duplicate_code",
    })
    .await;
}

#[tokio::test]
async fn products_live() {
    live(Life {
        path: "/products",
        least: json!({"sku": "S-1", "name": "Bolt", "price_minor": 0, "currency": "EUR"}),
        defaults: json!({"description": null, "uom": "unit", "active": true}),
        all: json!({"sku": "S-2", "name": "Nut", "description": "Two\nlines", "uom": "box", "price_minor": 10_000_000_000_i64,
            "currency": "CHF", "active": false}),
        change: json!({"price_minor": 17, "active": true, "description": null}),
        key: "sku",
        duplicate: "duplicate_sku",
    })
    .await;
}

#[tokio::test]
async fn warehouses_live() {
    live(Life {
        path: "/warehouses",
        least: json!({"code": "N", "name": "North"}),
        defaults: json!({"priority": 100, "active": true}),
        all: json!({"code": "S", "name": "South", "priority": 0, "active": false}),
        change: json!({"priority": 5, "active": true}),
        key: "code",
        duplicate: "duplicate_code",
    })
    .await;
}

#[tokio::test]
async fn what_is_in_use_cannot_be_deleted() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("A", 5).await;
    let customer = world.one.customer("C").await;
    let order = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 1}]});
    world.one.post("/orders", &order).await.expect(201);
    for path in [format!("/products/{product}"), format!("/warehouses/{warehouse}"), format!("/customers/{customer}")] {
        world.one.ask(&format!("DELETE {path}")).await.refused(409, "in_use");
        world.one.get(&path).await.expect(200);
    }
}

#[tokio::test]
async fn an_account_that_may_only_look_changes_nothing() {
    let world = World::new().await;
    let reader = world.caller_with("three", kv_store::access::Role::ReadOnly).await;
    reader.post("/customers", &json!({"code": "C", "name": "N"})).await.refused(403, "read_only");
    assert_eq!(reader.get("/customers").await.expect(200)["data"], json!([]));
}
