//! A worker beside the service that is killed as often, and somebody who wants to hear of everything: in the end each order has its
//! confirmation once, each step is told once, and each event has come at least once to who wanted it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sandbox::testing::eventually;
use sandbox::{Redis, RedisOptions, Session, Supervised};
use serde_json::json;
use tokio::net::TcpListener;

use super::super::client::Connection;
use super::super::rig::Rig;
use super::insistent::{Document, Kind, Known};

const DONE_WITHIN: Duration = Duration::from_mins(2);

/// What the jobs leave behind; regular ones come and go.
const OPEN_JOBS: &str = "select (select count(*) from jobs where state <> 'done' and kind in ('send_order_confirmation', 'deliver_webhook'))
      + (select count(*) from events where position is null)";
const STEPS: &str = "select data->>'order_id', type, count(*) from events where type like 'order.%' group by 1, 2";
const CONFIRMATIONS: &str = "select order_id::text, count(*) from order_confirmations group by 1";

pub(super) struct Neighbours {
    redis: Redis,
    worker: Supervised,
    receiver: Receiver,
}

/// Hears of events, and fails now and then behind having heard.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    heard: Arc<Mutex<BTreeMap<String, u32>>>,
    rng: Arc<Mutex<StdRng>>,
}

impl Receiver {
    async fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, rng) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(StdRng::seed_from_u64(seed))));
        let receiver = Self { address, heard: Arc::default(), rng };
        let router = Router::new().route("/", post(hear)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn heard(&self) -> BTreeMap<String, u32> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn hear(State(receiver): State<Receiver>, headers: HeaderMap) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    *receiver.heard.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
    let fails = receiver.rng.lock().unwrap_or_else(PoisonError::into_inner).random_ratio(1, 10);
    if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
}

impl Neighbours {
    pub(super) async fn start(rig: &Rig, seed: u64) -> Self {
        let redis = Redis::start(RedisOptions::default()).await.unwrap();
        let receiver = Receiver::start(seed).await;
        let mut connection = Connection::open(&rig.door()).await.unwrap();
        let hook = json!({"url": format!("http://{}/", receiver.address)});
        let (status, endpoint) = connection.post("/api/v1/webhook-endpoints", &hook).await.unwrap();
        assert_eq!(status, 201, "{endpoint}");
        let worker = rig.worker(&redis.url()).await;
        Self { redis, worker, receiver }
    }

    /// SIGKILL for the worker.
    pub(super) async fn kill(&self) {
        self.worker.kill().await;
    }

    pub(super) async fn restart(&mut self, rig: &Rig) {
        self.worker = rig.worker(&self.redis.url()).await;
    }

    /// Waits until all is done, and looks at what was.
    pub(super) async fn check(&self, rig: &Rig, documents: &[Document]) {
        let inside = rig.look_inside().await;
        eventually(DONE_WITHIN, async || {
            replay_dead(rig, &inside).await;
            let open: i64 = inside.query_one(OPEN_JOBS, &[]).await.unwrap().get(0);
            (open == 0).then_some(()).ok_or(open)
        })
        .await;
        check_steps(&inside, documents).await;
        let events = inside.query("select id::text from events", &[]).await.unwrap();
        let events: BTreeSet<String> = events.iter().map(|row| row.get(0)).collect();
        let heard = self.receiver.heard();
        assert_eq!(heard.keys().cloned().collect::<BTreeSet<_>>(), events, "each was heard, and nothing else");
        assert!(heard.values().any(|times| *times > 1), "nothing was ever sent again: {heard:?}");
    }
}

/// A job that has died with three workers is put aside, for it may be what killed them. Here somebody knows better.
async fn replay_dead(rig: &Rig, inside: &Session) {
    let dead = inside.query("select id::text, replays from jobs where state = 'dead'", &[]).await.unwrap();
    for job in dead {
        let (id, replays): (String, i32) = (job.get(0), job.get(1));
        let mut connection = Connection::open(&rig.door()).await.unwrap();
        let path = format!("/api/v1/jobs/{id}/replay");
        let (answer, _) = connection.post_once(&path, &json!(null), &format!("{id}-{replays}")).await.unwrap();
        assert_eq!(answer.0, 200, "{answer:?}");
    }
}

/// Each order that was made has one confirmation, and each of its steps was told once.
async fn check_steps(inside: &Session, documents: &[Document]) {
    let mut wanted = BTreeMap::new();
    let mut orders = BTreeMap::new();
    for document in documents.iter().filter(|document| document.kind == Kind::Order) {
        let Known::Made(id) = &document.known else { continue };
        orders.insert(id.clone(), 1_i64);
        let steps: &[&str] = match document.status {
            "pending" => &["order.created"],
            "confirmed" => &["order.created", "order.confirmed"],
            "fulfilled" => &["order.created", "order.confirmed", "order.fulfilled"],
            "cancelled" => &["order.created", "order.cancelled"],
            other => panic!("{other}"),
        };
        wanted.extend(steps.iter().map(|step| ((id.clone(), (*step).to_owned()), 1_i64)));
    }
    let found = inside.query(STEPS, &[]).await.unwrap();
    let mut found: BTreeMap<(String, String), i64> =
        found.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
    // An order may have been confirmed before it was called off.
    for (id, step) in wanted.keys().filter(|(_, step)| step == "order.cancelled") {
        if let Some(times) = found.remove(&(id.clone(), "order.confirmed".to_owned())) {
            assert_eq!(times, 1, "{id} {step}");
        }
    }
    assert_eq!(found, wanted);
    let confirmations = inside.query(CONFIRMATIONS, &[]).await.unwrap();
    let confirmations: BTreeMap<String, i64> = confirmations.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(confirmations, orders);
}
