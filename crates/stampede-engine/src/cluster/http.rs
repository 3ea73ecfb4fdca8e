//! A link on which HTTP/1.1 is spoken: requests are read one by one, and some are answered with an error, carried out without an
//! answer, or carried out twice.
//!
//! Invariants: which request is drawn follows from the fault's seed, the connection's number and the request's; a request that is
//! not drawn passes unchanged but for its framing; a body is held whole, up to [`BODY_MAX`], because it may have to be sent twice.
//! Absent on purpose: HTTP/2 and upgrades. A link of which the fault is over goes on with the connections it has.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::join;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use stampede_model::chaos::{HttpWhat, draw};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::link::{Link, reset};

/// The longest body of a request; one that is longer ends its connection.
const BODY_MAX: usize = 16 << 20;
const MILLION: u64 = 1_000_000;
/// Says that an answer is the link's own.
const OWN: HeaderName = HeaderName::from_static("x-stampede-chaos");

type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// A request that ends its connection without an answer.
#[derive(Debug, thiserror::Error)]
enum Dropped {
    #[error("the server did not answer: {0}")]
    Server(#[from] hyper::Error),
    #[error("the body cannot be passed on: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer is dropped on purpose")]
    OnPurpose,
}

/// Carries requests until either end is done or the link is broken, which is told to the sockets in `told`.
///
/// # Cancel safety
/// Dropping the future closes both connections.
pub(super) async fn carry<C>(link: &Link, client: C, server: TcpStream, (number, told): (u64, Vec<OwnedFd>))
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let mut broken = link.breaks();
    let beside = server.peer_addr().ok();
    let Ok((send, driver)) = handshake(TokioIo::new(server)).await else {
        told.iter().for_each(reset);
        return;
    };
    let passing = Passing { link, number, asked: AtomicU64::new(0), send: Mutex::new(send), beside };
    let service = service_fn(|request| passing.pass(request));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(client), service);
    let until_over = async {
        // Its end is the server's: the next request finds out.
        driver.await.ok();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            tracing::debug!(%error, link = link.name, "a connection of HTTP ended");
        },
        never = until_over => match never {},
        _ = broken.changed() => told.iter().for_each(reset),
    }
}

/// The requests of one connection.
struct Passing<'l> {
    link: &'l Link,
    number: u64,
    asked: AtomicU64,
    send: Mutex<SendRequest<Full<Bytes>>>,
    beside: Option<SocketAddr>,
}

impl Passing<'_> {
    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Dropped> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, BODY_MAX).collect().await.map_err(Dropped::Body)?.to_bytes();
        let plain = || plain(&parts, body.clone());
        match self.drawn() {
            None => self.forward(plain()).await,
            Some(HttpWhat::Error(status)) => Ok(own(status)),
            Some(HttpWhat::NoAnswer) => {
                let answer = self.forward(plain()).await?;
                // Carried out to its end: what is dropped is the answer and not the work.
                answer.into_body().collect().await.ok();
                Err(Dropped::OnPurpose)
            }
            Some(HttpWhat::Twice) => join(self.forward(plain()), self.again(plain())).await.0,
        }
    }

    fn drawn(&self) -> Option<HttpWhat> {
        let state = self.link.state();
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let is_drawn = |per_million| draw(state.seed ^ (self.number << 32), asked, MILLION) < u64::from(per_million);
        state.http.filter(|trouble| is_drawn(trouble.per_million)).map(|trouble| trouble.what)
    }

    async fn forward(&self, request: Request<Full<Bytes>>) -> Result<Answer, Dropped> {
        let mut send = self.send.lock().await;
        send.ready().await?;
        let mut answer = send.send_request(request).await?;
        answer.headers_mut().remove(CONNECTION);
        Ok(answer.map(Either::Left))
    }

    /// The same request on a connection of its own; nobody waits for what it says, only until it was said.
    async fn again(&self, request: Request<Full<Bytes>>) {
        let Some(address) = self.beside else { return };
        let sent = async {
            let stream = TcpStream::connect(address).await.map_err(|error| Dropped::Body(error.into()))?;
            let (mut send, driver) = handshake(TokioIo::new(stream)).await?;
            let asked = async {
                let answer = send.send_request(request).await?;
                answer.into_body().collect().await.map(drop)
            };
            tokio::select! {
                done = asked => done.map_err(Dropped::Server),
                ended = driver => ended.map_err(Dropped::Server),
            }
        };
        if let Err(error) = sent.await {
            tracing::debug!(%error, link = self.link.name, "a request could not be sent a second time");
        }
    }
}

/// The request without what belongs to its first connection: the new one frames the body itself.
fn plain(parts: &Parts, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    for header in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        request.headers_mut().remove(header);
    }
    request
}

fn own(status: u16) -> Answer {
    let text = format!("{status}: this answer is a fault of the link, made on purpose\n");
    let mut answer = Response::new(Either::Right(Full::new(Bytes::from(text))));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer.headers_mut().insert(OWN, HeaderValue::from_static("http-error"));
    answer
}

#[cfg(test)]
mod tests;
