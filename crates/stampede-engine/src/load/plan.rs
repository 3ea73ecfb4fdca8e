//! What to load, how hard, for how long.
//!
//! Invariant: a [`LoadPlan`] holds no contradiction that [`LoadPlan::check`] does not name; every queue and pool it
//! allows has a bound.

mod check;
mod record;

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_model::schedule::{Schedule, UserCurve};
use stampede_model::threshold::Limit;

use super::fixed::Fixed;
use super::flow::{Flow, FlowLoad};
use crate::http::RequestPlan;
pub use check::BadPlan;

/// What to load, how hard, for how long.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// The requests, sent in turn by arrival number; all to the same host and port.
    pub requests: Vec<RequestPlan>,
    /// When requests leave.
    pub arrivals: Arrivals,
    /// When to stop.
    pub stop: Stop,
    /// Time one request may take, from seeking a connection to the last byte.
    pub timeout: Duration,
    /// Time requests under way get to finish after the last one was issued; never longer than `timeout` is useful.
    pub drain: Duration,
    /// Whether connections are used again.
    pub reuse: Reuse,
    /// Which answers are successes.
    pub expect: Expect,
    /// Generator threads.
    pub threads: NonZeroU32,
    /// Sorts of users under load side by side. Without any, `requests`, `arrivals`, `stop` and `expect` make the only one;
    /// with some, these four are not looked at.
    pub flows: Vec<Flow>,
    /// What all random numbers of the users are drawn from.
    pub seed: u64,
    /// Limits that may end the run; those without an abort are not looked at here.
    pub limits: Vec<Limit>,
    /// Values that are replaced wherever a request is shown.
    pub redacted: Vec<String>,
}

/// When requests leave.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Each connection sends its next request when the last one ended: finds out how much a server can do.
    Closed {
        /// How many connections.
        connections: NonZeroU32,
    },
    /// The same with a number of connections that changes.
    Users {
        /// Their number over time.
        curve: UserCurve,
    },
    /// Requests leave on a schedule whatever the server does: finds out how long users wait at that rate.
    Open {
        /// The schedule.
        schedule: Schedule,
        /// Most requests under way at once, each on its own connection.
        max_in_flight: NonZeroU32,
        /// Most arrivals that wait for a connection; more are counted as not sent.
        max_queue: u32,
    },
}

/// When to stop: whatever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// After so many requests.
    pub requests: Option<u64>,
    /// After issuing for so long.
    pub duration: Option<Duration>,
}

/// Whether connections are used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Keep-alive.
    #[default]
    KeepAlive,
    /// A new connection for every request.
    PerRequest,
}

/// Which answers are successes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Any status below 400.
    #[default]
    Below400,
    /// These only.
    Only(Vec<u16>),
    /// Any complete answer.
    Any,
}

impl Expect {
    /// Whether an answer of `status` is a success.
    pub fn admits(&self, status: u16) -> bool {
        match self {
            Self::Below400 => status < 400,
            Self::Only(statuses) => statuses.contains(&status),
            Self::Any => true,
        }
    }
}

impl LoadPlan {
    /// Default time-out of one request.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// Default time for the last requests to finish.
    pub const DRAIN: Duration = Duration::from_secs(5);
    /// Default bound of requests under way in the open model.
    pub const MAX_IN_FLIGHT: NonZeroU32 = NonZeroU32::new(512).expect("512 is not zero");
    /// Default bound of waiting arrivals in the open model: 800 KiB.
    pub const MAX_QUEUE: u32 = 100_000;
    /// Ports of one address pair; more connections to one server cannot exist.
    pub const MAX_CONNECTIONS: u32 = 60_000;

    /// A closed model of `connections` users, with defaults for the rest.
    pub fn closed(request: RequestPlan, connections: NonZeroU32, stop: Stop) -> Self {
        Self::with(request, Arrivals::Closed { connections }, stop)
    }

    /// An open model on `schedule`, with defaults for the rest.
    pub fn open(request: RequestPlan, schedule: Schedule, stop: Stop) -> Self {
        let arrivals = Arrivals::Open { schedule, max_in_flight: Self::MAX_IN_FLIGHT, max_queue: Self::MAX_QUEUE };
        Self::with(request, arrivals, stop)
    }

    fn with(request: RequestPlan, arrivals: Arrivals, stop: Stop) -> Self {
        Self {
            requests: vec![request],
            arrivals,
            stop,
            timeout: Self::TIMEOUT,
            drain: Self::DRAIN,
            reuse: Reuse::default(),
            expect: Expect::default(),
            threads: default_threads(),
            flows: Vec::new(),
            seed: 0,
            limits: Vec::new(),
            redacted: Vec::new(),
        }
    }

    /// A plan of flows, with defaults for the rest.
    pub fn of_flows(flows: Vec<Flow>) -> Self {
        Self {
            requests: Vec::new(),
            arrivals: Arrivals::Closed { connections: NonZeroU32::MIN },
            stop: Stop::default(),
            timeout: Self::TIMEOUT,
            drain: Self::DRAIN,
            reuse: Reuse::default(),
            expect: Expect::default(),
            threads: default_threads(),
            flows,
            seed: 0,
            limits: Vec::new(),
            redacted: Vec::new(),
        }
    }

    /// The flows as they will be carried out.
    pub(super) fn resolved(&self) -> Vec<Flow> {
        if !self.flows.is_empty() {
            return self.flows.clone();
        }
        let load = match self.arrivals.clone() {
            Arrivals::Closed { connections } => FlowLoad::Connections { connections },
            Arrivals::Users { curve } => FlowLoad::Users { curve },
            Arrivals::Open { schedule, max_in_flight, max_queue } => {
                FlowLoad::Arrivals { schedule, max_in_flight, max_queue }
            }
        };
        let scenario = Fixed { requests: self.requests.clone(), expect: self.expect.clone() };
        let mut flow = Flow::new("", scenario, load);
        (flow.iterations, flow.duration) = (self.stop.requests, self.stop.duration);
        vec![flow]
    }

    /// Most connections at once.
    pub fn connections(&self) -> u32 {
        if !self.flows.is_empty() {
            return self.flows.iter().fold(0, |sum, flow| sum.saturating_add(flow.users_max()));
        }
        match &self.arrivals {
            Arrivals::Users { curve } => curve.peak_users(),
            Arrivals::Closed { connections } => connections.get(),
            Arrivals::Open { max_in_flight, .. } => max_in_flight.get(),
        }
    }

    /// Requests the plan asks for at most, when that is known beforehand.
    pub fn asked_at_most(&self) -> Option<u64> {
        if !self.flows.is_empty() {
            return None;
        }
        let by_time = match (&self.arrivals, self.stop.duration) {
            (_, Some(Duration::ZERO)) => Some(0),
            // Walking a Poisson schedule of a day would take long; an estimate would not be "at most".
            (Arrivals::Open { schedule, .. }, Some(duration)) if schedule.expected_before(nanos(duration)) < 1e7 => {
                Some(schedule.count_before(nanos(duration)))
            }
            _ => None,
        };
        match (self.stop.requests, by_time) {
            (Some(requests), Some(by_time)) => Some(requests.min(by_time)),
            (requests, by_time) => requests.or(by_time),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One core is left to the server or the rest of the machine.
fn default_threads() -> NonZeroU32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    NonZeroU32::new(u32::try_from(cores.saturating_sub(1)).unwrap_or(1)).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests;
