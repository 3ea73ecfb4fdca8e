//! What a run and its watcher say to each other while it goes on.
//!
//! Invariants: a generator looks at what is wished about every ten milliseconds and never waits for a watcher; a wish
//! takes effect at one instant on all threads, a little ahead of now, so that no burst makes up for the way it took to get
//! there; asking twice to stop is harmless; a watcher that never looks costs nothing. Wishes to a run that has not begun or
//! is over are forgotten, except the wish to stop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stampede_model::histogram::Histogram;

use super::steer::Steer;

/// Seconds that [`Control::recent`] reaches back.
pub const RECENT_S: usize = 120;

/// Handle of one run, shared between the run and whoever watches it.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    steer: Mutex<Option<Arc<Steer>>>,
}

/// How far a run is. The counters are a few milliseconds old.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Requests issued.
    pub sent: u64,
    /// Complete answers.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Arrivals turned away because the queue was full.
    pub not_sent: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Arrivals waiting for a user.
    pub queued: u64,
    /// Users alive; in a run of one URL, its connections.
    pub users: u64,
    /// What the schedules ask for now, arrivals per second; 0 without one.
    pub rate_asked_per_s: f64,
    /// Iterations begun.
    pub iterations: u64,
    /// Where the run is.
    pub phase: RunPhase,
    /// How late the generator was in the last whole second, 99th percentile in nanoseconds.
    pub lag_p99_ns: u64,
    /// CPU time per generator thread and second so far, 0 to 1.
    pub cpu_share: f64,
    /// Time since the start of the run in nanoseconds.
    pub elapsed_ns: u64,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunPhase {
    /// Not begun, or over.
    #[default]
    Idle,
    /// Requests are issued.
    Issuing,
    /// Somebody paused it.
    Paused,
    /// What is under way may finish.
    Draining,
}

/// One second that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveSecond {
    /// Which, from 0.
    pub second: u32,
    /// Requests that succeeded in it.
    pub succeeded: u64,
    /// Requests that failed in it.
    pub failed: u64,
    /// Median from the intended start.
    pub p50_ns: Option<u64>,
    /// 95th percentile.
    pub p95_ns: Option<u64>,
    /// 99th percentile.
    pub p99_ns: Option<u64>,
    /// How late the generator was in it, 99th percentile.
    pub lag_p99_ns: u64,
    /// Complete answers by status.
    pub statuses: BTreeMap<u16, u64>,
}

/// A wished rate of the open model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many times the rate asked for now, and of all that is still to come.
    Factor(f64),
    /// So many arrivals per second from now on, over all open flows in their present proportion; a curve is left. A flow
    /// that has yet to begin adds its own rate when it does.
    PerS(f64),
}

/// A wish that cannot be granted, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No run, or it is over.
    #[error("no run is under way")]
    NoRun,
    /// A rate, but the plan has no schedule.
    #[error("the run has no rate: its users decide when they send")]
    NoRate,
    /// Users, but arrivals decide how many there are.
    #[error("the run has no number of users: its arrivals make them")]
    NoUsers,
    /// A value out of range.
    #[error("{0}")]
    Value(String),
}

impl Control {
    /// A handle for one run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to issue nothing more, let what is under way finish, and report.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(steer) = self.steer() {
            steer.note_stop();
        }
    }

    /// Whether [`Control::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends the run in good order because of `text`, which becomes an event of the result.
    pub fn abort(&self, text: impl Into<String>) {
        if let Some(steer) = self.steer() {
            steer.abort(text.into());
        }
    }

    /// Lets nothing be issued until [`Control::resume`]. The plan stands still meanwhile: what is due in the pause is
    /// neither late nor lost, it comes after it.
    ///
    /// # Errors
    /// Without a run.
    pub fn pause(&self) -> Result<(), Refused> {
        self.running()?.pause();
        Ok(())
    }

    /// Goes on after a pause.
    ///
    /// # Errors
    /// Without a run.
    pub fn resume(&self) -> Result<(), Refused> {
        self.running()?.resume();
        Ok(())
    }

    /// Changes the rate of the open flows.
    ///
    /// # Errors
    /// Without a run, without an open flow, or when the rate cannot be scheduled.
    pub fn set_rate(&self, rate: Rate) -> Result<(), Refused> {
        self.running()?.set_rate(rate)
    }

    /// Changes the number of users of the closed flows, over all of them in their planned proportion. From here on the
    /// plan's curve is left.
    ///
    /// # Errors
    /// Without a run, without a closed flow, or beyond [`super::LoadPlan::MAX_CONNECTIONS`].
    pub fn set_users(&self, users: u32) -> Result<(), Refused> {
        self.running()?.set_users(users)
    }

    /// How far the run is.
    pub fn progress(&self) -> Progress {
        self.steer().map_or(Progress::default(), |steer| steer.progress())
    }

    /// The last [`RECENT_S`] seconds that are over, ascending.
    pub fn recent(&self) -> Vec<LiveSecond> {
        self.steer().map_or(Vec::new(), |steer| steer.recent())
    }

    /// Latencies from the intended start of all seconds that are over.
    pub fn total(&self) -> Histogram {
        self.steer().map_or(Histogram::new(), |steer| steer.total())
    }

    /// Watches `steer` from here on.
    pub(super) fn begin(&self, steer: &Arc<Steer>) {
        *self.lock() = Some(Arc::clone(steer));
    }

    fn steer(&self) -> Option<Arc<Steer>> {
        self.lock().clone()
    }

    fn running(&self) -> Result<Arc<Steer>, Refused> {
        self.steer().filter(|steer| !steer.is_over()).ok_or(Refused::NoRun)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Steer>>> {
        self.steer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
