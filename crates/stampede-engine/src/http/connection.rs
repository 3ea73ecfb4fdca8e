//! One HTTP/1 connection and the exchange of one request for one answer on it.
//!
//! Invariants: the task that sends also drives the connection, so an answer is seen in the poll that reads it and not one
//! wake-up later; an answer counts only when its body was read to the end; after any error the connection is gone.
//! Absent on purpose: a limit of the body's size (frames are counted and dropped at once) and pipelining.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use stampede_model::failure::FailureKind;
use tokio::net::TcpStream;

use super::failure::RequestFailure;
use super::metered::{Meter, Metered};
use super::request::RequestPlan;
use crate::clock::Clock;

type Driver = http1::Connection<TokioIo<Metered>, Full<Bytes>>;

/// An open connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Gone once the connection is closed.
    driver: Option<Driver>,
    meter: Rc<Meter>,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer<H> {
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
    /// What the caller took from the head of the answer.
    pub(crate) head: H,
}

impl Connection {
    /// Connects and prepares to speak.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub(crate) async fn open(address: SocketAddr, clock: Clock) -> Result<Self, RequestFailure> {
        let stream = TcpStream::connect(address).await.map_err(|error| RequestFailure::connecting(&error))?;
        // Without this, small requests would wait for the acknowledgement of the previous one.
        stream.set_nodelay(true).map_err(|error| RequestFailure::connecting(&error))?;
        let (metered, meter) = Metered::new(stream, clock);
        let shaken = http1::handshake(TokioIo::new(metered)).await;
        let (sender, driver) = shaken.map_err(|error| RequestFailure::exchanging(&error))?;
        Ok(Self { sender, driver: Some(driver), meter })
    }

    /// The connection's byte counts.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Waits until a request may be sent; `false` when the connection has been closed meanwhile.
    pub(crate) async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| {
            let closed = self.drive(cx).is_err();
            if closed || self.driver.is_none() {
                return Poll::Ready(false);
            }
            self.sender.poll_ready(cx).map(|ready| ready.is_ok())
        })
        .await
    }

    /// Lets the connection notice that the server closed it, without waiting; `true` when it is closed.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx).is_err() || self.driver.is_none()
    }

    /// Sends `request` and reads the whole answer. `look` sees the answer's head, `part` each part of its body.
    ///
    /// # Cancel safety
    /// Dropping the future leaves an answer half read: the connection must be dropped too.
    pub(crate) async fn exchange<H>(
        &mut self,
        request: &RequestPlan,
        look: impl FnOnce(&Response<Incoming>) -> H,
        mut part: impl FnMut(&Bytes),
    ) -> Result<Answer<H>, RequestFailure> {
        self.meter.await_first_byte();
        let mut awaited = pin!(self.sender.send_request(request.render()));
        let response = poll_fn(|cx| Self::alternate(&mut self.driver, cx, |cx| awaited.as_mut().poll(cx))).await;
        let response = response.map_err(|error| RequestFailure::exchanging(&error))?;
        let status = response.status().as_u16();
        let head = look(&response);
        let mut body = response.into_body();
        let mut body_bytes = 0;
        loop {
            let frame = poll_fn(|cx| Self::alternate(&mut self.driver, cx, |cx| Pin::new(&mut body).poll_frame(cx)));
            let Some(frame) = frame.await else { break };
            let frame = frame.map_err(|error| RequestFailure::exchanging(&error))?;
            if let Some(data) = frame.data_ref() {
                body_bytes += data.len() as u64;
                part(data);
            }
        }
        Ok(Answer { status, body_bytes, head })
    }

    /// Polls for a result, then the connection, then for the result again: what the connection just read must not wait
    /// for another wake-up.
    fn alternate<T>(
        driver: &mut Option<Driver>,
        cx: &mut Context<'_>,
        mut result: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Poll::Ready(value) = result(cx) {
            return Poll::Ready(value);
        }
        if let Some(running) = driver {
            // An error of the connection reaches the request or the body by itself, with more to say.
            if Pin::new(running).poll(cx).is_ready() {
                *driver = None;
            }
        }
        result(cx)
    }

    fn drive(&mut self, cx: &mut Context<'_>) -> Result<(), RequestFailure> {
        let Some(driver) = self.driver.as_mut() else { return Ok(()) };
        let Poll::Ready(end) = Pin::new(driver).poll(cx) else { return Ok(()) };
        self.driver = None;
        end.map_err(|error| RequestFailure::exchanging(&error))
    }
}

/// The failure of a request whose time was over while it was connecting.
pub(crate) fn connect_timed_out() -> RequestFailure {
    RequestFailure::timed_out(FailureKind::ConnectTimeout, "the connection")
}

/// The failure of a request whose time was over while its answer was due.
pub(crate) fn answer_timed_out() -> RequestFailure {
    RequestFailure::timed_out(FailureKind::Timeout, "the answer")
}
