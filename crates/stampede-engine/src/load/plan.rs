//! What to load, how hard, for how long.
//!
//! Invariant: a [`LoadPlan`] holds no contradiction that [`LoadPlan::check`] does not name; every queue and pool it
//! allows has a bound.

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_model::run::{ArrivalsRecord, PlanRecord};
use stampede_model::schedule::{Schedule, UserCurve};
use stampede_model::threshold::Limit;
use thiserror::Error;

use super::fixed::Fixed;
use super::flow::{Flow, FlowLoad};
use crate::http::RequestPlan;

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

/// A plan that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadPlan {
    /// No request.
    #[error("the plan holds no request")]
    NoRequest,
    /// Requests to different servers.
    #[error("all requests of a plan go to one server: {first} and {other} differ")]
    Hosts {
        /// Host and port of the first.
        first: String,
        /// Host and port of another.
        other: String,
    },
    /// It would never end.
    #[error("the plan never stops: set a number of requests or a duration")]
    Endless,
    /// One of its flows would never end.
    #[error("scenario `{name}` never stops: set a duration or a number of iterations")]
    EndlessFlow {
        /// Which.
        name: String,
    },
    /// One of its flows would do nothing.
    #[error("scenario `{name}` would send nothing: its users, iterations or duration are zero")]
    EmptyFlow {
        /// Which.
        name: String,
    },
    /// Nothing could finish.
    #[error("a time-out of zero lets no request finish")]
    ZeroTimeout,
    /// Nothing would be sent.
    #[error("no request would be sent: number of requests or duration is zero, or too short for the rate")]
    Empty,
    /// More connections than this process could ever hold.
    #[error("{asked} connections are too many: use at most {max}", max = LoadPlan::MAX_CONNECTIONS)]
    Connections {
        /// What was asked.
        asked: u32,
    },
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

    /// Finds the first contradiction.
    pub fn check(&self) -> Result<(), BadPlan> {
        if self.timeout.is_zero() {
            return Err(BadPlan::ZeroTimeout);
        }
        if self.connections() > Self::MAX_CONNECTIONS {
            return Err(BadPlan::Connections { asked: self.connections() });
        }
        if !self.flows.is_empty() {
            return self.flows.iter().try_for_each(check_flow);
        }
        let [first, others @ ..] = self.requests.as_slice() else { return Err(BadPlan::NoRequest) };
        let host = |request: &RequestPlan| (request.endpoint().host().to_owned(), request.endpoint().port());
        if let Some(other) = others.iter().find(|other| host(other) != host(first)) {
            let name = |request: &RequestPlan| request.endpoint().authority().to_owned();
            return Err(BadPlan::Hosts { first: name(first), other: name(other) });
        }
        if self.stop == Stop::default() {
            return Err(BadPlan::Endless);
        }
        if self.asked_at_most() == Some(0) {
            return Err(BadPlan::Empty);
        }
        Ok(())
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

    /// The plan as it stands in a run file.
    ///
    /// # Panics
    /// When the plan holds no request; [`LoadPlan::check`] says so first.
    pub fn record(&self) -> PlanRecord {
        let sample = self.flows.first().and_then(|flow| flow.origins().into_iter().next());
        let request = sample.as_ref().unwrap_or_else(|| &self.requests[0]);
        PlanRecord {
            method: request.method().to_string(),
            url: request.endpoint().to_string(),
            header_names: request.headers().keys().map(ToString::to_string).collect(),
            body_bytes: request.body_len() as u64,
            arrivals: record_of(self.resolved().first().map(|flow| &flow.load)),
            requests: self.stop.requests,
            duration_ns: self.stop.duration.map(nanos),
            timeout_ns: nanos(self.timeout),
            keep_alive: self.reuse == Reuse::KeepAlive,
            threads: self.threads.get(),
            scenario: None,
        }
    }
}

fn record_of(load: Option<&FlowLoad>) -> ArrivalsRecord {
    match load {
        None => ArrivalsRecord::Closed { connections: 0 },
        Some(FlowLoad::Connections { connections }) => ArrivalsRecord::Closed { connections: connections.get() },
        Some(FlowLoad::Users { curve }) => ArrivalsRecord::Closed { connections: curve.peak_users() },
        Some(FlowLoad::Arrivals { schedule, max_in_flight, max_queue }) => ArrivalsRecord::Open {
            schedule: schedule.clone(),
            max_in_flight: max_in_flight.get(),
            max_queue: *max_queue,
        },
    }
}

/// Finds the first contradiction within a flow.
fn check_flow(flow: &Flow) -> Result<(), BadPlan> {
    let name = || flow.name.clone();
    if flow.steps().is_empty() || flow.origins().is_empty() {
        return Err(BadPlan::NoRequest);
    }
    if flow.duration.is_none() && flow.iterations.is_none() {
        return Err(BadPlan::EndlessFlow { name: name() });
    }
    let nothing = flow.users_max() == 0 || flow.iterations == Some(0) || flow.duration == Some(Duration::ZERO);
    if nothing { Err(BadPlan::EmptyFlow { name: name() }) } else { Ok(()) }
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
mod tests {
    use stampede_model::schedule::Spacing;

    use super::*;

    fn request(url: &str) -> RequestPlan {
        RequestPlan::get(url).unwrap()
    }

    fn open(rate: f64, stop: Stop) -> LoadPlan {
        LoadPlan::open(request("http://x/"), Schedule::new(rate, Spacing::Uniform, 0).unwrap(), stop)
    }

    #[test]
    fn contradictions_are_named() {
        let for_1s = Stop { requests: None, duration: Some(Duration::from_secs(1)) };
        assert_eq!(open(5.0, for_1s).check(), Ok(()));
        assert_eq!(open(5.0, Stop::default()).check(), Err(BadPlan::Endless));
        assert_eq!(open(5.0, Stop { requests: Some(0), duration: None }).check(), Err(BadPlan::Empty));
        let mut plan = open(5.0, for_1s);
        plan.requests.push(request("http://y/"));
        assert!(matches!(plan.check(), Err(BadPlan::Hosts { .. })));
        plan.requests.clear();
        assert_eq!(plan.check(), Err(BadPlan::NoRequest));
        let mut plan = open(5.0, for_1s);
        plan.timeout = Duration::ZERO;
        assert_eq!(plan.check(), Err(BadPlan::ZeroTimeout));
    }

    #[test]
    fn what_is_asked_is_known_beforehand() {
        let for_30s = Stop { requests: None, duration: Some(Duration::from_secs(30)) };
        assert_eq!(open(1_000.0, for_30s).asked_at_most(), Some(30_000));
        let either = Stop { requests: Some(10), duration: Some(Duration::from_secs(30)) };
        assert_eq!(open(1_000.0, either).asked_at_most(), Some(10));
    }

    #[test]
    fn successes_are_what_was_expected() {
        assert!(Expect::Below400.admits(304) && !Expect::Below400.admits(400));
        let only = Expect::Only(vec![409]);
        assert!(only.admits(409) && !only.admits(200));
        assert!(Expect::Any.admits(500));
    }
}
