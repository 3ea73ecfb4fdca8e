//! What a virtual user sends with: every request goes through here and is counted here.
//!
//! Invariants: a user has at most one request under way; after any failure its connection is dropped; time-outs reach it
//! by a flag and a wake-up, not by a timer of its own; nothing is sent while the run is paused or over.
//! Absent on purpose: sending a failed request again.

mod judge;
mod turns;
mod waits;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::barrier::Ticket;
use super::link::{Call, End, Link};
use super::plan::Expect;
use super::scenario::{Halt, Mismatch, Received, Seat, StepId, Want};
use super::shard::{Phase, Shard};
use super::share::{FlowShare, Model};
use super::slot::{Doing, Slot, Turn};
use crate::http::RequestPlan;
pub use judge::{Attempt, Exchange};

/// Pause of a closed-model user after it could not connect, or after an iteration in which it did nothing at all: a refused
/// connection takes microseconds, and a user who tries again at once would take the CPU the server needs to come up. One
/// who never waits would not even let its thread look whether the run is over.
const COOL_PAUSE: Duration = Duration::from_millis(10);

/// One user's way to the servers.
pub struct Client<'a> {
    shard: &'a Shard,
    flow: &'a FlowShare,
    slot: &'a Slot,
    links: Vec<Link>,
    rng: SmallRng,
    /// The last instant that was looked at.
    last_ns: u64,
    state: State,
    /// The kept part of the last body; its memory is used again.
    body: Vec<u8>,
    no_headers: HeaderMap,
    ticket: Option<Ticket>,
    cool: Cool,
    /// What `last_ns` was when the last turn began.
    turn_ns: u64,
    exchange: Exchange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing done yet.
    New,
    /// Between or within iterations.
    Working,
    /// In its last act.
    Leaving,
}

/// Whether the last request found a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cool {
    No,
    /// It could not even connect.
    Down,
}

impl<'a> Client<'a> {
    pub(super) fn new(shard: &'a Shard, flow: &'a FlowShare, slot: &'a Slot, seat: Seat) -> Self {
        Self {
            shard,
            flow,
            slot,
            links: (0..shard.origins.len()).map(|_| Link::default()).collect(),
            rng: SmallRng::seed_from_u64(seat.seed),
            last_ns: shard.clock.now_ns(),
            state: State::New,
            body: Vec::new(),
            no_headers: HeaderMap::new(),
            ticket: None,
            cool: Cool::No,
            turn_ns: u64::MAX,
            exchange: Exchange::default(),
        }
    }

