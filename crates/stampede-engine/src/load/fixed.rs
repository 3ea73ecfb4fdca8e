//! The built-in scenario: a fixed list of requests, one an iteration, in turn.
//!
//! Invariant: an iteration is one request, so iterations and requests are the same number.

use std::collections::BTreeMap;

use super::client::Client;
use super::plan::Expect;
use super::scenario::{Halt, Scenario, Seat, StepId, StepSpec};
use crate::http::RequestPlan;

/// A list of requests, prepared before the run.
pub(super) struct Fixed {
    pub(super) requests: Vec<RequestPlan>,
    pub(super) expect: Expect,
}

impl Fixed {
    fn place(&self, iteration: u64) -> usize {
        (iteration % self.requests.len() as u64) as usize
    }
}

impl Scenario for Fixed {
    type User = ();

    fn steps(&self) -> Vec<StepSpec> {
        let named = |request: &RequestPlan| {
            // The query often holds an id; the path of a given URL is what its owner calls it.
            let (method, path) = (request.method().to_string(), request.endpoint().path().path().to_owned());
            StepSpec { name: format!("{method} {path}"), method, tags: BTreeMap::new() }
        };
        self.requests.iter().map(named).collect()
    }

    fn origins(&self) -> Vec<RequestPlan> {
        self.requests.first().cloned().into_iter().collect()
    }

    fn first_step(&self, iteration: u64) -> StepId {
        StepId(self.place(iteration) as u32)
    }

    fn new_user(&self, _seat: Seat) {}

    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, iteration: u64) -> Result<(), Halt> {
        let place = self.place(iteration);
        client.send_fixed(StepId(place as u32), &self.requests[place], &self.expect).await
    }
}
