//! One HTTP/1 connection by hyper.
//!
//! Invariants: the task that sends also drives the connection, so an answer is seen in the poll that reads it and not one
//! wake-up later; after any error the connection is gone.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::answer::{Answer, AnswerHead};
use super::failure::{Moment, RequestFailure};
use super::raw::head::{HEAD_MAX, HEADERS_MAX};
use super::request::RequestPlan;
use super::stream::{Meter, Stream};

type Driver = http1::Connection<TokioIo<Stream>, Full<Bytes>>;

/// Parts of a body that are taken in one go. A server that sends without end must not keep the thread from its other
/// connections, nor from noticing that the time is over.
const FRAMES_MAX: u64 = 256;

/// An open connection.
pub(super) struct HyperConnection {
    sender: SendRequest<Full<Bytes>>,
    driver: State,
    meter: Rc<Meter>,
}

enum State {
    Open(Box<Driver>),
    /// Over, with the error that ended it, if one did.
    Over(Option<hyper::Error>),
}

impl HyperConnection {
    pub(super) async fn start(stream: Stream) -> Result<Self, RequestFailure> {
        let meter = Rc::clone(stream.meter());
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_MAX).max_headers(HEADERS_MAX);
        let shaken = builder.handshake(TokioIo::new(stream)).await;
        let (sender, driver) = shaken.map_err(|error| RequestFailure::by_hyper(&error, Moment::Head))?;
        Ok(Self { sender, driver: State::Open(Box::new(driver)), meter })
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(super) async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| {
            if self.poll_closed(cx) {
                return Poll::Ready(false);
            }
            self.sender.poll_ready(cx).map(|ready| ready.is_ok())
        })
        .await
    }

    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> bool {
        self.driver.drive(cx);
        matches!(self.driver, State::Over(_))
    }

    pub(super) async fn exchange<H>(
        &mut self,
        request: &RequestPlan,
        look: impl FnOnce(&AnswerHead<'_>) -> H,
        mut part: impl FnMut(&[u8]),
    ) -> Result<Answer<H>, RequestFailure> {
        self.meter.await_first_byte();
        let mut awaited = pin!(self.sender.send_request(request.render()));
        let response = poll_fn(|cx| self.driver.alternate(cx, |cx| awaited.as_mut().poll(cx))).await;
        let response = response.map_err(|error| RequestFailure::by_hyper(&error, Moment::Head))?;
        let status = response.status().as_u16();
        let head = look(&AnswerHead::of(&response));
        let mut body = response.into_body();
        let mut body_bytes = 0;
        for turn in 1_u64.. {
            if turn.is_multiple_of(FRAMES_MAX) {
                tokio::task::yield_now().await;
            }
            let frame = poll_fn(|cx| self.driver.alternate(cx, |cx| Pin::new(&mut body).poll_frame(cx)));
            let Some(frame) = frame.await else { break };
            let frame = frame.map_err(|error| RequestFailure::by_hyper(&error, Moment::Body))?;
            if let Some(data) = frame.data_ref() {
                body_bytes += data.len() as u64;
                part(data);
            }
        }
        // Once more, so that it looks at what it has read behind the answer.
        poll_fn(|cx| {
            self.driver.drive(cx);
            Poll::Ready(())
        })
        .await;
        match &self.driver {
            // The answer is complete: only bytes that nobody asked for end a connection with an error that is not the socket's.
            State::Over(Some(error)) if RequestFailure::is_about_bytes(error) => Err(RequestFailure::extra_bytes()),
            _ => Ok(Answer { status, body_bytes, head }),
        }
    }
}

impl State {
    /// Polls for a result, then the connection, then for the result again: what the connection just read must not wait
    /// for another wake-up.
    fn alternate<T>(&mut self, cx: &mut Context<'_>, mut result: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        if let Poll::Ready(value) = result(cx) {
            return Poll::Ready(value);
        }
        // An error of the connection reaches the request or the body by itself, with more to say.
        self.drive(cx);
        result(cx)
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Self::Open(driver) = self
            && let Poll::Ready(end) = Pin::new(driver).poll(cx)
        {
            *self = Self::Over(end.err());
        }
    }
}
