//! One HTTP/1 connection by bytes.
//!
//! Invariants: a request's bytes are offered to the socket in the first poll, before any interest is registered; what is
//! read goes into one buffer per thread, because the parser never leaves anything in it; no timer, no task, no allocation.
//! Absent on purpose: waiting for `100 Continue`; interim answers are read and passed over.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::answer::{Answer, AnswerHead, Lines};
use super::super::failure::{Moment, RequestFailure};
use super::super::origin::{Dialer, Shared};
use super::super::request::{Rendered, RequestPlan};
use super::super::stream::{Meter, Stream};
use super::parser::{After, Event, Parser, Progress};

/// Buffers that are read in one go. A server that sends without end must not keep the thread from its other connections,
/// nor from noticing that the time is over.
const READS_MAX: usize = 4;

/// An open connection.
pub(in crate::http) struct RawConnection {
    stream: Stream,
    parser: Parser,
    shared: Rc<Shared>,
    /// Whether the last exchange left the connection fit for another one.
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Closed, about to be closed, or in the middle of an answer.
    Spent,
}

/// What of a request is still to be written.
struct Outgoing<'a> {
    rendered: &'a Rendered,
    written: usize,
    flush: Flush,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    Due,
    Done,
}

impl RawConnection {
    pub(in crate::http) fn new(stream: Stream, dialer: &Dialer) -> Self {
        Self { stream, parser: Parser::default(), shared: Rc::clone(&dialer.shared), state: State::Idle }
    }

    pub(in crate::http) fn meter(&self) -> &Meter {
        self.stream.meter()
    }

    pub(in crate::http) async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(!self.poll_closed(cx))).await
    }

    pub(in crate::http) fn poll_closed(&mut self, cx: &mut Context<'_>) -> bool {
        if self.state == State::Idle {
            let mut buffer = self.shared.buffer().borrow_mut();
            // Not a system call unless the socket has something to say, and whatever that is, it ends the connection: an end, an
            // error, or bytes that nobody asked for.
            if Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut buffer)).is_ready() {
                self.state = State::Spent;
            }
        }
        self.state == State::Spent
    }

    pub(in crate::http) async fn exchange<H>(
        &mut self,
        request: &RequestPlan,
        look: impl FnOnce(&AnswerHead<'_>) -> H,
        mut part: impl FnMut(&[u8]),
    ) -> Result<Answer<H>, RequestFailure> {
        let rendered = request.rendered();
        self.stream.meter().await_first_byte();
        self.parser.begin(rendered.asked);
        self.state = State::Spent;
        let mut outgoing = Outgoing { rendered, written: 0, flush: Flush::Due };
        let mut look = Some(look);
        let mut head = None;
        let mut body_bytes = 0;
        let mut on = |event: Event<'_>| match event {
            Event::Head(raw) => {
                let version = if raw.minor == 0 { http::Version::HTTP_10 } else { http::Version::HTTP_11 };
                let seen = AnswerHead { version, lines: Lines::Bytes(raw.bytes) };
                head = look.take().map(|look| (raw.status, look(&seen)));
            }
            Event::Body(bytes) => {
                body_bytes += bytes.len() as u64;
                part(bytes);
            }
        };
        poll_fn(|cx| self.poll_exchange(cx, &mut outgoing, &mut on)).await?;
        if self.parser.after() == After::Reusable && outgoing.is_done() && !rendered.closes {
            self.state = State::Idle;
        }
        let (status, head) = head.expect("the parser tells of a head before it says that an answer is complete");
        Ok(Answer { status, body_bytes, head })
    }

    fn poll_exchange(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut Outgoing<'_>,
        on: &mut impl FnMut(Event<'_>),
    ) -> Poll<Result<(), RequestFailure>> {
        // A server may answer before it has read everything, and refuse the rest: its answer is worth more than the error.
        let write_error = match outgoing.poll_write(&mut self.stream, cx) {
            Poll::Ready(Err(error)) => Some(error),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        };
        let mut buffer = self.shared.buffer().borrow_mut();
        for _ in 0..READS_MAX {
            let mut read = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.socket_failure(&error))),
                Poll::Pending => {
                    return match write_error {
                        Some(error) => Poll::Ready(Err(self.socket_failure(&error))),
                        None => Poll::Pending,
                    };
                }
            }
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(self.parser.close().map_err(RequestFailure::by_parser));
            }
            let fed = self.parser.feed(bytes, on).map_err(RequestFailure::by_parser)?;
            if fed.progress == Progress::Done {
                let whole = fed.used == bytes.len();
                return Poll::Ready(if whole { Ok(()) } else { Err(RequestFailure::extra_bytes()) });
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn socket_failure(&self, error: &io::Error) -> RequestFailure {
        let moment = if self.parser.is_past_head() { Moment::Body } else { Moment::Head };
        RequestFailure::by_socket(error, moment)
    }
}

impl Outgoing<'_> {
    fn is_done(&self) -> bool {
        self.flush == Flush::Done
    }

    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_done() {
            return Poll::Ready(Ok(()));
        }
        let Rendered { head, body, .. } = self.rendered;
        while self.written < head.len() + body.len() {
            let stream = Pin::new(&mut *stream);
            let written = if let Some(head) = head.get(self.written..).filter(|rest| !rest.is_empty()) {
                if body.is_empty() {
                    ready!(stream.poll_write(cx, head))?
                } else {
                    ready!(stream.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)]))?
                }
            } else {
                ready!(stream.poll_write(cx, &body[self.written - head.len()..]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        ready!(Pin::new(stream).poll_flush(cx))?;
        self.flush = Flush::Done;
        Poll::Ready(Ok(()))
    }
}
