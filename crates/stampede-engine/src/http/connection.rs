//! One connection, by whichever transport, and the exchange of one request for one answer on it.
//!
//! Invariants: an answer counts only when its body was read to the end; after any failure the connection is to be dropped;
//! nothing is sent twice.
//! Absent on purpose: a limit of the body's size (parts are counted and dropped at once) and pipelining.
//!
//! For callers: [`Connection::open`] takes the thread's [`Dialer`]. With HTTP/2 several `Connection`s are slots of one
//! socket: [`Connection::opened`] says which of them opened it, so that connections are not counted per slot, and the
//! thread must be able to `spawn_local`. `meter().first_byte_ns()` is `None` as long as nothing of the current answer was
//! seen, which tells a silent server from one that never ends its body.

use std::task::Context;

use stampede_model::failure::FailureKind;

pub(crate) use super::answer::Answer;
use super::answer::AnswerHead;
use super::failure::RequestFailure;
use super::http2::H2Slot;
use super::hyper1::HyperConnection;
use super::origin::{Dialer, Opened};
use super::raw::connection::RawConnection;
use super::request::RequestPlan;
use super::stream::Meter;
use super::wire::Transport;

/// An open connection, or a slot of one.
pub(crate) struct Connection {
    carrier: Carrier,
    opened: Option<Opened>,
}

enum Carrier {
    Hyper(HyperConnection),
    Raw(RawConnection),
    H2(H2Slot),
}

impl Connection {
    /// Connects and prepares to speak; with HTTP/2 only when no open connection has a free stream.
    ///
    /// # Cancel safety
    /// Dropping the future closes what it opened.
    pub(crate) async fn open(dialer: &Dialer) -> Result<Self, RequestFailure> {
        if dialer.origin.transport() == Transport::H2 {
            let (slot, opened) = H2Slot::take(dialer).await?;
            return Ok(Self { carrier: Carrier::H2(slot), opened });
        }
        let (stream, opened) = dialer.dial().await?;
        let carrier = match dialer.origin.transport() {
            Transport::Raw => Carrier::Raw(RawConnection::new(stream, dialer)),
            Transport::Hyper | Transport::H2 => Carrier::Hyper(HyperConnection::start(stream).await?),
        };
        Ok(Self { carrier, opened: Some(opened) })
    }

    /// How long opening took; `None` when this is a slot of a connection that another slot opened.
    pub(crate) fn opened(&self) -> Option<Opened> {
        self.opened
    }

    /// The connection's byte counts.
    pub(crate) fn meter(&self) -> &Meter {
        match &self.carrier {
            Carrier::Hyper(connection) => connection.meter(),
            Carrier::Raw(connection) => connection.meter(),
            Carrier::H2(slot) => slot.meter(),
        }
    }

    /// Waits until a request may be sent; `false` when the connection has been closed meanwhile.
    pub(crate) async fn is_ready(&mut self) -> bool {
        match &mut self.carrier {
            Carrier::Hyper(connection) => connection.is_ready().await,
            Carrier::Raw(connection) => connection.is_ready().await,
            Carrier::H2(slot) => slot.is_ready().await,
        }
    }

    /// Lets the connection notice that the server closed it, without waiting; `true` when it is closed.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.carrier {
            Carrier::Hyper(connection) => connection.poll_closed(cx),
            Carrier::Raw(connection) => connection.poll_closed(cx),
            Carrier::H2(slot) => slot.is_over(),
        }
    }

    /// Sends `request` and reads the whole answer. `look` sees the answer's head, `part` each part of its body.
    ///
    /// # Errors
    /// When no complete and valid answer came; the connection is to be dropped then.
    /// # Cancel safety
    /// Dropping the future leaves an answer half read: the connection must be dropped too.
    pub(crate) async fn exchange<H>(
        &mut self,
        request: &RequestPlan,
        look: impl FnOnce(&AnswerHead<'_>) -> H,
        part: impl FnMut(&[u8]),
    ) -> Result<Answer<H>, RequestFailure> {
        match &mut self.carrier {
            Carrier::Hyper(connection) => connection.exchange(request, look, part).await,
            Carrier::Raw(connection) => connection.exchange(request, look, part).await,
            Carrier::H2(slot) => slot.exchange(request, look, part).await,
        }
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
