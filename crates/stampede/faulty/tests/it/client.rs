//! A client with a connection of its own, and the servers it talks to.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use stampede_faulty::{Bug, Config, Server};
use tokio::net::TcpStream;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A limit and times that a test can wait for.
pub(crate) fn config() -> Config {
    Config { limit: 5, window: Duration::from_millis(400), redelivery: Duration::from_millis(50), ..Config::default() }
}

pub(crate) fn start(bug: Option<&Bug>, seed: u64) -> Server {
    Server::start(bug, seed, config()).unwrap()
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

pub(crate) struct Client {
    send: SendRequest<Full<Bytes>>,
    who: String,
    headers: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> i64 {
        self.headers[name].to_str().unwrap().parse().unwrap()
    }

    pub(crate) fn int(&self, field: &str) -> i64 {
        self.body[field].as_i64().unwrap_or_else(|| panic!("no {field}: {self:?}"))
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }
}

impl Client {
    /// Opens a connection for a user, written `<user>@<tenant>`.
    pub(crate) async fn open(url: &str, who: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (send, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { send, who: who.to_owned(), headers: Vec::new() }
    }

    /// Opens several of one user.
    pub(crate) async fn several(url: &str, who: &str, many: usize) -> Vec<Self> {
        let mut clients = Vec::new();
        for _ in 0..many {
            clients.push(Self::open(url, who).await);
        }
        clients
    }

    /// A header of the next request only.
    pub(crate) fn with(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, Value::Null).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, body).await
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        request = request.header("authorization", format!("Bearer {}", self.who));
        for (name, value) in self.headers.drain(..) {
            request = request.header(name, value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = request.body(Full::new(body)).unwrap();
        self.send.ready().await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.send.send_request(request)).await;
        let (head, body) = answer.expect("an answer in time").unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Makes a product with so many units.
    pub(crate) async fn product(&mut self, units: i64) -> String {
        let id = self.post("/products", json!({"sku": "s", "note": "n"})).await.text("id");
        if units > 0 {
            let received = self.post(&format!("/stock/{id}/receipts"), json!({"units": units})).await;
            assert_eq!(received.status, 201, "{received:?}");
        }
        id
    }

    pub(crate) async fn level(&mut self, product: &str) -> Answer {
        self.get(&format!("/stock/{product}")).await
    }

    pub(crate) async fn reserve(&mut self, product: &str, units: i64) -> Answer {
        self.post("/reservations", json!({"items": items(&[(product, units)])})).await
    }

    pub(crate) async fn order(&mut self, lines: &[(&str, i64)]) -> Answer {
        self.post("/orders", json!({"items": items(lines)})).await
    }
}

pub(crate) fn items(lines: &[(&str, i64)]) -> Value {
    lines.iter().map(|(product, units)| json!({"product_id": product, "units": units})).collect()
}

/// Lets every client do its work at the same time as the others.
pub(crate) async fn together<T, F>(clients: Vec<Client>, work: impl Fn(usize, Client) -> F) -> Vec<T>
where
    F: Future<Output = T>,
{
    join_all(clients.into_iter().enumerate().map(|(index, client)| work(index, client))).await
}

/// How many answers have this status.
pub(crate) fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Looks until it is so, or for so long that it never will be.
pub(crate) async fn becomes(client: &mut Client, path: &str, so: impl Fn(&Answer) -> bool, within: Duration) -> bool {
    let until = tokio::time::Instant::now() + within;
    loop {
        if so(&client.get(path).await) {
            return true;
        }
        if tokio::time::Instant::now() >= until {
            return false;
        }
    }
}
