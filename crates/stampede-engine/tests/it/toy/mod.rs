//! A small server that speaks the API of `targets/kv-erp.toml`, sound or with one planted fault.
//!
//! The sound one decides everything in one step without waiting in between; a faulty one waits where the fault is, as a database
//! round trip would, so that the race it opens is met in every run and not once in a while.
//! Absent on purpose: everything a row does not ask.

mod limits;
mod locks;
mod stock;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::oneshot;

pub(crate) use limits::Limits;
pub(crate) use locks::Locks;
pub(crate) use stock::Stock;

/// How long a faulty twin waits between looking and acting.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(3);

/// The one thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// A level is read, changed and written back without a lock.
    LostUpdate,
    /// The stock is checked, and taken later without a second look.
    Oversell,
    /// Units are taken from the level, but the ledger forgets some.
    ForgetfulLedger,
    /// The limit is 61.
    OffByOneLimit,
    /// The limiter looks first and counts later.
    CheckThenRecord,
    /// One counter for all tenants.
    SharedLimit,
    /// A refusal does not say when to come again.
    MissingHeaders,
    /// `Remaining` is rounded.
    DishonestRemaining,
    /// Two who find a lock free both get it.
    DoubleGrant,
    /// Every grant carries the same fencing number.
    StuckFence,
    /// Whoever asks can release.
    StrangerReleases,
    /// Tenants meet in one lock.
    SharedLocks,
    /// A lock nobody releases stays.
    NeverExpires,
    /// Every answer of the list is an error.
    FailingList,
}

/// A running server; it ends when dropped.
pub(crate) struct Toy {
    pub(crate) url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Toy {
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let local = tokio::task::LocalSet::new();
                local.run_until(serve(listener, fault, stopped)).await;
            });
        });
        Self { url, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Serves until `stopped` is dropped.
pub(crate) async fn serve(listener: TcpListener, fault: Fault, mut stopped: oneshot::Receiver<()>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let state = Rc::new(State::new(fault));
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            _ = &mut stopped => return,
        };
        stream.set_nodelay(true).unwrap();
        let state = Rc::clone(&state);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| answer(Rc::clone(&state), request));
            // A client that hangs up is none of the server's business.
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

pub(crate) struct State {
    pub(crate) fault: Fault,
    pub(crate) stock: RefCell<Stock>,
    pub(crate) limits: RefCell<Limits>,
    pub(crate) locks: Locks,
    made: RefCell<u64>,
}

impl State {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            stock: RefCell::default(),
            limits: RefCell::default(),
            locks: Locks::new(fault),
            made: RefCell::default(),
        }
    }

    pub(crate) fn new_id(&self) -> String {
        *self.made.borrow_mut() += 1;
        format!("id-{}", self.made.borrow())
    }
}

/// Who asks. A session's token is the user's address behind a word that no other token begins with.
pub(crate) struct User {
    pub(crate) email: String,
    pub(crate) tenant: u32,
}

pub(crate) type Answer = Response<Full<Bytes>>;

pub(crate) fn respond(status: StatusCode, body: &Value) -> Answer {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Response::builder().status(status).header("content-type", "application/json").body(Full::new(body)).unwrap()
}

async fn answer(state: Rc<State>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let bearer =
        head.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer session-"));
    let user =
        bearer.map(|email| User { email: email.to_owned(), tenant: if email.contains("rival") { 2 } else { 1 } });
    Ok(match (&head.method, parts.as_slice(), user) {
        (&Method::GET, ["readyz"], _) => respond(StatusCode::OK, &json!({})),
        (&Method::POST, ["api", "v1", "auth", "login"], _) => respond(
            StatusCode::OK,
            &json!({"token": format!("session-{}", json["email"].as_str().unwrap_or_default())}),
        ),
        (method, ["api", "v1", rest @ ..], Some(user)) => {
            let query = head.uri.query().unwrap_or("");
            let token = head.headers.get("x-lock-token").and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
            let asked = Asked { method: method.clone(), rest, query, json, token };
            within_limit(&state, &user, &asked).await
        }
        _ => respond(StatusCode::UNAUTHORIZED, &json!({"code": "unauthorized"})),
    })
}

/// A request behind login.
pub(crate) struct Asked<'a> {
    pub(crate) method: Method,
    pub(crate) rest: &'a [&'a str],
    pub(crate) query: &'a str,
    pub(crate) json: Value,
    pub(crate) token: String,
}

async fn within_limit(state: &State, user: &User, asked: &Asked<'_>) -> Answer {
    let decision = limits::decide(state, user).await;
    let answer = if decision.admitted {
        route(state, user, asked).await
    } else {
        respond(StatusCode::TOO_MANY_REQUESTS, &json!({"code": "rate_limited"}))
    };
    limits::with_headers(answer, &decision, state.fault)
}

async fn route(state: &State, user: &User, asked: &Asked<'_>) -> Answer {
    match (&asked.method, asked.rest) {
        (&Method::GET, ["customers"]) if state.fault == Fault::FailingList => {
            respond(StatusCode::INTERNAL_SERVER_ERROR, &json!({}))
        }
        (&Method::GET, ["customers"]) => respond(StatusCode::OK, &json!({"data": [], "next_cursor": null})),
        (&Method::POST, ["products" | "warehouses"]) => {
            respond(StatusCode::CREATED, &json!({"id": state.new_id(), "version": 1}))
        }
        (&Method::POST, ["stock-receipts"]) => stock::receive(state, &asked.json).await,
        (&Method::POST, ["reservations"]) => stock::reserve(state, &asked.json).await,
        (&Method::GET, ["stock-levels", product, warehouse]) => stock::level(state, (product, warehouse)),
        (&Method::GET, ["stock-movements"]) => stock::movements(state, asked.query),
        (method, ["locks", resource]) => locks::answer(state, user, method, resource, asked).await,
        _ => respond(StatusCode::NOT_FOUND, &json!({"code": "not_found"})),
    }
}
