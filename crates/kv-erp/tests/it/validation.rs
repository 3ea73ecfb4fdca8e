//! Bad bodies: the status says what kind of badness, and every fault has its pointer.

use axum::body::Body;
use serde_json::{Value, json};

use crate::world::{World, faults};

const UNKNOWN: &str = "018f0000-0000-7000-8000-000000000000";

#[tokio::test]
async fn every_fault_of_a_catalogue_body_is_named() {
    let world = World::new().await;
    let long = "x".repeat(201);
    let cases: Vec<(&str, Value, Vec<&str>)> = vec![
        ("/customers", json!([]), vec![" wrong_type"]),
        ("/customers", json!({}), vec!["/code required", "/name required"]),
        ("/customers", json!({"code": null, "name": 1}), vec!["/code null_not_allowed", "/name wrong_type"]),
        ("/customers", json!({"code": "", "name": long}), vec!["/code blank", "/name too_long"]),
        (
            "/customers",
            json!({"code": "a\u{0}", "name": "\u{7f}"}),
            vec!["/code control_character", "/name control_character"],
        ),
        (
            "/customers",
            json!({"code": "a", "name": "b", "email": "b", "phone": 7}),
            vec!["/email invalid_format", "/phone wrong_type"],
        ),
        (
            "/customers",
            json!({"code": "a", "name": "b", "id": 1, "a/b~c": 2}),
            vec!["/a~1b~0c unknown_field", "/id unknown_field"],
        ),
        (
            "/products",
            json!({"sku": "a", "name": "b", "price_minor": -1, "currency": "eur"}),
            vec!["/price_minor out_of_range", "/currency invalid_format"],
        ),
        (
            "/products",
            json!({"sku": "a", "name": "b", "price_minor": 1.5, "currency": 3, "active": "yes", "uom": null}),
            vec!["/uom null_not_allowed", "/price_minor wrong_type", "/currency wrong_type", "/active wrong_type"],
        ),
        (
            "/products",
            json!({"sku": "a", "name": "b", "price_minor": 10_000_000_001_i64, "currency": "EURO"}),
            vec!["/price_minor out_of_range", "/currency invalid_format"],
        ),
        (
            "/warehouses",
            json!({"code": "a", "name": "b", "priority": 2_147_483_648_i64, "active": 1}),
            vec!["/priority out_of_range", "/active wrong_type"],
        ),
        ("/warehouses", json!({"code": "a", "name": "b", "priority": -1}), vec!["/priority out_of_range"]),
    ];
    for (path, body, wanted) in cases {
        let problem = world.one.post(path, &body).await.refused(422, "validation_failed");
        assert_eq!(faults(&problem), wanted, "{path} {body}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    for path in ["/customers", "/products", "/warehouses"] {
        assert_eq!(world.one.get(path).await.expect(200)["data"], json!([]), "a refused body made something");
    }
}

#[tokio::test]
async fn a_patch_is_checked_as_a_new_one_is() {
    let world = World::new().await;
    let customer = world.one.customer("C").await;
    let problem = world
        .one
        .with("if-match", "*")
        .send(
            &format!("PATCH /customers/{customer}"),
            &json!({"code": null, "email": "x", "phone": null, "version": 3}),
        )
        .await
        .refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/code null_not_allowed", "/email invalid_format", "/version unknown_field"]);
    assert_eq!(world.one.get(&format!("/customers/{customer}")).await.expect(200)["version"], 1);
}

#[tokio::test]
async fn every_fault_of_a_stock_body_is_named() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("A", 10).await;
    let line =
        |quantity: Value| json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": quantity}]});
    let long_list: Vec<Value> = (0..101).map(|_| json!({"product_id": product, "quantity": 1})).collect();
    let mut cases = vec![
        (json!({}), vec!["/items required"]),
        (json!({"items": null}), vec!["/items null_not_allowed"]),
        (json!({"items": {}}), vec!["/items wrong_type"]),
        (json!({"items": []}), vec!["/items too_few"]),
        (json!({"items": long_list}), vec!["/items too_many"]),
        (
            json!({"items": [7, {}]}),
            vec![
                "/items/0 wrong_type",
                "/items/1/product_id required",
                "/items/1/warehouse_id required",
                "/items/1/quantity required",
            ],
        ),
        (
            json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 1, "price": 1}], "reference": 5}),
            vec!["/items/0/price unknown_field", "/reference wrong_type"],
        ),
        (
            json!({"items": [{"product_id": "x", "warehouse_id": "y", "quantity": 1}]}),
            vec!["/items/0/product_id unknown_product", "/items/0/warehouse_id unknown_warehouse"],
        ),
        (
            json!({"items": [{"product_id": 1, "warehouse_id": true, "quantity": 1}]}),
            vec!["/items/0/product_id wrong_type", "/items/0/warehouse_id wrong_type"],
        ),
    ];
    for quantity in [json!(0), json!(-1), json!(1_000_001), json!(i64::MAX), json!(u64::MAX), json!(1e30)] {
        cases.push((line(quantity), vec!["/items/0/quantity out_of_range"]));
    }
    for quantity in [json!(1.5), json!("1"), json!([1]), json!(true)] {
        cases.push((line(quantity), vec!["/items/0/quantity wrong_type"]));
    }
    cases.push((line(Value::Null), vec!["/items/0/quantity null_not_allowed"]));
    for (body, wanted) in cases {
        let problem = world.one.post("/stock-receipts", &body).await.refused(422, "validation_failed");
        assert_eq!(faults(&problem), wanted, "{body}");
        // A reservation's warehouse may be left out; all else is the same.
        let wanted: Vec<_> = wanted.iter().filter(|fault| !fault.ends_with("warehouse_id required")).collect();
        let problem = world.one.post("/reservations", &body).await.refused(422, "validation_failed");
        assert_eq!(faults(&problem).iter().collect::<Vec<_>>(), wanted, "{body}");
    }
    let level = world.one.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    assert_eq!((&level["quantity"], &level["version"]), (&json!(10), &json!(1)), "a refused body moved stock");
}

