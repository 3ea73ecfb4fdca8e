//! Exports: whole tables, page by page, and never a part that passes for the whole.

use std::collections::HashSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use kv_erp::app::HttpSettings;
use sandbox::testing::eventually;
use serde_json::json;
use tokio::net::TcpStream;

use crate::service::{Backend, app, serve};
use crate::world::{Caller, World};

/// The rows of an export, without their quotes: no cell here has a comma or a line end in it.
async fn export(caller: &Caller, path: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let answer = caller.get(path).await;
    let kind = path.trim_start_matches("/exports/").split('?').next().unwrap();
    let disposition = answer.headers["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, format!("attachment; filename=\"{kind}.csv\""));
    let text = answer.expect(200);
    let mut lines = text.as_str().unwrap().split("\r\n").map(|line| line.split(',').map(str::to_owned).collect());
    let header: Vec<String> = lines.next().unwrap();
    let mut rows: Vec<Vec<String>> = lines.collect();
    assert_eq!(rows.pop(), Some(vec![String::new()]), "the last row ends with a line end");
    assert!(rows.iter().all(|row| row.len() == header.len()), "{rows:?}");
    (header, rows)
}

#[tokio::test]
async fn every_row_of_every_page_is_there_once() {
    let world = World::new().await;
    let superuser = world.database.connect().await.unwrap();
    let fill = "insert into customers (tenant_id, id, code, name)
        select $1, gen_random_uuid(), 'c-' || n, 'N' from generate_series(1, $2) n";
    for (caller, count) in [(&world.one, 2_000), (&world.two, 2_345)] {
        superuser.execute(fill, &[&caller.tenant.get(), &count]).await.unwrap();
        let (header, rows) = export(caller, "/exports/customers").await;
        assert_eq!(header[..3], ["id", "code", "name"]);
        let codes: HashSet<&String> = rows.iter().map(|row| &row[1]).collect();
        assert_eq!((rows.len(), codes.len()), (count as usize, count as usize));
        assert!(rows.is_sorted(), "in the order of the ids");
    }
}

