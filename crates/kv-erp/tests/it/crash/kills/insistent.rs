//! Clients that do not take silence for an answer: each write bears a key and is repeated with it after a cut, a 503 or a refused
//! connection. Now and then one gives up instead and settles the key, after which what became of the write is known as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::client::{Answer, Connection};
use super::super::rig::{Door, Level};

const TOLD_WITHIN: Duration = Duration::from_mins(1);
const ASK_EVERY: Duration = Duration::from_millis(10);

/// What was made, or was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Order,
    Reservation,
    Receipt,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Order, Self::Reservation, Self::Receipt];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Order => "/api/v1/orders",
            Self::Reservation => "/api/v1/reservations",
            Self::Receipt => "/api/v1/stock-receipts",
        }
    }
}

/// What a client knows for certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It happened, under this id.
    Made(String),
    /// There was too little stock.
    Refused,
    /// The client gave up, and the key says that it never happened and never will.
    Void,
}

/// Something that a client asked for.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) kind: Kind,
    /// Its own, and its key.
    pub(super) reference: String,
    pub(super) level: usize,
    pub(super) units: i64,
    pub(super) known: Known,
    /// As its ends left it.
    pub(super) status: &'static str,
    /// Whether more than one request was sent for it or one of its ends.
    pub(super) was_repeated: bool,
    /// Whether the key was settled in place of a further repeat, and had been used.
    pub(super) was_given_up: bool,
}

pub(super) struct Crowd {
    answers: watch::Receiver<u64>,
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Document>>>,
}

impl Crowd {
    pub(super) async fn start(clients: u64, seed: u64, door: &Door, levels: &[Level]) -> Self {
        let mut connection = Connection::open(door).await.unwrap();
        let (status, customer) =
            connection.post("/api/v1/customers", &json!({"code": "c", "name": "C"})).await.unwrap();
        assert_eq!(status, 201, "{customer}");
        let (answered, answers) = watch::channel(0);
        let is_over = Arc::new(AtomicBool::new(false));
        let start = |number: u64| {
            let client = Client {
                door: door.clone(),
                connection: None,
                customer: customer["id"].clone(),
                levels: levels.into(),
                answered: answered.clone(),
                rng: StdRng::seed_from_u64(seed.wrapping_add(1 + number)),
                number,
                documents: Vec::new(),
                open: Vec::new(),
            };
            tokio::spawn(client.insist(Arc::clone(&is_over)))
        };
        let clients = (0..clients).map(start).collect();
        Self { answers, is_over, clients }
    }

    /// Returns when so many more writes were answered.
    pub(super) async fn answers(&mut self, more: u64) {
        let goal = *self.answers.borrow() + more;
        self.answers.wait_for(|answers| *answers >= goal).await.expect("the clients write on");
    }

    /// What everybody knows, when each has been told of what it is in.
    pub(super) async fn end(self) -> Vec<Document> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut documents = Vec::new();
        for client in self.clients {
            documents.extend(client.await.unwrap());
        }
        documents
    }
}

/// How a write came to its end.
enum Told {
    /// This is its answer.
    Answer(Answer),
    /// It was given up; it had made what is at this address, if it has one.
    Completed(Option<String>),
    /// It was given up and will never happen.
    Void,
}

struct Client {
    door: Door,
    connection: Option<Connection>,
    customer: Value,
    levels: Arc<[Level]>,
    answered: watch::Sender<u64>,
    rng: StdRng,
    number: u64,
    documents: Vec<Document>,
    /// Those that have an end ahead.
    open: Vec<usize>,
}

impl Client {
    async fn insist(mut self, is_over: Arc<AtomicBool>) -> Vec<Document> {
        while !is_over.load(Ordering::Relaxed) {
            match self.rng.random_range(0..10) {
                0..5 if !self.open.is_empty() => self.move_on().await,
                0 | 5 => self.make(Kind::Receipt).await,
                1 | 6 | 7 => self.make(Kind::Reservation).await,
                _ => self.make(Kind::Order).await,
            }
        }
        self.documents
    }