#[tokio::test]
async fn unknown_references_are_named_all_at_once() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("A", 10).await;
    let customer = world.one.customer("C").await;
    let items = |product: &str| json!([{"product_id": product, "quantity": 1}]);

    let problem = world.one.post("/orders", &json!({"customer_id": UNKNOWN, "items": items(UNKNOWN)})).await;
    let problem = problem.refused(422, "unknown_customer");
    assert_eq!(faults(&problem), ["/customer_id unknown_customer", "/items/0/product_id unknown_product"]);
    let problem = world.one.post("/orders", &json!({"customer_id": "7", "items": items("8")})).await;
    let problem = problem.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/customer_id unknown_customer", "/items/0/product_id unknown_product"]);
    let problem = world.one.post("/orders", &json!({"customer_id": customer, "items": items(UNKNOWN)})).await;
    assert_eq!(faults(&problem.refused(422, "unknown_product")), ["/items/0/product_id unknown_product"]);

    for path in ["/stock-receipts", "/reservations"] {
        let lines = json!({"items": [
            {"product_id": product, "warehouse_id": warehouse, "quantity": 1},
            {"product_id": UNKNOWN, "warehouse_id": warehouse, "quantity": 1},
            {"product_id": product, "warehouse_id": UNKNOWN, "quantity": 1},
        ]});
        let problem = world.one.post(path, &lines).await.refused(422, "unknown_product");
        let wanted = ["/items/1/product_id unknown_product", "/items/2/warehouse_id unknown_warehouse"];
        assert_eq!(faults(&problem), wanted, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_told_apart_from_what_is_wrong() {
    let world = World::new().await;
    let good = r#"{"code":"C","name":"N"}"#;
    for (body, words) in [
        ("{\"code\":\"C\",\n  oops}", "line 2 column 3"),
        ("{\"code\":\"C\"", "line 1 column 11"),
        ("{\"code\":\"C\"} x", "line 1 column 14"),
        ("{\"code\":\"A\",\"code\":\"B\",\"name\":\"N\"}", "the key \"code\" stands twice"),
        ("\u{feff}{}", "line 1 column 1"),
    ] {
        let problem = world.one.send_raw("POST /customers", Some("application/json"), body).await;
        let problem = problem.refused(400, "invalid_json");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{body}: {problem:#}");
    }
    let deep = "[".repeat(100_000);
    world.one.send_raw("POST /customers", Some("application/json"), deep).await.refused(400, "invalid_json");
    world
        .one
        .send_raw("POST /customers", Some("application/json"), &b"{\"code\":\"\xff\"}"[..])
        .await
        .refused(400, "invalid_json");
    world.one.send_raw("POST /customers", Some("application/json"), Body::empty()).await.refused(400, "invalid_json");
    world.one.ask("POST /customers").await.refused(400, "invalid_json");
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")] {
        world.one.send_raw("POST /customers", kind, good).await.refused(415, "unsupported_media_type");
    }
    let huge = format!("{{\"code\":\"{}\"}}", "x".repeat(1024 * 1024));
    world.one.send_raw("POST /customers", Some("application/json"), huge).await.refused(413, "payload_too_large");
    let kind = "Application/JSON; charset=utf-8";
    world.one.send_raw("POST /customers", Some(kind), good).await.expect(201);
}

#[tokio::test]
async fn an_answer_lists_a_bounded_number_of_faults() {
    let world = World::new().await;
    let body: Value =
        (0..5_000).map(|number| (format!("field-{number}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let problem = world.one.post("/customers", &body).await.refused(422, "validation_failed");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 100);
    assert!(problem["detail"].as_str().unwrap().contains("5001 more faults"), "{}", problem["detail"]);
}

#[tokio::test]
async fn an_id_in_a_path_that_is_none_names_nothing() {
    let world = World::new().await;
    for path in [
        "/customers/7",
        "/products/%00",
        "/warehouses/%ff",
        "/stock-levels/x/y",
        "/reservations/018f0000-0000-7000-8000-00000000000g",
        "/orders/null",
    ] {
        world.one.get(path).await.refused(404, "not_found");
    }
}
