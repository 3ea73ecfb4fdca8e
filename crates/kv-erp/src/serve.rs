//! Connections: accepted, bounded, drained.
//!
//! Invariants: at most [`MAX_CONNECTIONS`] at a time; a client that does not finish its request's head in [`HEAD_TIMEOUT`] is cut
//! off; after the stop signal nothing is accepted, what is under way is finished, and [`DRAIN`] later the rest is dropped.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::app::App;
use crate::failure::Failure;
use crate::http;
use crate::http::metrics::Arrival;

/// Connections at a time; the next one waits in the system's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// The system's queue of connections that were not accepted yet.
const BACKLOG: u32 = 4_096;
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take after the stop signal.
const DRAIN: Duration = Duration::from_secs(10);

/// Binds the address.
///
/// # Errors
/// A failure that names the address and says what to do.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    listen(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::failed(format!("{address} is taken by another program"))
            .hint("choose another port with --listen, or port 0 for any free one"),
        io::ErrorKind::PermissionDenied => Failure::failed(format!("this user may not listen on {address}"))
            .hint("choose a port above 1023 with --listen"),
        io::ErrorKind::AddrNotAvailable => Failure::failed(format!("this machine has no address {}", address.ip()))
            .hint("use --listen 127.0.0.1:PORT, or 0.0.0.0:PORT for every address"),
        _ => Failure::while_doing(&format!("listening on {address}"), &error),
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port is free again as soon as its last owner is gone, in spite of connections that linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The service, and where what it never sees is counted.
#[derive(Clone)]
struct Face {
    router: Router,
    app: App,
}

/// Serves `app` until `stop`, then drains.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) {
    let face = Face { router: http::router(app.clone()), app: app.clone() };
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some((stream, peer)) = accept(&listener, &stop).await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let (face, stop) = (face.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, peer, face, stop).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "connections were dropped after {} s of draining", DRAIN.as_secs());
    }
    app.audit().flush().await;
}

/// The next connection, or `None` after the stop signal.
async fn accept(listener: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return None,
        };
        match accepted {
            Ok(accepted) => return Some(accepted),
            // Out of descriptors, or a client that left in the queue: neither is the end, and neither should spin.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, face: Face, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a client left at once");
        return;
    }
    // A caller may be gone before the future of its answer is looked at for the first time: it is then dropped unseen.
    let service = service_fn(move |request: Request<Incoming>| {
        let arrival = Arrival::new(face.app.clone(), request.method().clone());
        answer((face.router.clone(), arrival), peer, request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .keep_alive_interval(Some(Duration::from_secs(20)));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    (mut router, arrival): (Router, Arrival),
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    arrival.begun();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.call(request).await
}
