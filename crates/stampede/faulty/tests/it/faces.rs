//! The HTTP face as a whole: who may ask, what is too much, what survives a client, how a server ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use stampede_faulty::{Server, all, by_id};

use crate::client::{Client, becomes, block_on, start};

fn exchange(url: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn whoever_does_not_say_who_is_told_so() {
    let server = start(None, 1);
    let unknown = exchange(&server.url(), "GET /products HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(unknown.starts_with("HTTP/1.1 401"), "{unknown}");
    let ready = exchange(&server.url(), "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
}

#[test]
fn what_is_too_large_or_makes_no_sense_is_refused() {
    let server = start(None, 1);
    block_on(async {
        let mut ann = Client::open(&server.url(), "ann@a").await;
        let large = "x".repeat(70_000);
        assert_eq!(ann.post("/products", json!({"note": large})).await.status, 413);
        let mut ann = Client::open(&server.url(), "ann@a").await;
        let product = ann.product(1).await;
        assert_eq!(ann.reserve(&product, 0).await.text("field"), "items");
        assert_eq!(ann.reserve("p-999999", 1).await.status, 404);
        assert_eq!(ann.get("/nowhere").await.status, 404);
        assert_eq!(ann.post(&format!("/stock/{product}/receipts"), json!({"units": -1})).await.status, 422);
    });
}

#[test]
fn another_tenants_rows_do_not_exist() {
    let server = start(None, 1);
    block_on(async {
        let mut ann = Client::open(&server.url(), "ann@a").await;
        let mut bob = Client::open(&server.url(), "bob@b").await;
        let product = ann.product(5).await;
        let held = ann.reserve(&product, 1).await.text("id");
        let order = ann.order(&[(&product, 1)]).await.text("id");
        for path in [
            format!("/products/{product}"),
            format!("/stock/{product}"),
            format!("/stock/{product}/movements"),
            format!("/stock?ids={product}"),
            format!("/reservations/{held}"),
            format!("/orders/{order}"),
        ] {
            assert_eq!(ann.get(&path).await.status, 200, "{path}");
            assert_eq!(bob.get(&path).await.body, json!({"code": "absent"}), "{path}");
        }
        assert_eq!(bob.reserve(&product, 1).await.status, 404);
        assert_eq!(bob.order(&[(&product, 1)]).await.status, 404);
        assert_eq!(bob.post(&format!("/reservations/{held}/release"), json!({})).await.status, 404);
    });
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_half_done() {
    let server = start(None, 1);
    block_on(async {
        let mut ann = Client::open(&server.url(), "ann@a").await;
        let product = ann.product(30).await;
        for _ in 0..30 {
            let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
            let body = format!(r#"{{"items":[{{"product_id":"{product}","units":1}}]}}"#);
            let head = "POST /reservations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ann@a\r\ncontent-length:";
            write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
            drop(stream);
        }
        let path = format!("/stock/{product}");
        let whole = |level: &crate::client::Answer| {
            assert_eq!(level.int("available") + level.int("reserved"), 30, "{level:?}");
            level.int("reserved") > 0
        };
        assert!(becomes(&mut ann, &path, whole, Duration::from_secs(10)).await);
        // A request whose body the server had not read is none; every other one is done, and no row stays locked.
        while ann.reserve(&product, 1).await.status == 201 {}
        let ledger = ann.get(&format!("{path}/movements?after=1")).await;
        assert_eq!(ledger.body["data"].as_array().unwrap().len(), 30);
    });
}

#[test]
fn several_servers_stand_side_by_side_and_end_when_dropped() {
    let servers = [start(None, 1), start(Some(&all()[0]), 1), start(by_id("double-grant"), 1)];
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    for url in &urls {
        assert!(TcpStream::connect(url.trim_start_matches("http://")).is_ok());
    }
    let [first, rest @ ..] = servers;
    first.stop();
    drop(rest);
    for url in &urls {
        assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err(), "{url} still listens");
    }
}

#[test]
fn a_voided_key_has_no_effect_and_a_used_one_cannot_be_voided() {
    let server = start(None, 1);
    block_on(async {
        let mut ann = Client::open(&server.url(), "ann@a").await;
        let product = ann.product(5).await;
        assert_eq!(ann.get("/idempotency/late").await.body, json!({"state": "absent"}));
        assert_eq!(ann.ask("DELETE", "/idempotency/late", json!(null)).await.status, 204);
        let late = ann.with("idempotency-key", "late").order(&[(&product, 1)]).await;
        assert_eq!((late.status, late.text("code")), (409, "voided".to_owned()));
        assert_eq!(ann.level(&product).await.int("available"), 5);

        let order = ann.with("idempotency-key", "used").order(&[(&product, 1)]).await.text("id");
        assert_eq!(ann.get(&format!("/orders/{order}")).await.text("id"), order);
        let known = ann.get("/idempotency/used").await;
        assert_eq!(known.body, json!({"state": "completed", "status": 201, "id": order}));
        assert_eq!(ann.ask("DELETE", "/idempotency/used", json!(null)).await.status, 409);
        let mut bob = Client::open(&server.url(), "bob@b").await;
        assert_eq!(bob.get("/idempotency/used").await.status, 404);
    });
}
