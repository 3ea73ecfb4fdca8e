//! What can be wrong with a plan, and finding it before anything is sent.

use std::time::Duration;

use thiserror::Error;

use super::{LoadPlan, Stop};
use crate::http::RequestPlan;
use crate::load::flow::Flow;

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

impl LoadPlan {
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
