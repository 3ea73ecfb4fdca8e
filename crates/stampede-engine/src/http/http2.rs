//! HTTP/2: slots that share connections, each slot with one request under way at a time.
//!
//! By the `h2` crate, which hyper is built on: it names what ended a stream, and needs no channel and no second task
//! between a slot and its stream.
//!
//! Invariants: a connection carries at most as many streams as the plan and the server's SETTINGS allow, which are awaited
//! before its first request; one connection of a thread is opened at a time, so that slots that start together share it;
//! a connection ends with its last slot; nothing that a GOAWAY or a reset of a stream ended is sent again.
//! Absent on purpose: server push, priorities.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Ping;
use h2::client::{Builder, SendRequest};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::answer::{Answer, AnswerHead};
use super::failure::{Moment, RequestFailure};
use super::origin::{Dialer, Opened};
use super::request::RequestPlan;
use super::stream::{Meter, Stream};

/// Bytes of one body that may arrive before we say that we have read them.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all bodies of a connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The HTTP/2 connections of one thread.
#[derive(Debug, Default)]
pub(super) struct Pool {
    connections: RefCell<Vec<Weak<Shared>>>,
    /// Held while a connection is opened.
    opening: Mutex<()>,
}

/// A connection with its slots.
#[derive(Debug)]
struct Shared {
    sender: SendRequest<Bytes>,
    socket: Rc<Meter>,
    slots: Cell<usize>,
    slots_max: usize,
    driver: Driver,
}

/// The task that reads and writes; it ends with the connection.
#[derive(Debug)]
struct Driver(JoinHandle<Result<(), h2::Error>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The right to have one stream open.
pub(super) struct H2Slot {
    sender: SendRequest<Bytes>,
    shared: Rc<Shared>,
    meter: Meter,
}

impl Drop for H2Slot {
    fn drop(&mut self) {
        self.shared.slots.set(self.shared.slots.get() - 1);
    }
}

impl Pool {
    fn free_slot(&self, dialer: &Dialer) -> Option<H2Slot> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.upgrade().is_some_and(|shared| shared.takes_requests()));
        let mut open = connections.iter().filter_map(Weak::upgrade);
        open.find(|shared| shared.slots.get() < shared.slots_max).map(|shared| H2Slot::new(shared, dialer))
    }
}

impl Shared {
    async fn start(stream: Stream, streams_max: usize) -> Result<Self, RequestFailure> {
        let failed = |error| RequestFailure::by_h2(&error, Moment::Head);
        let socket = Rc::clone(stream.meter());
        let mut builder = Builder::new();
        builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW).enable_push(false);
        let (sender, mut connection) = builder.handshake(stream).await.map_err(failed)?;
        let mut pings = connection.ping_pong().expect("a connection gives its ping once, and this is the first time");
        let mut driver = Driver(tokio::task::spawn_local(connection));
        // The server's SETTINGS come before anything else it says.
        if let Err(error) = pings.ping(Ping::opaque()).await {
            // The ping knows only that the connection is over; the connection knows why.
            let why = (&mut driver.0).await.ok().and_then(Result::err);
            return Err(failed(why.unwrap_or(error)));
        }
        let slots_max = sender.current_max_send_streams().clamp(1, streams_max);
        Ok(Self { sender, socket, slots: Cell::new(0), slots_max, driver })
    }

    fn is_over(&self) -> bool {
        self.driver.0.is_finished()
    }

    /// Whether another request may go out. After a GOAWAY none may, although what is under way goes on, and as long as it
    /// does the connection is not over.
    fn takes_requests(&self) -> bool {
        let asked = self.sender.clone().poll_ready(&mut Context::from_waker(Waker::noop()));
        !self.is_over() && !matches!(asked, Poll::Ready(Err(_)))
    }
}

impl H2Slot {
    fn new(shared: Rc<Shared>, dialer: &Dialer) -> Self {
        shared.slots.set(shared.slots.get() + 1);
        Self { sender: shared.sender.clone(), shared, meter: Meter::new(dialer.clock) }
    }

    /// A slot of an open connection, or of a new one, which took as long as is told.
    ///
    /// # Cancel safety
    /// Dropping the future closes a connection that was being opened.
    pub(super) async fn take(dialer: &Dialer) -> Result<(Self, Option<Opened>), RequestFailure> {
        let pool = &dialer.shared.h2;
        if let Some(slot) = pool.free_slot(dialer) {
            return Ok((slot, None));
        }
        let _turn = pool.opening.lock().await;
        if let Some(slot) = pool.free_slot(dialer) {
            return Ok((slot, None));
        }
        let (stream, opened) = dialer.dial().await?;
        let streams_max = usize::try_from(dialer.origin.streams_per_connection.get()).unwrap_or(usize::MAX);
        let shared = Rc::new(Shared::start(stream, streams_max).await?);
        pool.connections.borrow_mut().push(Rc::downgrade(&shared));
        Ok((Self::new(shared, dialer), Some(opened)))
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(super) fn is_over(&self) -> bool {
        self.shared.is_over()
    }

    pub(super) async fn is_ready(&mut self) -> bool {
        !self.is_over() && poll_fn(|cx| self.sender.poll_ready(cx)).await.is_ok()
    }

    pub(super) async fn exchange<H>(
        &mut self,
        request: &RequestPlan,
        look: impl FnOnce(&AnswerHead<'_>) -> H,
        part: impl FnMut(&[u8]),
    ) -> Result<Answer<H>, RequestFailure> {
        let mut moment = Moment::Head;
        let answer = self.stream(request, look, part, &mut moment).await;
        // What the other slots of the connection moved meanwhile is counted here: only the sum has a meaning.
        self.meter.add(self.shared.socket.take());
        answer.map_err(|error| RequestFailure::by_h2(&error, moment))
    }

    async fn stream<H>(
        &mut self,
        request: &RequestPlan,
        look: impl FnOnce(&AnswerHead<'_>) -> H,
        mut part: impl FnMut(&[u8]),
        moment: &mut Moment,
    ) -> Result<Answer<H>, h2::Error> {
        self.meter.await_first_byte();
        let (head, body) = request.for_h2();
        let (response, mut sending) = self.sender.send_request(head, body.is_empty())?;
        if !body.is_empty() {
            // What the windows do not allow yet waits inside h2, which holds the body by reference.
            sending.send_data(body, true)?;
        }
        let response = response.await?;
        self.meter.note_first_byte();
        *moment = Moment::Body;
        let status = response.status().as_u16();
        let head = look(&AnswerHead::of(&response));
        let mut body = response.into_body();
        let mut body_bytes = 0;
        while let Some(data) = body.data().await {
            let data = data?;
            body_bytes += data.len() as u64;
            part(&data);
            body.flow_control().release_capacity(data.len())?;
        }
        body.trailers().await?;
        Ok(Answer { status, body_bytes, head })
    }
}
