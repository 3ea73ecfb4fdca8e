//! One user's connection to one server, opened when it is needed: the only place of the load that knows transports.
//!
//! Invariant: a request goes out once. A connection that the server closed between two requests, which is its right, is
//! opened anew before anything is sent.

use std::task::Context;

use http::HeaderMap;

use super::outcome::Seen;
use super::scenario::Want;
use super::shard::Shard;
use super::slot::{Doing, Slot};
use crate::http::connection::Connection;
use crate::http::stream::Travelled;
use crate::http::{RequestFailure, RequestPlan};

/// One request to be carried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// Index of its server.
    pub(super) origin: usize,
    pub(super) request: &'a RequestPlan,
    pub(super) series: u32,
    pub(super) want: Want,
    pub(super) intent_ns: u64,
    pub(super) start_ns: u64,
}

/// A request that came to its end, or whose time was over.
pub(super) enum End {
    Ended(Result<Done, RequestFailure>),
    Expired,
}

/// A complete answer.
pub(super) struct Done {
    /// When the request was handed to an established connection.
    pub(super) send_ns: u64,
    pub(super) first_byte_ns: u64,
    pub(super) end_ns: u64,
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    /// Kept when wanted, when single answers are kept, or when the answer is slow enough to be remembered.
    pub(super) headers: Option<HeaderMap>,
}

/// A connection, or none yet.
#[derive(Default)]
pub(super) struct Link {
    open: Option<Connection>,
}

impl Link {
    /// Connects if need be, sends, reads the whole answer; `body` gets what is wanted of it.
    pub(super) async fn exchange(
        &mut self,
        (shard, slot): (&Shard, &Slot),
        call: &Call<'_>,
        body: &mut Vec<u8>,
    ) -> Result<Done, RequestFailure> {
        if let Some(open) = self.open.as_mut()
            && !open.is_ready().await
        {
            self.open = None;
        }
        let (open, send_ns) = if let Some(open) = self.open.as_mut() {
            (open, call.start_ns)
        } else {
            let fresh = Connection::open(&shard.dialers[call.origin]).await?;
            if let Some(opened) = fresh.opened() {
                shard.recorder.borrow_mut().connected(call.series, opened);
            }
            (self.open.insert(fresh), shard.clock.now_ns())
        };
        slot.doing.set(Doing::Waiting { series: call.series, intent_ns: call.intent_ns, sent_at_ns: send_ns });
        let wants_head = call.want.head || shard.recorder.borrow().keeps_samples();
        let body_max = call.want.body_max;
        let answer = open
            .exchange(
                call.request,
                |head| (wants_head || may_be_slow(shard, call)).then(|| head.headers()),
                |part| {
                    let room = body_max.saturating_sub(body.len());
                    body.extend_from_slice(&part[..part.len().min(room)]);
                },
            )
            .await?;
        let end_ns = shard.clock.now_ns();
        let first_byte_ns = open.meter().first_byte_ns().unwrap_or(end_ns);
        Ok(Done {
            send_ns,
            first_byte_ns,
            end_ns,
            status: answer.status,
            body_bytes: answer.body_bytes,
            headers: answer.head,
        })
    }

    /// Lets the connection notice that the server closed it.
    pub(super) fn notice_close(&mut self, cx: &mut Context<'_>) {
        if self.open.as_mut().is_some_and(|open| open.poll_closed(cx)) {
            self.open = None;
        }
    }

    /// Bytes since the last call.
    pub(super) fn travelled(&self) -> Travelled {
        self.open.as_ref().map_or(Travelled::default(), |open| open.meter().take())
    }

    /// How much of the answer to the last request has come.
    pub(super) fn seen(&self) -> Seen {
        match self.open.as_ref().and_then(|open| open.meter().first_byte_ns()) {
            Some(_) => Seen::Part,
            None => Seen::Nothing,
        }
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

/// Whether an answer whose head has just come may be one of the slowest. The last tick stands for now: this is asked of
/// every answer and reads no clock.
fn may_be_slow(shard: &Shard, call: &Call<'_>) -> bool {
    let lasted_ns = shard.tick_ns.get().saturating_sub(call.intent_ns);
    shard.recorder.borrow().is_slow(call.series, lasted_ns)
}
