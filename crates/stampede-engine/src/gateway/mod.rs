//! An HTTP face for Redis and PostgreSQL, so that what has none (a lock made of `SET NX`, a queue made of `SKIP LOCKED`) can be bound
//! and checked like any API.
//!
//! `POST /redis` takes a command as a list, `POST /sql` a statement with its parameters or a list of them for one transaction; an
//! answer's status tells what a check must tell apart: 200 something, 404 nothing (a nil, no row), 409 refused by the data's own
//! rules, 422 a mistake in the command, 503 no answer.
//!
//! Invariants: each HTTP connection has one connection of its own to each server, made when it is first needed, so that a client of
//! a check is one session there; commands of a connection run one after the other; loopback only.
//! Absent on purpose: pooling, retries and transactions over several requests.

mod answer;
mod postgres;
mod redis;
mod value;

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

use answer::Answer;

/// Connections at once; the next one waits in the kernel's queue.
const CONNECTIONS_MAX: usize = 2_048;
/// Largest body of a request.
const BODY_MAX: usize = 1 << 20;
/// How long to wait when no connection can be taken, so that running out of files is not a busy loop.
const NO_FILE_LEFT: Duration = Duration::from_millis(10);

/// The servers behind the gateway.
#[derive(Clone, Debug, Default)]
pub struct Behind {
    redis: Option<::redis::Client>,
    postgres: Option<tokio_postgres::Config>,
}

/// A server's URL that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{option}: this is no address of a {server}\nhint: write it as {form}")]
pub struct BadAddress {
    option: &'static str,
    server: &'static str,
    form: &'static str,
}

impl Behind {
    /// Reads the servers' URLs. Their own words for what is wrong might repeat a password, so they are not shown.
    ///
    /// # Errors
    /// [`BadAddress`] names the one that cannot be read.
    pub fn parse(redis: Option<&str>, postgres: Option<&str>) -> Result<Self, BadAddress> {
        let bad = |option, server, form| BadAddress { option, server, form };
        let redis = redis.map(::redis::Client::open).transpose();
        let postgres = postgres.map(str::parse).transpose();
        Ok(Self {
            redis: redis.map_err(|_| bad("--redis", "Redis", "redis://:password@host:6379/0"))?,
            postgres: postgres
                .map_err(|_| bad("--postgres", "PostgreSQL", "postgres://user:password@host:5432/database"))?,
        })
    }

    /// Whether nothing is behind it.
    pub fn is_empty(&self) -> bool {
        self.redis.is_none() && self.postgres.is_none()
    }
}

/// Serves until the future is dropped. Runs on one thread, within a [`tokio::task::LocalSet`].
///
/// # Cancel safety
/// Dropping it closes every connection; a statement that PostgreSQL has read may still be carried out.
pub async fn serve(listener: TcpListener, behind: Behind) -> io::Result<()> {
    let behind = Rc::new(behind);
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let seat = Arc::clone(&seats).acquire_owned().await.map_err(io::Error::other)?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = serve_connection(stream, Rc::clone(&behind));
                spawn_local(async move {
                    served.await;
                    drop(seat);
                });
            }
            Err(_) => tokio::time::sleep(NO_FILE_LEFT).await,
        }
    }
}

/// One HTTP connection, and its own connections to the servers.
struct Seat {
    behind: Rc<Behind>,
    redis: RefCell<Option<redis::Session>>,
    postgres: RefCell<Option<postgres::Session>>,
}

async fn serve_connection(stream: TcpStream, behind: Rc<Behind>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let seat = Rc::new(Seat { behind, redis: RefCell::default(), postgres: RefCell::default() });
    let service = service_fn(move |request| {
        let seat = Rc::clone(&seat);
        async move { Ok::<_, Infallible>(respond(&seat, request).await) }
    });
    // A client that hangs up is none of the gateway's business.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn respond(seat: &Seat, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let answer = match (&head.method, head.uri.path()) {
        (&Method::GET, "/readyz") => seat.is_ready().await,
        (&Method::POST, path @ ("/redis" | "/sql")) => match read(body).await {
            Err(answer) => answer,
            Ok(body) if path == "/redis" => seat.redis(&body).await,
            Ok(body) => seat.sql(&body).await,
        },
        _ => Answer::mistake("there are GET /readyz, POST /redis and POST /sql"),
    };
    answer.into_response()
}

async fn read(body: Incoming) -> Result<Value, Answer> {
    let body = Limited::new(body, BODY_MAX).collect().await;
    let body = body.map_err(|_| Answer::mistake(format!("the body is longer than {BODY_MAX} bytes or broke off")))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| Answer::mistake(format!("the body is no JSON: {error}")))
}

impl Seat {
    async fn is_ready(&self) -> Answer {
        let mut answers = Vec::new();
        if self.behind.redis.is_some() {
            answers.push(self.redis(&json!(["PING"])).await);
        }
        if self.behind.postgres.is_some() {
            answers.push(self.sql(&json!({"text": "select 1"})).await);
        }
        let not_ready = answers.into_iter().find(|answer| !answer.is_ok());
        not_ready.unwrap_or_else(|| Answer::ok(json!({"ready": true})))
    }

    async fn redis(&self, body: &Value) -> Answer {
        let Some(client) = &self.behind.redis else {
            return Answer::mistake("no Redis is behind this gateway: start it with --redis");
        };
        let command = match redis::command(body) {
            Ok(command) => command,
            Err(answer) => return answer,
        };
        // Taken out, so that a request that is given up takes its connection along.
        let kept = self.redis.borrow_mut().take();
        let session = match kept {
            Some(session) => Ok(session),
            None => redis::Session::open(client).await,
        };
        let mut session = match session {
            Ok(session) => session,
            Err(answer) => return answer,
        };
        let answer = session.run(command, body).await;
        if !answer.is_broken() {
            *self.redis.borrow_mut() = Some(session);
        }
        answer
    }

    async fn sql(&self, body: &Value) -> Answer {
        let Some(config) = &self.behind.postgres else {
            return Answer::mistake("no PostgreSQL is behind this gateway: start it with --postgres");
        };
        let steps = match postgres::steps(body) {
            Ok(steps) => steps,
            Err(answer) => return answer,
        };
        let kept = self.postgres.borrow_mut().take();
        let session = match kept {
            Some(session) if !session.is_closed() => Ok(session),
            _ => postgres::Session::open(config).await,
        };
        let session = match session {
            Ok(session) => session,
            Err(answer) => return answer,
        };
        let answer = session.run(&steps).await;
        if !answer.is_broken() {
            *self.postgres.borrow_mut() = Some(session);
        }
        answer
    }
}
