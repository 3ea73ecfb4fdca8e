//! One request, its answer kept: to look at before a load run, and for callers that need the content.
//!
//! Invariant: the kept body is bounded by [`MAX_BODY`]; what is beyond is counted, not kept.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::AnswerHead;
use super::connection::{Connection, answer_timed_out, connect_timed_out};
use super::endpoint::Unreachable;
use super::failure::RequestFailure;
use super::origin::{Dialer, Opened, Origin};
use super::request::RequestPlan;
use crate::clock::Clock;

/// Most bytes of a body that are kept.
pub const MAX_BODY: usize = 1 << 20;

/// An answer with its content.
#[derive(Clone, Debug)]
pub struct FullAnswer {
    /// Status code.
    pub status: u16,
    /// Protocol version of the answer.
    pub version: http::Version,
    /// Headers.
    pub headers: HeaderMap,
    /// The first [`MAX_BODY`] bytes of the body.
    pub body: Bytes,
    /// Length of the whole body.
    pub body_bytes: u64,
    /// Time to connect, in nanoseconds.
    pub connect_ns: u64,
    /// From there until TLS was agreed, in nanoseconds; `None` without TLS.
    pub tls_ns: Option<u64>,
    /// From the send to the first byte of the answer, in nanoseconds.
    pub first_byte_ns: u64,
    /// From the send to the last byte of the answer, in nanoseconds.
    pub service_ns: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// Nobody to ask.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// No complete answer.
    #[error(transparent)]
    Request(#[from] RequestFailure),
}

/// Sends `request` once on a connection of its own, which may take `wait` in all.
///
/// # Cancel safety
/// Dropping the future closes the connection; whether the server acted is unknown.
pub async fn once(request: &RequestPlan, wait: Duration) -> Result<FullAnswer, OnceError> {
    let address = request.endpoint().reach(wait)?;
    let dialer = Dialer::new(Origin::of(request, address), Clock::start());
    // HTTP/2 needs a task beside the request's.
    LocalSet::new().run_until(ask(request, wait, &dialer)).await
}

async fn ask(request: &RequestPlan, wait: Duration, dialer: &Dialer) -> Result<FullAnswer, OnceError> {
    let mut connection = timeout(wait, Connection::open(dialer)).await.map_err(|_| connect_timed_out())??;
    let Opened { connect_ns, tls_ns } =
        connection.opened().expect("the first connection of a dialer is one that it opened, and no slot of another");
    let send_ns = dialer.clock.now_ns();
    let mut body = BytesMut::new();
    let keep = |part: &[u8]| {
        let room = MAX_BODY - body.len();
        body.extend_from_slice(&part[..part.len().min(room)]);
    };
    let look = |head: &AnswerHead<'_>| (head.version, head.headers());
    let answer = timeout(wait, connection.exchange(request, look, keep)).await.map_err(|_| answer_timed_out())??;
    let end_ns = dialer.clock.now_ns();
    let first_byte_ns = connection.meter().first_byte_ns().unwrap_or(end_ns);
    let (version, headers) = answer.head;
    Ok(FullAnswer {
        status: answer.status,
        version,
        headers,
        body: body.freeze(),
        body_bytes: answer.body_bytes,
        connect_ns,
        tls_ns,
        first_byte_ns: first_byte_ns.saturating_sub(send_ns),
        service_ns: end_ns - send_ns,
    })
}
