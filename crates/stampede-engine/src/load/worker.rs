//! One connection's life: take a job, send it, record what came of it, take the next.
//!
//! Invariants: a worker has at most one request under way; after any failure its connection is dropped; time-outs reach it
//! by a flag and a wake-up, not by a timer of its own.
//! Absent on purpose: sending a failed request again.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::{CONNECTION, SERVER};

use super::plan::{Arrivals, Reuse};
use super::recorder::{Answered, Stamps, Unseen};
use super::samples::FirstAnswer;
use super::shard::{Doing, Job, Route, Shard, Slot};
use crate::http::RequestFailure;
use crate::http::connection::Connection;

/// Pause of a closed-model worker after it could not connect: a refused connection takes microseconds, and a worker that
/// tries again at once would take the CPU the server needs to come up.
const CONNECT_PAUSE: Duration = Duration::from_millis(10);

/// Sends jobs of a closed model until there is none.
pub(super) async fn work_closed(shard: Rc<Shard>, slot: Rc<Slot>) {
    let mut connection = None;
    let mut now_ns = shard.clock.now_ns();
    while let Some(job) = shard.next_closed(&slot, now_ns) {
        let (end_ns, end) = serve(&shard, &slot, &mut connection, (job, now_ns)).await;
        now_ns = end_ns;
        if end == End::NoConnection {
            tokio::time::sleep(CONNECT_PAUSE).await;
            now_ns = shard.clock.now_ns();
        }
    }
    shard.workers.set(shard.workers.get() - 1);
}

/// Sends jobs of an open model as they are handed over; ends with its runtime.
pub(super) async fn work_open(shard: Rc<Shard>, slot: Rc<Slot>) {
    let mut connection = None;
    loop {
        let queued = if slot.offered.get().is_some() { None } else { shard.next_queued(&slot) };
        let job = match queued {
            Some(job) => job,
            None => offered(&slot, &mut connection).await,
        };
        let start_ns = shard.clock.now_ns();
        if job.route == Route::Direct {
            shard.lag.borrow_mut().record(start_ns.saturating_sub(job.intent_ns));
        }
        serve(&shard, &slot, &mut connection, (job, start_ns)).await;
    }
}

/// Waits for a job, meanwhile noticing that the server closes the connection.
async fn offered(slot: &Slot, connection: &mut Option<Connection>) -> Job {
    poll_fn(|cx| {
        if let Some(job) = slot.offered.take() {
            return Poll::Ready(job);
        }
        slot.keep_waker(cx);
        if connection.as_mut().is_some_and(|open| open.poll_closed(cx)) {
            *connection = None;
        }
        Poll::Pending
    })
    .await
}

/// How serving a job ended, as far as the next one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A connection was had.
    Connected,
    /// None could be established.
    NoConnection,
}

/// Sends one job taken up at `start_ns`, records its end, and returns when and how that was.
async fn serve(
    shard: &Shard,
    slot: &Slot,
    connection: &mut Option<Connection>,
    (job, start_ns): (Job, u64),
) -> (u64, End) {
    shard.take_up(slot, start_ns);
    let attempt = unless_expired(slot, attempt(shard, slot, connection, (job, start_ns))).await;
    let mut recorder = shard.recorder.borrow_mut();
    if let Some(open) = connection.as_ref() {
        recorder.travelled(open.meter().take());
    }
    let keep = attempt.is_answer() && shard.plan.reuse == Reuse::KeepAlive;
    if !keep {
        *connection = None;
    }
    let sent_at_ns = match slot.doing.get() {
        Doing::Waiting { sent_at_ns, .. } => Some(sent_at_ns),
        Doing::Nothing | Doing::Connecting(_) => None,
    };
    let end_ns = match attempt {
        Attempt::Ended(Ok((stamps, answered))) => {
            if shard.plan.expect.admits(answered.status) {
                recorder.succeeded(stamps, answered);
            } else {
                recorder.refused(stamps, answered);
            }
            stamps.end_ns
        }
        Attempt::Ended(Err(failure)) => {
            let now_ns = shard.clock.now_ns();
            recorder.failed(job.intent_ns, now_ns, failure);
            now_ns
        }
        Attempt::Expired => {
            let now_ns = shard.clock.now_ns();
            recorder.unseen(job.intent_ns, now_ns, Unseen::TimedOut { sent_at_ns });
            now_ns
        }
    };
    drop(recorder);
    shard.settle(slot);
    (end_ns, if sent_at_ns.is_some() { End::Connected } else { End::NoConnection })
}