    /// Sends `request`, reads the whole answer, records it under `step`, and gives back what `check` makes of it.
    ///
    /// # Errors
    /// [`Halt::Iteration`] when the request failed, which is counted by its kind, or when `check` refused the answer;
    /// [`Halt::User`] when nothing may be sent any more, because the run or the user's flow is over;
    /// [`Halt::Run`] when the request goes to a server that [`Scenario::origins`](super::scenario::Scenario::origins) did
    /// not name.
    /// # Cancel safety
    /// Dropping the future leaves the request counted as unfinished, and its connection is closed.
    pub async fn send<T>(
        &mut self,
        step: StepId,
        request: &RequestPlan,
        want: Want,
        check: impl FnOnce(&Received<'_>) -> Result<T, Mismatch>,
    ) -> Result<T, Halt> {
        match self.attempt(step, request, want, check).await? {
            Attempt::Good(value) => Ok(value),
            Attempt::Failed { .. } => Err(Halt::Iteration),
        }
    }

    /// As [`Client::send`], for callers who go on after a failure.
    ///
    /// # Errors
    /// As [`Client::send`], except that a failed request is no error.
    pub async fn attempt<T>(
        &mut self,
        step: StepId,
        request: &RequestPlan,
        want: Want,
        check: impl FnOnce(&Received<'_>) -> Result<T, Mismatch>,
    ) -> Result<Attempt<T>, Halt> {
        self.leave_dropped();
        self.gate().await?;
        let start_ns = self.now();
        let Some(origin) = self.origin_of(request) else {
            let place = request.endpoint().authority();
            return Err(Halt::Run(format!("a request goes to {place}, which the scenario does not name as a server")));
        };
        let series = self.series_of(step);
        let (intent_ns, timeout_ns) = (self.intent(start_ns), self.timeout_ns(want.timeout));
        self.shard.begin(self.slot, (series, intent_ns), start_ns.saturating_add(timeout_ns));
        let call = Call { origin, request, series, want, intent_ns, start_ns };
        let end = self.carry(&call).await;
        Ok(self.judge(&call, end, check))
    }

    /// Sends one of a fixed list of requests, of which only the status is looked at. `start_ns` is now, as far as the caller
    /// knows.
    pub(super) async fn send_fixed(
        &mut self,
        step: StepId,
        request: &RequestPlan,
        expect: &Expect,
    ) -> Result<(), Halt> {
        if self.shard.phase.get() != Phase::Issuing {
            self.gate().await?;
        }
        let (series, start_ns) = (self.series_of(step), self.last_ns);
        let intent_ns = self.intent(start_ns);
        self.shard.begin(self.slot, (series, intent_ns), start_ns.saturating_add(self.shard.timeout_ns()));
        let call = Call { origin: 0, request, series, want: Want::STATUS, intent_ns, start_ns };
        let end = self.carry(&call).await;
        let check =
            |received: &Received<'_>| if expect.admits(received.status) { Ok(()) } else { Err(Mismatch::Status) };
        self.judge(&call, end, check);
        Ok(())
    }

    /// Random numbers of this user: the same in every run with the same seed, whatever the server does.
    pub fn rng(&mut self) -> &mut SmallRng {
        &mut self.rng
    }

    /// When the last request was under way.
    pub fn last_exchange(&self) -> Exchange {
        self.exchange
    }

    /// Nanoseconds since the start of the run.
    pub fn now_ns(&self) -> u64 {
        self.shard.clock.now_ns()
    }

    /// Whether the run or the user's flow is over, so that nothing more can be sent. Iterations of an open flow that began
    /// before its end go on within the plan's drain.
    pub fn is_stopping(&self) -> bool {
        let past_end = self.flow.model == Model::Closed && self.last_ns >= self.flow.end_ns.get();
        self.state != State::Leaving && (past_end || self.shard.phase.get() == Phase::Draining)
    }

    /// Lets a request through, now or after a pause, or not at all.
    async fn gate(&mut self) -> Result<(), Halt> {
        if self.state == State::Leaving {
            return Ok(());
        }
        if self.shard.phase.get() == Phase::Paused {
            self.until_resumed().await;
        }
        // An arrival that was taken up is sent; what would follow it is not.
        if self.is_stopping() && self.arrival().is_none() { Err(Halt::User) } else { Ok(()) }
    }

    fn now(&mut self) -> u64 {
        self.last_ns = self.shard.clock.now_ns();
        self.last_ns
    }

    /// The arrival that the next request answers. What a user sends when it starts is not what the arrival asked for: that
    /// waits meanwhile, where the end of the run finds it.
    fn arrival(&self) -> Option<Turn> {
        if self.state == State::New { None } else { self.slot.arrival.get() }
    }

    /// When the request should have left: the first of an arrival at its intended start.
    fn intent(&self, start_ns: u64) -> u64 {
        let Some(turn) = self.arrival() else { return start_ns };
        self.slot.arrival.set(None);
        turn.due.map_or(start_ns, |due| due.intent_ns)
    }

    /// A request whose future was dropped has no end that anybody sees, and its connection is in the middle of an answer.
    pub(super) fn leave_dropped(&mut self) {
        if self.slot.doing.get() != Doing::Nothing {
            self.links.iter_mut().for_each(Link::close);
            self.shard.leave(self.slot);
        }
    }

    fn timeout_ns(&self, own: Option<Duration>) -> u64 {
        own.map_or(self.shard.timeout_ns(), |own| u64::try_from(own.as_nanos()).unwrap_or(u64::MAX))
    }

    fn series_of(&self, step: StepId) -> u32 {
        self.flow.series.get(step.0 as usize).copied().unwrap_or(0)
    }

    fn origin_of(&self, request: &RequestPlan) -> Option<usize> {
        self.shard.origins.iter().position(|origin| origin.serves(request.endpoint()))
    }

    /// Sends and waits for the end or the time-out.
    async fn carry(&mut self, call: &Call<'_>) -> End {
        let (shard, slot) = (self.shard, self.slot);
        let link = &mut self.links[call.origin];
        self.body.clear();
        let mut attempt = pin!(link.exchange((shard, slot), call, &mut self.body));
        poll_fn(|cx| {
            // The answer first: one that is already here is not late.
            if let Poll::Ready(end) = attempt.as_mut().poll(cx) {
                return Poll::Ready(End::Ended(end));
            }
            if slot.expired.get() {
                return Poll::Ready(End::Expired);
            }
            slot.keep_waker(cx);
            Poll::Pending
        })
        .await
    }
}