    async fn make(&mut self, kind: Kind) {
        let (level, units) = (self.rng.random_range(0..self.levels.len()), self.rng.random_range(1..4));
        let reference = format!("{kind:?}-{}-{}", self.number, self.documents.len());
        let mut body = json!({"items": [self.levels[level].line(units)], "reference": reference});
        if kind == Kind::Order {
            body["customer_id"] = self.customer.clone();
            body["items"] = json!([{"product_id": self.levels[level].product, "quantity": units}]);
        }
        let (told, was_repeated) = self.write(kind.path(), &body, &reference).await;
        let was_given_up = !matches!(told, Told::Answer(_));
        let known = match told {
            Told::Answer((201, body)) => Known::Made(body["id"].as_str().unwrap().to_owned()),
            Told::Answer((409, body)) if body["code"] == "insufficient_stock" => Known::Refused,
            Told::Answer(other) => panic!("{reference}: {other:?}"),
            Told::Completed(location) => {
                let location = location.expect("what was made has an address");
                let id = location.strip_prefix(&format!("{}/", kind.path())).expect("the address is of its kind");
                Known::Made(id.to_owned())
            }
            Told::Void => Known::Void,
        };
        if kind != Kind::Receipt && matches!(known, Known::Made(_)) {
            self.open.push(self.documents.len());
        }
        let status = "pending";
        self.documents.push(Document { kind, reference, level, units, known, status, was_repeated, was_given_up });
    }

    /// Brings one of the open documents to its next state.
    async fn move_on(&mut self) {
        let place = self.rng.random_range(0..self.open.len());
        let document = self.documents[self.open[place]].clone();
        let Known::Made(id) = &document.known else { unreachable!("only what was made is open") };
        let goes_on = self.rng.random_bool(0.5);
        let (step, status) = match (document.kind, document.status) {
            (Kind::Order, "confirmed") if goes_on => ("fulfill", "fulfilled"),
            (Kind::Order, "pending") if goes_on => ("confirm", "confirmed"),
            (Kind::Order, _) => ("cancel", "cancelled"),
            (_, _) if goes_on => ("confirm", "fulfilled"),
            (_, _) => ("release", "released"),
        };
        let path = format!("{}/{id}/{step}", document.kind.path());
        // A step that was given up and is void may be tried again, under another key.
        let key = format!("{}-{step}-{}", document.reference, self.rng.random::<u32>());
        let (told, was_repeated) = self.write(&path, &Value::Null, &key).await;
        let known = &mut self.documents[self.open[place]];
        known.was_repeated |= was_repeated;
        match told {
            Told::Answer((200, body)) => assert_eq!(body["status"], status, "{path}: {body}"),
            Told::Answer(other) => panic!("{path}: {other:?}"),
            Told::Completed(_) => {}
            Told::Void => return,
        }
        known.status = status;
        if status != "confirmed" {
            self.open.swap_remove(place);
        }
    }

    /// Asks until there is an answer, or until it gives up; and whether it asked more than once.
    async fn write(&mut self, path: &str, body: &Value, key: &str) -> (Told, bool) {
        let deadline = Instant::now() + TOLD_WITHIN;
        let mut asks = interval(ASK_EVERY);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut requests = 0;
        loop {
            asks.tick().await;
            assert!(Instant::now() < deadline, "{path} under {key} was not answered");
            let Some(connection) = self.connected().await else { continue };
            requests += 1;
            match connection.post_once(path, body, key).await {
                Ok((answer, _)) if !is_open(&answer) => {
                    self.answered.send_modify(|answers| *answers += 1);
                    return (Told::Answer(answer), requests > 1);
                }
                Ok(_) => {}
                Err(_) => self.connection = None,
            }
            if self.rng.random_ratio(1, 4) {
                return (self.settle(key, deadline).await, true);
            }
        }
    }

    /// Has the key settled, so that nothing happens behind the client's back.
    async fn settle(&mut self, key: &str, deadline: Instant) -> Told {
        let mut asks = interval(ASK_EVERY);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            asks.tick().await;
            assert!(Instant::now() < deadline, "{key} was not settled");
            let Some(connection) = self.connected().await else { continue };
            match connection.delete(&format!("/api/v1/idempotency/{key}")).await {
                Ok((200, record)) if record["state"] == "void" => return Told::Void,
                Ok((200, record)) if record["state"] == "completed" => {
                    return Told::Completed(record["location"].as_str().map(str::to_owned));
                }
                Ok(answer) if is_open(&answer) => {}
                Ok(other) => panic!("{key}: {other:?}"),
                Err(_) => self.connection = None,
            }
        }
    }

    async fn connected(&mut self) -> Option<&mut Connection> {
        if self.connection.is_none() {
            self.connection = Connection::open(&self.door).await.ok();
        }
        self.connection.as_mut()
    }
}

/// Whether an answer leaves the caller to ask again.
fn is_open((status, body): &Answer) -> bool {
    *status == 503 || (*status == 409 && body["code"] == "idempotency_in_flight")
}
