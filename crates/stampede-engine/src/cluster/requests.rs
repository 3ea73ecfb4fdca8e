//! The balancer request by request: each request of HTTP/1 goes to the member with the fewest under way, whatever connection it came
//! on, as an ingress does it.
//!
//! Why beside the balancer of connections: a client that keeps its connections would never find a new member, and a member that
//! leaves could not be rid of its old ones without cutting a request off.
//! Invariants: a member that is leaving gets no new request, and its leaving sees every request that it still has; a request that was
//! surely not sent goes to the next member, any other is answered with 502 and never sent twice; what is kept idle is bounded, and
//! dropped before a server would close it. Absent on purpose: HTTP/2, upgrades, buffering of bodies.

mod answer;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_TYPE, EXPECT, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RETRY_AFTER, TE, TRAILER,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::backend::Backend;
use super::link::{Gate, Link, reset};
use super::members::Members;
use answer::Answer;

/// Connections to one member that wait for work.
const IDLE_MAX: usize = 512;
/// How long one may wait: shorter than servers wait themselves, so that a request does not meet their goodbye.
const IDLE_FOR: Duration = Duration::from_secs(3);
/// Held between the balancer and a link, each way.
const PIPE: usize = 64 * 1024;
/// Of one hop only. `keep-alive` has no constant.
const OF_ONE_HOP: [HeaderName; 7] = [CONNECTION, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, UPGRADE];

type Sender = SendRequest<Incoming>;
type Body = Either<Answer, Full<Bytes>>;

/// A member's requests and its connections that are free.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    under_way: AtomicUsize,
    answered: AtomicU64,
    idle: Mutex<Vec<(Instant, Sender)>>,
}

/// A request's place at a member, given back when it is dropped.
#[derive(Debug)]
struct Place(Arc<Backend>);

/// Why a member gave no answer.
enum Failed {
    /// The request was surely not sent, and is given back.
    Unsent(Box<Request<Incoming>>),
    /// It was, or may have been.
    Broken,
}

impl Traffic {
    /// Requests under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    /// Requests that were answered.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Closes the connections that wait.
    pub(super) fn forget_idle(&self) {
        self.lock().clear();
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.lock();
        let (since, sender) = idle.pop()?;
        // The last one in waited the shortest: when it is too old all are.
        if since.elapsed() > IDLE_FOR {
            idle.clear();
            return None;
        }
        Some(sender)
    }

    fn give_back(&self, sender: Sender) {
        let mut idle = self.lock();
        if idle.len() < IDLE_MAX {
            idle.push((Instant::now(), sender));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, Sender)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A place at a member that stays.
    fn at(backend: &Arc<Backend>) -> Option<Self> {
        backend.traffic.under_way.fetch_add(1, Ordering::SeqCst);
        let place = Self(Arc::clone(backend));
        // Counted first and looked then: whoever sets `leaving` and then sees no request knows that none will come.
        (!backend.leaving.load(Ordering::SeqCst)).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.traffic.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Serves a client's connection until it ends or the door breaks.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub(super) async fn serve(client: TcpStream, door: &Link, members: &Arc<Members>) {
    client.set_nodelay(true).ok();
    let mut broken = door.breaks();
    let service = service_fn(|request| forward(Arc::clone(members), request));
    let mut connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), service);
    let whole = tokio::select! {
        ended = &mut connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a client's connection ended early");
            }
            true
        }
        _ = broken.changed() => false,
    };
    if !whole {
        reset(&connection.into_parts().io.into_inner());
    }
}

async fn forward(members: Arc<Members>, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    make_one_hop(&mut request);
    for backend in members.least_requests() {
        if backend.link.state().gate != Gate::Open {
            continue;
        }
        let Some(place) = Place::at(&backend) else { continue };
        match exchange(place, request).await {
            Ok(response) => return Ok(response.map(Either::Left)),
            Err(Failed::Unsent(back)) => request = *back,
            Err(Failed::Broken) => {
                return Ok(trouble(StatusCode::BAD_GATEWAY, "the replica broke off before it answered\n"));
            }
        }
    }
    let mut nobody = trouble(StatusCode::SERVICE_UNAVAILABLE, "no replica takes requests\n");
    nobody.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    Ok(nobody)
}

/// Sends a request to the member of `place` and gives the head of its answer; the rest follows as it comes.
async fn exchange(place: Place, mut request: Request<Incoming>) -> Result<Response<Answer>, Failed> {
    let backend = Arc::clone(&place.0);
    loop {
        let idle = backend.traffic.take_idle();
        let is_fresh = idle.is_none();
        let sender = match idle {
            Some(sender) => Ok(sender),
            None => connect(&backend).await,
        };
        let Ok(mut sender) = sender else {
            backend.turn_silent();
            return Err(Failed::Unsent(Box::new(request)));
        };
        let sent = match sender.ready().await {
            Ok(()) => sender.try_send_request(request).await,
            // It was closed while it waited.
            Err(_) if !is_fresh => continue,
            Err(_) => return Err(Failed::Unsent(Box::new(request))),
        };
        match sent {
            Ok(response) => {
                backend.traffic.answered.fetch_add(1, Ordering::Relaxed);
                let (mut head, body) = response.into_parts();
                strip(&mut head.headers);
                head.version = Version::HTTP_11;
                return Ok(Response::from_parts(head, Answer::new(body, sender, place)));
            }
            Err(mut error) => match error.take_message() {
                Some(back) if is_fresh => return Err(Failed::Unsent(Box::new(back))),
                Some(back) => request = back,
                None => return Err(Failed::Broken),
            },
        }
    }
}

/// A new connection by the member's own link.
async fn connect(backend: &Arc<Backend>) -> Result<Sender, std::io::Error> {
    backend.link.until_heard().await?;
    let server = super::door::connect(backend.address).await?;
    let (ours, its) = tokio::io::duplex(PIPE);
    let link = Arc::clone(&backend.link);
    tokio::spawn(async move { link.carry_pipe(its, server).await });
    let (sender, connection) = http1::handshake(TokioIo::new(ours)).await.map_err(std::io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a replica ended early");
        }
    });
    Ok(sender)
}

/// Takes out what was meant for the balancer alone, and the place that the client called.
fn make_one_hop(request: &mut Request<Incoming>) {
    strip(request.headers_mut());
    *request.version_mut() = Version::HTTP_11;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // A part of an address is an address.
    if let Ok(path) = path.parse::<Uri>() {
        *request.uri_mut() = path;
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in &OF_ONE_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

fn trouble(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(words.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests;
