//! Webhooks from the order to the receiver: signed, retried, disabled, sent again; and what a bad receiver does to others.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kv_coord::JobQueue;
use kv_coord::lock::Epoch;
use kv_coord::queue::RetryPolicy;
use kv_erp::webhooks::{Reach, Secret};
use kv_erp::worker::{Worker, WorkerConfig};
use sandbox::testing::eventually;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::world::{Caller, World};

const SOON: Duration = Duration::from_mins(1);

/// A receiver that answers with what it is told to, and keeps what it got.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, status: Arc::new(AtomicU16::new(status)), got: Arc::default() };
        let router = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn got(&self) -> Vec<(HeaderMap, Bytes)> {
        self.got.lock().unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    receiver.got.lock().unwrap().push((headers, body));
    match receiver.status.load(Ordering::Relaxed) {
        303 => Redirect::to("/hook").into_response(),
        status => (StatusCode::from_u16(status).unwrap(), Json(json!({"seen": true}))).into_response(),
    }
}

/// A worker in this process, with short pauses, until it is dropped.
async fn work(world: &World, reach: Reach) -> DropGuard {
    let epoch = Epoch::new(world.store.next_lock_epoch().await.unwrap()).unwrap();
    let quick = RetryPolicy { base: Duration::from_millis(1), cap: Duration::from_millis(20) };
    let config = WorkerConfig { reach, webhook_retry: quick, schedules: Vec::new(), ..WorkerConfig::default() };
    let worker = Worker::new(world.store.clone(), JobQueue::in_process(epoch), config);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move { worker.run(&stopped).await });
    stop.drop_guard()
}

/// Somebody's goods, and how an order of them is placed.
struct Shop<'a> {
    caller: &'a Caller,
    order: Value,
}

impl<'a> Shop<'a> {
    async fn of(caller: &'a Caller) -> Self {
        let (product, _) = caller.stocked("hooked", 1_000).await;
        let customer = caller.customer("hooked").await;
        let order = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 1}]});
        Self { caller, order }
    }

    async fn hook(&self, url: &str, types: &[&str]) -> (String, String) {
        let body = json!({"url": url, "event_types": types});
        let made = self.caller.post("/webhook-endpoints", &body).await.expect(201);
        (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }

    async fn order(&self) -> String {
        self.caller.post("/orders", &self.order).await.made()
    }

    async fn deliveries(&self, endpoint: &str) -> Vec<Value> {
        let page = self.caller.get(&format!("/webhook-endpoints/{endpoint}/deliveries?limit=100")).await.expect(200);
        page["data"].as_array().unwrap().clone()
    }

    /// Waits until all deliveries of an endpoint, so many, are in a state.
    async fn all(&self, endpoint: &str, (count, state): (usize, &str)) -> Vec<Value> {
        eventually(SOON, || async {
            let deliveries = self.deliveries(endpoint).await;
            let is_so = deliveries.len() == count && deliveries.iter().all(|delivery| delivery["state"] == state);
            is_so.then_some(deliveries)
        })
        .await
    }
}