/// Numbers in the order of numbers: as texts, 10 comes before 9, and a page that begins behind 9 misses it.
#[tokio::test]
async fn a_long_ledger_is_there_version_by_version() {
    let world = World::new().await;
    let one = &world.one;
    let (product, warehouse) = one.stocked("hot", 1).await;
    let line = json!({"product_id": product, "warehouse_id": warehouse, "quantity": 1});
    let receipts = vec![json!({"items": vec![line; 100]}); 20];
    for _ in 0..2 {
        one.post("/stock-receipts/batch", &json!({"mode": "atomic", "items": receipts})).await.expect(201);
    }
    let (_, rows) = export(one, "/exports/stock-movements").await;
    let versions: Vec<i64> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
    assert_eq!(versions, (1..=4_001).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_file_shows_what_the_interface_shows() {
    let world = World::new().await;
    let one = &world.one;
    let (product, warehouse) = one.stocked("hot", 10).await;
    let buyer = one.customer("c").await;
    let items = json!([{"product_id": product, "quantity": 4}]);
    let order =
        one.post("/orders", &json!({"customer_id": buyer, "items": items, "reference": "=r"})).await.expect(201);
    let level = one.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    let (header, rows) = export(one, "/exports/stock-levels").await;
    for (name, cell) in header.iter().zip(&rows[0]) {
        let shown = match &level[name] {
            serde_json::Value::Null => if name == "sku" { "hot" } else { "W-hot" }.to_owned(),
            serde_json::Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        assert_eq!(cell, &shown, "{name}");
    }
    let (header, rows) = export(one, "/exports/orders").await;
    let of = |name: &str| rows[0][header.iter().position(|each| each == name).unwrap()].clone();
    assert_eq!(of("order_id"), order["id"]);
    assert_eq!(of("order_number"), order["order_number"].to_string());
    assert_eq!((of("line"), of("quantity"), of("reference")), ("1".to_owned(), "4".to_owned(), "=r".to_owned()));
    assert_eq!(of("created_at"), order["created_at"]);
    let (_, rows) = export(one, "/exports/stock-movements").await;
    assert_eq!(rows.iter().map(|row| row[3].as_str()).collect::<Vec<_>>(), ["received", "reserved"]);
    assert_eq!(export(one, "/exports/warehouses").await.1.len(), 1);
    assert_eq!(export(one, "/exports/products").await.1[0][..2], [product, "hot".to_owned()]);
}

#[tokio::test]
async fn formulas_are_disarmed_when_that_is_asked_and_cells_are_quoted() {
    let world = World::new().await;
    let one = &world.one;
    let body = json!({"code": "-1", "name": "=cmd|'x',\"y\"", "phone": "+44 20"});
    one.post("/customers", &body).await.made();
    let raw = one.get("/exports/customers").await.expect(200);
    assert!(raw.as_str().unwrap().contains(",-1,\"=cmd|'x',\"\"y\"\"\",,+44 20,1,"), "{raw}");
    let disarmed = one.get("/exports/customers?spreadsheet=true").await.expect(200);
    assert!(disarmed.as_str().unwrap().contains(",'-1,\"'=cmd|'x',\"\"y\"\"\",,'+44 20,1,"), "{disarmed}");
    // A movement's minus is a number's.
    one.stocked("p", 1).await;
    one.get("/exports/stock-movements?spreadsheet=true").await.expect(200);
    one.get("/exports/customers?spreadsheet=yes").await.refused(422, "validation_failed");
    one.get("/exports/customers?sort=x").await.refused(422, "validation_failed");
    one.get("/exports/cats").await.refused(404, "not_found");
}

/// More than the sockets between the two hold: some 40 MB.
async fn fill_products(world: &World) {
    let superuser = world.database.connect().await.unwrap();
    let fill = "insert into products (tenant_id, id, sku, name, description, price_minor, currency)
        select $1, gen_random_uuid(), 'p-' || n, 'P', repeat('x', 4000), 1, 'EUR' from generate_series(1, 10000) n";
    superuser.execute(fill, &[&world.one.tenant.get()]).await.unwrap();
}

#[tokio::test]
async fn an_export_that_breaks_off_is_no_whole_body() {
    let world = World::new().await;
    fill_products(&world).await;
    let (address, _, _) = serve(app(&world.store, Backend::InProcess, HttpSettings::default()).await);
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/api/v1/exports/products")
        .header("host", "x")
        .header("authorization", format!("Bearer {}", world.one.token()))
        .body(Body::empty())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["transfer-encoding"]), (200, &"chunked".parse().unwrap()));
    let mut body = answer.into_body();
    let mut seen = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    let superuser = world.database.connect().await.unwrap();
    superuser.batch_execute("alter table products rename to gone").await.unwrap();
    let broken = loop {
        match body.frame().await {
            Some(Ok(frame)) => seen += frame.into_data().map_or(0, |data| data.len()),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(broken, "{seen} bytes passed for the whole");
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_reading() {
    let world = World::new().await;
    fill_products(&world).await;
    let ask = || async {
        let request = Request::get("/api/v1/exports/products")
            .header("authorization", format!("Bearer {}", world.one.token()))
            .body(Body::empty())
            .unwrap();
        tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap()
    };
    let mut open = Vec::new();
    for _ in 0..4 {
        let answer = ask().await;
        assert_eq!(answer.status().as_u16(), 200);
        open.push(answer.into_body());
    }
    world.one.get("/exports/products").await.refused(503, "overloaded");
    assert_eq!(world.two.get("/exports/products").await.status, 200, "others have their share");
    open.truncate(3);
    eventually(Duration::from_secs(20), async || ask().await.status().as_u16() == 200).await;
}
