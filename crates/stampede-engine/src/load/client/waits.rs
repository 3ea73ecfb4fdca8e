//! What a user waits for besides answers: time, other users, the end of a pause.
//!
//! Invariants: no wait outlasts the run; none is part of a latency; a dropped wait leaves nothing behind.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::Client;
use crate::load::barrier::{Barriers, Ticket};
use crate::load::scenario::BarrierId;
use crate::load::shard::Phase;
use crate::load::share::Model;

/// A place at a barrier, given back when nobody waits there any more, also when the waiting was dropped.
struct Place<'a> {
    barriers: &'a Barriers,
    ticket: Option<Ticket>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.barriers.leave(ticket);
        }
    }
}

impl Client<'_> {
    /// Waits as a person would. Ends early when the run stops. Not part of any latency.
    pub async fn pause(&mut self, time: Duration) {
        if time.is_zero() || self.is_cut_short() {
            return;
        }
        {
            let mut sleep = pin!(tokio::time::sleep(time));
            poll_fn(|cx| {
                if self.is_cut_short() {
                    return Poll::Ready(());
                }
                self.slot.keep_waker(cx);
                sleep.as_mut().poll(cx)
            })
            .await;
        }
        self.now();
    }

    /// Waits until as many users are at the barrier as it asks for, over all threads; then all leave together. Ends early
    /// when the run stops or when the plan's time-out is over. Not part of any latency.
    pub async fn meet(&mut self, barrier: BarrierId) {
        let Some(barrier) = self.flow.barriers.get(barrier.0 as usize).copied() else { return };
        let (shard, now_ns) = (self.shard, self.shard.clock.now_ns());
        let mut place = Place { barriers: &shard.barriers, ticket: None };
        let released = {
            let mut patience = pin!(tokio::time::sleep(shard.plan.timeout));
            poll_fn(|cx| {
                let ticket = *place.ticket.get_or_insert_with(|| shard.barriers.arrive(barrier, now_ns, cx));
                if shard.barriers.poll_released(ticket, cx).is_ready() {
                    return Poll::Ready(true);
                }
                self.slot.keep_waker(cx);
                let over = self.is_cut_short() || patience.as_mut().poll(cx).is_ready();
                if over { Poll::Ready(false) } else { Poll::Pending }
            })
            .await
        };
        if released {
            self.ticket = place.ticket.take();
        }
        self.now();
    }

    /// Whether waiting has no purpose any more.
    fn is_cut_short(&self) -> bool {
        let over = self.flow.model == Model::Closed && self.flow.issued.get();
        over || self.shard.phase.get() == Phase::Draining
    }

    pub(super) async fn until_resumed(&mut self) {
        poll_fn(|cx| {
            if self.shard.phase.get() != Phase::Paused {
                return Poll::Ready(());
            }
            self.slot.keep_waker(cx);
            Poll::Pending
        })
        .await;
        self.now();
    }
}
