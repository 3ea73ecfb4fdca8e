//! A user's turns: waiting for the next one, taking it up, ending it.
//!
//! Invariant: a turn that was taken up is ended once; an arrival whose request never began is then counted as not sent.

use std::future::poll_fn;
use std::task::Poll;

use super::{COOL_PAUSE, Client, Cool, State};
use crate::load::scenario::{Halt, Scenario};
use crate::load::shard::Phase;
use crate::load::share::Model;
use crate::load::slot::{Route, Turn};

impl Client<'_> {
    /// Waits for the next iteration; `None` when the user is to leave.
    pub(in crate::load) async fn next_turn(&mut self) -> Option<Turn> {
        if self.flow.model == Model::Open {
            return self.next_arrival().await;
        }
        if self.cool == Cool::Down || self.turn_ns == self.last_ns {
            self.pause(COOL_PAUSE).await;
            // Also when there was no pause because the end has come.
            self.now();
        }
        if self.shard.phase.get() == Phase::Paused {
            self.until_resumed().await;
        }
        self.turn_ns = self.last_ns;
        self.shard.next_closed(self.flow, self.last_ns)
    }

    /// Waits for an arrival, meanwhile noticing that a server closes its connection.
    async fn next_arrival(&mut self) -> Option<Turn> {
        let (shard, flow, slot) = (self.shard, self.flow, self.slot);
        let queued = if slot.offered.get().is_some() { None } else { flow.next_queued(slot.id) };
        let turn = match queued {
            Some(turn) => Some(turn),
            None => {
                poll_fn(|cx| {
                    if let Some(turn) = slot.offered.take() {
                        return Poll::Ready(Some(turn));
                    }
                    if flow.issued.get() {
                        return Poll::Ready(None);
                    }
                    slot.keep_waker(cx);
                    self.links.iter_mut().for_each(|link| link.notice_close(cx));
                    Poll::Pending
                })
                .await
            }
        };
        let turn = turn?;
        let start_ns = self.now();
        if let Some(due) = turn.due.filter(|due| due.route == Route::Direct) {
            shard.recorder.borrow_mut().departed(start_ns.saturating_sub(due.intent_ns));
        }
        slot.arrival.set(Some(turn));
        Some(turn)
    }

    /// The user's `start` is carried out.
    pub(in crate::load) async fn start_of<S: Scenario>(
        &mut self,
        scenario: &S,
        user: &mut S::User,
    ) -> Result<(), Halt> {
        let started = scenario.start(user, self).await;
        if started.is_ok() {
            self.state = State::Working;
        }
        started
    }

    /// Whether `start` was carried out.
    pub(in crate::load) fn has_started(&self) -> bool {
        self.state != State::New
    }

    /// The turn is over.
    pub(in crate::load) fn end_turn(&mut self, turn: Turn, end: &Result<(), Halt>) {
        self.flow.busy.set(self.flow.busy.get() - 1);
        // An arrival that was never begun, because its user could not start or was told to leave, was not sent.
        if let Some(due) = self.slot.arrival.take().and(turn.due)
            && end.is_err()
        {
            let waited_ns = self.now().saturating_sub(due.intent_ns);
            let series = self.flow.first_series(turn.iteration);
            self.shard.recorder.borrow_mut().not_sent(series, waited_ns);
        }
    }

    /// From here on the user only takes its leave, which it may do although the run is over.
    pub(in crate::load) fn say_goodbye(&mut self) {
        self.state = State::Leaving;
    }

    /// The run cannot go on.
    pub(in crate::load) fn give_up_run(&self, text: String) {
        self.shard.give_up(text);
    }
}
