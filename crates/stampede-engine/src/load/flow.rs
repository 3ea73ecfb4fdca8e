//! A flow: one sort of users and how many of them do what, when.
//!
//! Invariant: a flow's steps, servers and barriers do not change while it runs.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use stampede_model::run_result::{Event, EventKind};
use stampede_model::schedule::{Schedule, UserCurve};
use stampede_model::units::trimmed;

use super::drive::{Drive, Driven};
use super::scenario::{Scenario, StepSpec};
use crate::http::RequestPlan;

/// One sort of users under load.
#[derive(Clone)]
pub struct Flow {
    /// Its name, for the plan's reader.
    pub name: String,
    /// How much load.
    pub load: FlowLoad,
    /// When it begins, after the start of the run.
    pub start_after: Duration,
    /// Iterations to start at most, over all its users.
    pub iterations: Option<u64>,
    /// How long it starts iterations; `None`: until the plan or `iterations` ends it.
    pub duration: Option<Duration>,
    pub(super) drive: Arc<dyn Drive>,
}

/// How much load a flow makes.
#[derive(Clone, Debug, PartialEq)]
pub enum FlowLoad {
    /// So many users, each starting its next iteration when the last one ended (closed model). Their number follows the
    /// curve; users who are too many leave when their iteration is over.
    Users {
        /// Their number over time, from the start of the flow.
        curve: UserCurve,
    },
    /// So many users from the first moment on, each on its connection (closed model).
    Connections {
        /// How many.
        connections: NonZeroU32,
    },
    /// Iterations begin on a schedule whatever the server does (open model). The first request of an iteration counts from
    /// the intended start, later ones from when they were reached.
    Arrivals {
        /// The schedule.
        schedule: Schedule,
        /// Most iterations under way at once; each has its user.
        max_in_flight: NonZeroU32,
        /// Most arrivals that wait for a user; more are counted as not sent.
        max_queue: u32,
    },
}

impl Flow {
    /// A flow of `scenario` from the start of the run until the plan ends it.
    pub fn new(name: impl Into<String>, scenario: impl Scenario, load: FlowLoad) -> Self {
        Self {
            name: name.into(),
            load,
            start_after: Duration::ZERO,
            iterations: None,
            duration: None,
            drive: Arc::new(Driven(scenario)),
        }
    }

    /// The scenario's steps.
    pub fn steps(&self) -> Vec<StepSpec> {
        self.drive.steps()
    }

    /// The servers it sends to.
    pub fn origins(&self) -> Vec<RequestPlan> {
        self.drive.origins()
    }

    /// Most users it has at once.
    pub fn users_max(&self) -> u32 {
        match &self.load {
            FlowLoad::Users { curve } => curve.peak_users(),
            FlowLoad::Connections { connections } => connections.get(),
            FlowLoad::Arrivals { max_in_flight, .. } => max_in_flight.get(),
        }
    }

    /// When which stage begins, for the time axis; nothing for a load that never changes.
    pub(super) fn stage_events(&self) -> Vec<Event> {
        let prefix = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        let stages: Vec<(Duration, String)> = match &self.load {
            FlowLoad::Connections { .. } => Vec::new(),
            FlowLoad::Users { curve } => {
                curve.stages().iter().map(|stage| (stage.over, format!("{} users", stage.to_users))).collect()
            }
            FlowLoad::Arrivals { schedule, .. } => {
                let stages = schedule.stages().iter();
                stages.map(|stage| (stage.over, format!("{}/s", trimmed(stage.to_per_s)))).collect()
            }
        };
        let mut at = self.start_after;
        let mut events = Vec::new();
        for (over, to) in stages {
            let text = if over.is_zero() { format!("{prefix}at once {to}") } else { format!("{prefix}towards {to}") };
            events.push(Event {
                at_ns: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX),
                kind: EventKind::Stage,
                text,
            });
            at = at.saturating_add(over);
        }
        events
    }

    /// When it stops starting iterations by its own account, after the start of the run.
    pub(super) fn end(&self) -> Option<Duration> {
        self.duration.map(|lasts| self.start_after.saturating_add(lasts))
    }
}

impl FlowLoad {
    /// Whether users decide when the next iteration begins.
    pub fn is_closed(&self) -> bool {
        !matches!(self, Self::Arrivals { .. })
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, load, start_after, iterations, duration, drive: _ } = self;
        f.debug_struct("Flow")
            .field("name", name)
            .field("load", load)
            .field("start_after", start_after)
            .field("iterations", iterations)
            .field("duration", duration)
            .finish_non_exhaustive()
    }
}
