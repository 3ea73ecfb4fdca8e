//! The body of an answer on its way through, and what is given back at its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{Place, Sender};

/// A body that holds its member's connection and its request's place until it has passed.
#[derive(Debug)]
pub(super) struct Answer {
    body: Incoming,
    ended: bool,
    // Dropped after the connection was given back.
    sender: Option<Sender>,
    place: Place,
}

impl Answer {
    pub(super) const fn new(body: Incoming, sender: Sender, place: Place) -> Self {
        Self { body, ended: false, sender: Some(sender), place }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // A connection in the middle of an answer is of no use to anybody else.
        if let Some(sender) = self.sender.take().filter(|_| self.ended || self.body.is_end_stream()) {
            self.place.0.traffic.give_back(sender);
        }
    }
}