/// An attempt that came to its end, or whose time was over.
enum Attempt {
    Ended(Result<(Stamps, Answered), RequestFailure>),
    Expired,
}

impl Attempt {
    fn is_answer(&self) -> bool {
        matches!(self, Self::Ended(Ok(_)))
    }
}

async fn unless_expired(
    slot: &Slot,
    attempt: impl Future<Output = Result<(Stamps, Answered), RequestFailure>>,
) -> Attempt {
    let mut attempt = pin!(attempt);
    poll_fn(|cx| {
        // The answer first: one that is already here is not late.
        if let Poll::Ready(end) = attempt.as_mut().poll(cx) {
            return Poll::Ready(Attempt::Ended(end));
        }
        if slot.expired.get() {
            return Poll::Ready(Attempt::Expired);
        }
        slot.keep_waker(cx);
        Poll::Pending
    })
    .await
}

/// Connects if need be, sends, reads the whole answer.
async fn attempt(
    shard: &Shard,
    slot: &Slot,
    connection: &mut Option<Connection>,
    (job, start_ns): (Job, u64),
) -> Result<(Stamps, Answered), RequestFailure> {
    if let Some(open) = connection.as_mut()
        && !open.is_ready().await
    {
        // Closed by the server between two requests, which is its right: nothing was sent on it.
        *connection = None;
    }
    let (open, send_ns) = if let Some(open) = connection.as_mut() {
        (open, start_ns)
    } else {
        let open = connection.insert(Connection::open(shard.address, shard.clock).await?);
        let now_ns = shard.clock.now_ns();
        shard.recorder.borrow_mut().connected(now_ns.saturating_sub(start_ns));
        (open, now_ns)
    };
    slot.doing.set(Doing::Waiting { job, sent_at_ns: send_ns });
    let requests = &shard.plan.requests;
    let request = &requests[(job.index % requests.len() as u64) as usize];
    let wants_head = shard.recorder.borrow().wants_head();
    let look = |response: &http::Response<_>| wants_head.then(|| Head::of(response.headers()));
    let answer = open.exchange(request, look, |_| ()).await?;
    let end_ns = shard.clock.now_ns();
    let first_byte_ns = open.meter().first_byte_ns().unwrap_or(end_ns);
    let mut kept_alive = false;
    if let Some(head) = answer.head {
        kept_alive = head.kept_alive;
        let first = FirstAnswer { server: head.server, body_bytes: answer.body_bytes };
        shard.recorder.borrow_mut().note_first(|| first);
    }
    let stamps = Stamps { intent_ns: job.intent_ns, start_ns, send_ns, first_byte_ns, end_ns };
    Ok((stamps, Answered { status: answer.status, body_bytes: answer.body_bytes, kept_alive }))
}

/// What is taken from the head of an answer when single answers are kept.
struct Head {
    server: Option<String>,
    kept_alive: bool,
}

impl Head {
    fn of(headers: &http::HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            server: text(SERVER).map(ToOwned::to_owned),
            kept_alive: text(CONNECTION).is_some_and(|value| value.eq_ignore_ascii_case("keep-alive")),
        }
    }
}

/// Starts the worker that a closed plan or an offer asks for.
pub(super) fn spawn(shard: &Rc<Shard>, slot: Rc<Slot>) {
    let shard = Rc::clone(shard);
    match shard.plan.arrivals {
        Arrivals::Closed { .. } => {
            shard.workers.set(shard.workers.get() + 1);
            tokio::task::spawn_local(work_closed(shard, slot));
        }
        Arrivals::Open { .. } => {
            tokio::task::spawn_local(work_open(shard, slot));
        }
    }
}
