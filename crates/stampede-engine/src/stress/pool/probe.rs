//! Requests on a schedule, each on a connection of its own, each with what became of it.
//!
//! Invariants: at most [`IN_FLIGHT_MAX`] are under way, one more is counted as not sent; each ends within its time-out or is
//! counted as one that hung; at most [`PROBES_MAX`] are kept, then the sending ends.
//!
//! Each has a thread of its own while it is under way: some of what a request does on its way (looking up a name, the
//! first connect) blocks, and one service that hangs must not delay the next request.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stampede_model::failure::FailureKind;
use stampede_model::stress::pool::{Outcome, Probe};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep_until, timeout};

use super::PoolOrder;
use crate::http::RequestPlan;
use crate::http::endpoint::Unreachable;
use crate::http::once::{OnceError, once};
use crate::stress::ns;

/// Most requests under way: threads of the runtime's pool.
const IN_FLIGHT_MAX: u32 = 400;
/// Most requests of a run.
const PROBES_MAX: usize = 1_000_000;

/// Sends requests and keeps what became of them.
pub(super) struct Probes {
    request: RequestPlan,
    rate_per_s: f64,
    timeout: Duration,
    started: Instant,
    places: Arc<Semaphore>,
    ended: AtomicBool,
    wake: Notify,
    taken: Mutex<Vec<Probe>>,
}

impl Probes {
    pub(super) fn new(order: &PoolOrder) -> Self {
        Self {
            request: order.request.clone(),
            rate_per_s: order.rate_per_s,
            timeout: order.timeout,
            started: Instant::now(),
            places: Arc::new(Semaphore::new(IN_FLIGHT_MAX as usize)),
            ended: AtomicBool::new(false),
            wake: Notify::new(),
            taken: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Issue no more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// What became of all requests so far.
    pub(super) fn taken(&self) -> Vec<Probe> {
        let mut taken = self.lock().clone();
        taken.sort_by_key(|probe| probe.at_ns);
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Probe>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends until [`Probes::end`], then waits for what is under way.
    pub(super) async fn send(self: Arc<Self>) {
        for number in 0..PROBES_MAX {
            let at = Duration::from_secs_f64(number as f64 / self.rate_per_s);
            tokio::select! {
                () = sleep_until((self.started + at).into()) => {}
                () = self.wake.notified() => {}
            }
            if self.ended.load(Ordering::SeqCst) {
                break;
            }
            self.issue(at);
        }
        // Whoever has a place gives it back within the time-out.
        let all = self.places.acquire_many(IN_FLIGHT_MAX).await;
        drop(all);
    }

    fn issue(self: &Arc<Self>, at: Duration) {
        let at_ns = ns(at);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.lock().push(Probe { at_ns, end_ns: at_ns, outcome: Outcome::NotSent });
            return;
        };
        let probes = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let outcome = probes.ask();
            let end_ns = ns(probes.started.elapsed());
            // The parts of a request each have the time-out; a user has it once.
            let late = Duration::from_nanos(end_ns.saturating_sub(at_ns)) > probes.timeout + Duration::from_millis(100);
            let outcome = match outcome {
                Outcome::Answered { .. } if late => Outcome::Failed(FailureKind::Timeout),
                outcome => outcome,
            };
            probes.lock().push(Probe { at_ns, end_ns, outcome });
            drop(place);
        });
    }

    fn ask(&self) -> Outcome {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Outcome::Failed(own_fault(&error)),
        };
        let answered = runtime.block_on(async { timeout(self.timeout, once(&self.request, self.timeout)).await });
        match answered {
            Err(_elapsed) => Outcome::Failed(FailureKind::Timeout),
            Ok(Ok(answer)) => Outcome::Answered {
                status: answer.status,
                retry_after: answer.headers.contains_key(http::header::RETRY_AFTER),
            },
            Ok(Err(OnceError::Request(failure))) => Outcome::Failed(failure.kind),
            Ok(Err(OnceError::Unreachable(Unreachable::Connect { why, .. }))) => Outcome::Failed(connect_fault(&why)),
            Ok(Err(OnceError::Unreachable(_))) => Outcome::Failed(FailureKind::ConnectFailed),
        }
    }
}

/// A process without a free descriptor cannot even begin.
fn own_fault(error: &io::Error) -> FailureKind {
    const EMFILE: i32 = 24;
    if error.raw_os_error() == Some(EMFILE) { FailureKind::TooManyOpenFiles } else { FailureKind::Other }
}

fn connect_fault(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::ConnectRefused,
        io::ErrorKind::ConnectionReset => FailureKind::Reset,
        io::ErrorKind::TimedOut => FailureKind::ConnectTimeout,
        io::ErrorKind::AddrNotAvailable => FailureKind::NoLocalPort,
        _ => match own_fault(error) {
            FailureKind::Other => FailureKind::ConnectFailed,
            fault => fault,
        },
    }
}
