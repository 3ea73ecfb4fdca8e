//! What a virtual user sends with: every request goes through here and is counted here.
//!
//! Invariants: a user has at most one request under way; after any failure its connection is dropped; time-outs reach it
//! by a flag and a wake-up, not by a timer of its own; nothing is sent while the run is paused or over.
//! Absent on purpose: sending a failed request again.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use stampede_model::failure::FailureKind;

use super::barrier::Ticket;
use super::link::{Call, Done, End, Link};
use super::plan::{Expect, Reuse};
use super::recorder::{Answered, Stamps, Unseen, Verdict};
use super::scenario::{BarrierId, Halt, Mismatch, Received, Scenario, Seat, StepId, Want};
use super::shard::{FlowShare, Model, Phase, Route, Shard, Slot, Turn};
use crate::http::RequestPlan;

/// Pause of a closed-model user after it could not connect: a refused connection takes microseconds, and a user who tries
/// again at once would take the CPU the server needs to come up.
const CONNECT_PAUSE: Duration = Duration::from_millis(10);

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

/// What came of a request that was counted, whatever came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt<T> {
    /// The answer was as expected.
    Good(T),
    /// It failed, and is counted so.
    Failed {
        /// As what.
        kind: FailureKind,
        /// The status, if an answer came.
        status: Option<u16>,
    },
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
        }
    }

    /// Sends `request`, reads the whole answer, records it under `step`, and gives back what `check` makes of it.
    ///
    /// # Errors
    /// [`Halt::Iteration`] when the request failed, which is counted by its kind, or when `check` refused the answer;
    /// [`Halt::User`] when nothing may be sent any more, because the run or the user's flow is over;
    /// [`Halt::Run`] when the request goes to a server that [`Scenario::origins`] did not name.
    /// # Cancel safety
    /// Dropping the future leaves the request counted as unfinished.
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
        let barriers = &self.shard.barriers;
        let now_ns = self.shard.clock.now_ns();
        let mut ticket = None;
        let released = {
            let mut patience = pin!(tokio::time::sleep(self.shard.plan.timeout));
            poll_fn(|cx| {
                let ticket = *ticket.get_or_insert_with(|| barriers.arrive(barrier, now_ns, cx));
                if barriers.poll_released(ticket, cx).is_ready() {
                    return Poll::Ready(true);
                }
                self.slot.keep_waker(cx);
                let over = self.is_cut_short() || patience.as_mut().poll(cx).is_ready();
                if over { Poll::Ready(false) } else { Poll::Pending }
            })
            .await
        };
        match ticket {
            Some(ticket) if released => self.ticket = Some(ticket),
            Some(ticket) => barriers.leave(ticket),
            None => {}
        }
        self.now();
    }

    /// Random numbers of this user: the same in every run with the same seed, whatever the server does.
    pub fn rng(&mut self) -> &mut SmallRng {
        &mut self.rng
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

    /// Waits for the next iteration; `None` when the user is to leave.
    pub(super) async fn next_turn(&mut self) -> Option<Turn> {
        if self.flow.model == Model::Open {
            return self.next_arrival().await;
        }
        if self.cool == Cool::Down {
            self.pause(CONNECT_PAUSE).await;
        }
        if self.shard.phase.get() == Phase::Paused {
            self.until_resumed().await;
        }
        self.shard.next_closed(self.flow, self.last_ns)
    }

    /// Waits for an arrival, meanwhile noticing that a server closes its connection.
    async fn next_arrival(&mut self) -> Option<Turn> {
        let (shard, flow, slot) = (self.shard, self.flow, self.slot);
        let queued = if slot.offered.get().is_some() { None } else { shard.next_queued(flow, slot) };
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
    pub(super) async fn start_of<S: Scenario>(&mut self, scenario: &S, user: &mut S::User) -> Result<(), Halt> {
        // What it sends is not what the arrival asked for.
        let arrival = self.slot.arrival.take();
        let started = scenario.start(user, self).await;
        self.slot.arrival.set(arrival);
        if started.is_ok() {
            self.state = State::Working;
        }
        started
    }

    /// Whether `start` was carried out.
    pub(super) fn has_started(&self) -> bool {
        self.state != State::New
    }

    /// The turn is over.
    pub(super) fn end_turn(&mut self, turn: Turn, end: &Result<(), Halt>) {
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
    pub(super) fn say_goodbye(&mut self) {
        self.state = State::Leaving;
    }

    /// The run cannot go on.
    pub(super) fn give_up_run(&self, text: String) {
        self.shard.given_up.borrow_mut().get_or_insert(text);
    }

    /// Whether waiting has no purpose any more.
    fn is_cut_short(&self) -> bool {
        let over = self.flow.model == Model::Closed && self.flow.issued.get();
        over || self.shard.phase.get() == Phase::Draining
    }

    async fn until_resumed(&mut self) {
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

    /// Lets a request through, now or after a pause, or not at all.
    async fn gate(&mut self) -> Result<(), Halt> {
        if self.state == State::Leaving {
            return Ok(());
        }
        if self.shard.phase.get() == Phase::Paused {
            self.until_resumed().await;
        }
        // An arrival that was taken up is sent; what would follow it is not.
        if self.is_stopping() && self.slot.arrival.get().is_none() { Err(Halt::User) } else { Ok(()) }
    }

    fn now(&mut self) -> u64 {
        self.last_ns = self.shard.clock.now_ns();
        self.last_ns
    }

    /// When the request should have left: the first of an arrival at its intended start.
    fn intent(&self, start_ns: u64) -> u64 {
        let due = self.slot.arrival.take().and_then(|turn| turn.due);
        due.map_or(start_ns, |due| due.intent_ns)
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

    /// Records the end of a request.
    fn judge<T>(
        &mut self,
        call: &Call<'_>,
        end: End,
        check: impl FnOnce(&Received<'_>) -> Result<T, Mismatch>,
    ) -> Attempt<T> {
        let sent_at_ns = self.slot.doing.get().sent_at_ns();
        self.cool = if sent_at_ns.is_some() { Cool::No } else { Cool::Down };
        if let (Some(ticket), Some(at_ns)) = (self.ticket.take(), sent_at_ns) {
            self.shard.barriers.note_sent(ticket, at_ns);
        }
        let link = &mut self.links[call.origin];
        let seen = link.seen();
        let mut recorder = self.shard.recorder.borrow_mut();
        recorder.travelled(link.travelled());
        if !matches!(end, End::Ended(Ok(_))) || self.shard.plan.reuse == Reuse::PerRequest {
            link.close();
        }
        let attempt = match end {
            End::Ended(Ok(done)) => {
                let Done { send_ns, first_byte_ns, end_ns, status, body_bytes, headers } = done;
                let Call { intent_ns, start_ns, .. } = *call;
                let stamps = Stamps { intent_ns, start_ns, send_ns, first_byte_ns, end_ns };
                self.last_ns = end_ns;
                let received = Received {
                    status,
                    headers: headers.as_ref().unwrap_or(&self.no_headers),
                    body: &self.body,
                    body_bytes,
                    service_ns: end_ns.saturating_sub(send_ns),
                };
                let answered = Answered { status, body_bytes, headers: headers.as_ref() };
                let (verdict, attempt) = sentence(status, check(&received));
                recorder.answered(call, stamps, &answered, verdict);
                attempt
            }
            End::Ended(Err(failure)) => {
                self.last_ns = self.shard.clock.now_ns();
                let kind = failure.kind;
                recorder.failed((call.series, call.intent_ns), self.last_ns, failure);
                Attempt::Failed { kind, status: None }
            }
            End::Expired => {
                self.last_ns = self.shard.clock.now_ns();
                let kind =
                    recorder.unseen((call.series, call.intent_ns), self.last_ns, Unseen::TimedOut { sent_at_ns, seen });
                Attempt::Failed { kind, status: None }
            }
        };
        drop(recorder);
        self.shard.settle(self.slot);
        attempt
    }
}

fn sentence<T>(status: u16, checked: Result<T, Mismatch>) -> (Verdict, Attempt<T>) {
    let (kind, text) = match checked {
        Ok(value) => return (Verdict::Good, Attempt::Good(value)),
        Err(Mismatch::Status) => (FailureKind::of_status(status), None),
        Err(Mismatch::Content(text)) => (FailureKind::ContentUnexpected, Some(text)),
    };
    (Verdict::Bad(kind, text), Attempt::Failed { kind, status: Some(status) })
}