#[tokio::test]
async fn an_event_comes_signed_to_who_wants_it_and_to_nobody_else() {
    let world = World::new().await;
    let receiver = Receiver::start(200).await;
    let (shop, other) = (Shop::of(&world.one).await, Shop::of(&world.two).await);
    let (created, secret) = shop.hook(&receiver.url(), &["order.created"]).await;
    let (cancelled, _) = shop.hook(&receiver.url(), &["order.cancelled"]).await;
    let (foreign, _) = other.hook(&receiver.url(), &[]).await;
    let _working = work(&world, Reach::Anywhere).await;
    let order = shop.order().await;
    let sent = shop.all(&created, (1, "succeeded")).await;
    assert_eq!((&sent[0]["attempts"], &sent[0]["last_status"]), (&json!(1), &json!(200)));
    assert_eq!(sent[0]["last_answer"], r#"{"seen":true}"#);
    let got = receiver.got();
    let (headers, body) = &got[0];
    let event: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((&event["type"], &event["data"]["order_id"]), (&json!("order.created"), &json!(order)));
    assert!(event["data"]["order_number"].is_i64() && event["position"].is_i64());
    let header = |name: &str| headers[name].to_str().unwrap();
    assert_eq!((header("webhook-id"), header("content-type")), (event["id"].as_str().unwrap(), "application/json"));
    let sent_at: i64 = header("webhook-timestamp").parse().unwrap();
    assert!((jiff::Timestamp::now().as_second() - sent_at).abs() < 60);
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
    assert_eq!(header("webhook-signature"), Secret::of(key).sign(header("webhook-id"), sent_at, body));
    assert_eq!(got.len(), 1);
    assert!(shop.deliveries(&cancelled).await.is_empty() && other.deliveries(&foreign).await.is_empty());
    let shown = shop.caller.get(&format!("/webhook-endpoints/{created}")).await.expect(200);
    assert!(shown["secret"].is_null(), "a secret is shown once");
}

#[tokio::test]
async fn an_endpoint_that_fails_on_and_on_is_disabled_and_comes_back_when_it_is_mended() {
    let world = World::new().await;
    let receiver = Receiver::start(500).await;
    let shop = Shop::of(&world.one).await;
    let (endpoint, _) = shop.hook(&receiver.url(), &["order.created"]).await;
    let _working = work(&world, Reach::Anywhere).await;
    // Twelve attempts each: the fiftieth is the fifth one's.
    for _ in 0..6 {
        shop.order().await;
    }
    let failed = shop.all(&endpoint, (6, "failed")).await;
    let path = format!("/webhook-endpoints/{endpoint}");
    let shown = world.one.get(&path).await.expect(200);
    assert_eq!((&shown["state"], &shown["failures"]), (&json!("disabled"), &json!(50)));
    assert!(shown["disabled_reason"].as_str().unwrap().contains("50 attempts failed"), "{shown}");
    // Four may have been on their way, and as many have looked before the fiftieth was noted.
    assert!((50..=57).contains(&receiver.got().len()), "{}", receiver.got().len());
    let given_up = failed.iter().filter(|delivery| delivery["last_error"] == "the endpoint is disabled").count();
    assert!(given_up >= 1, "{failed:?}");
    // What happens while it is disabled is not sent, and the job is no dead letter.
    shop.order().await;
    assert_eq!(world.one.get("/jobs?state=dead").await.expect(200)["data"], json!([]));

    receiver.status.store(204, Ordering::Relaxed);
    let enable = world.one.with("if-match", "*").send(&format!("PATCH {path}"), &json!({"state": "enabled"})).await;
    assert_eq!(enable.expect(200)["failures"], 0);
    let delivery = failed[5]["id"].as_str().unwrap();
    let again = format!("{path}/deliveries/{delivery}/redeliver");
    assert_eq!(world.one.post(&again, &Value::Null).await.expect(200)["state"], "pending");
    eventually(SOON, || async {
        let deliveries = shop.deliveries(&endpoint).await;
        deliveries.iter().any(|seen| seen["id"] == delivery && seen["state"] == "succeeded").then_some(())
    })
    .await;
    let (first, last) = (receiver.got()[0].0.clone(), receiver.got().last().unwrap().0.clone());
    assert_eq!(first["webhook-id"].len(), last["webhook-id"].len());
}

#[tokio::test]
async fn a_receiver_that_hangs_keeps_nobody_else_waiting() {
    let world = World::new().await;
    // It accepts by the system's queue and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Receiver::start(200).await;
    let (shop, other) = (Shop::of(&world.one).await, Shop::of(&world.two).await);
    let (hanging, _) = shop.hook(&format!("http://{}/hook", silent.local_addr().unwrap()), &["order.created"]).await;
    let (fine, _) = shop.hook(&receiver.url(), &["order.created"]).await;
    let (foreign, _) = other.hook(&receiver.url(), &["order.created"]).await;
    let _working = work(&world, Reach::Anywhere).await;
    for _ in 0..40 {
        shop.order().await;
    }
    let order = other.order().await;
    // All three kinds of work end while the first four attempts at the silent one have not: they take 15 seconds.
    shop.all(&fine, (40, "succeeded")).await;
    other.all(&foreign, (1, "succeeded")).await;
    eventually(SOON, || async {
        let confirmed = other.caller.get(&format!("/orders/{order}/confirmation")).await;
        (confirmed.status == 200).then_some(())
    })
    .await;
    let waiting = shop.deliveries(&hanging).await;
    assert!(waiting.iter().all(|delivery| delivery["state"] == "pending"), "{waiting:?}");
    drop(silent);
}

#[tokio::test]
async fn nothing_is_sent_to_a_private_address_and_a_redirect_is_not_followed() {
    let world = World::new().await;
    let receiver = Receiver::start(303).await;
    let shop = Shop::of(&world.one).await;
    let by_name = format!("http://localhost:{}/hook", receiver.address.port());
    let (named, _) = shop.hook(&by_name, &["order.created"]).await;
    let (numbered, _) = shop.hook(&receiver.url(), &["order.created"]).await;
    {
        let _working = work(&world, Reach::Public).await;
        shop.order().await;
        for endpoint in [&named, &numbered] {
            let failed = shop.all(endpoint, (1, "failed")).await;
            let said = failed[0]["last_error"].as_str().unwrap();
            assert!(said.contains("no public address"), "{said}");
        }
        assert_eq!(receiver.got().len(), 0);
    }
    let _working = work(&world, Reach::Anywhere).await;
    shop.order().await;
    let path = format!("/webhook-endpoints/{numbered}/deliveries?state=failed");
    let failed = eventually(SOON, || async {
        let failed = world.one.get(&path).await.expect(200)["data"].as_array().unwrap().clone();
        (failed.len() == 2).then_some(failed)
    })
    .await;
    assert_eq!((&failed[0]["last_status"], &failed[0]["attempts"]), (&json!(303), &json!(12)));
    assert_eq!(failed[0]["last_error"], "the answer was 303");
}

#[tokio::test]
async fn endpoints_are_checked_and_bounded() {
    let world = World::new().await;
    for (body, pointer) in [
        (json!({"url": "ftp://example.com"}), "/url invalid_format"),
        (json!({"url": "https://user:secret@example.com"}), "/url invalid_format"),
        (json!({"url": "https://example.com", "event_types": ["order.gone"]}), "/event_types invalid_format"),
        (json!({"event_types": [7]}), "/event_types wrong_type"),
    ] {
        let refused = world.one.post("/webhook-endpoints", &body).await.refused(422, "validation_failed");
        let faults = crate::world::faults(&refused);
        assert!(faults.iter().any(|fault| fault == pointer), "{body}: {faults:?}");
    }
    let hook = json!({"url": "https://example.com/hook"});
    for _ in 0..20 {
        world.one.post("/webhook-endpoints", &hook).await.expect(201);
    }
    world.one.post("/webhook-endpoints", &hook).await.refused(409, "too_many_endpoints");
    world.two.post("/webhook-endpoints", &hook).await.expect(201);
    // A repeat is given the secret of the first, or who lost the answer could never verify.
    let keyed = world.two.with("idempotency-key", "hook");
    let (first, again) = (
        keyed.post("/webhook-endpoints", &hook).await.expect(201),
        keyed.post("/webhook-endpoints", &hook).await.expect(201),
    );
    assert_eq!(first, again);
    // Signs that no database takes are refused as everywhere.
    world
        .two
        .post("/webhook-endpoints", &json!({"url": "https://example.com/\u{0}"}))
        .await
        .refused(422, "validation_failed");
}
