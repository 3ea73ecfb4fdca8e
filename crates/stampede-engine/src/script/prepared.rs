//! The steps of a plan as requests that are ready, as far as that is possible before a run.
//!
//! Invariant: what is fixed in a request is checked and rendered here, once.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use stampede_model::scenario::{Body, Plan, Step, Template};

use super::BadScript;
use crate::http::BadRequestPlan;
use crate::load::scenario::{Outgoing, Want};

/// Largest body that is looked into for JSON or by an expression.
pub(super) const BODY_MAX: usize = 1 << 20;

/// Every list of steps of a plan, prepared; shaped as the plan is.
pub(super) struct Prepared {
    pub(super) users: Vec<(Vec<Ready>, Vec<Ready>)>,
    /// By flow, task, step.
    pub(super) flows: Vec<Vec<Vec<Ready>>>,
    /// Requests with slots: each user has a copy of its own of each.
    pub(super) changing: usize,
}

/// One step.
pub(super) struct Ready {
    /// The request with all that is fixed in it.
    pub(super) base: Outgoing,
    /// Where a user keeps its copy; `None` when there is nothing to fill in.
    pub(super) copy: Option<usize>,
    /// Headers with slots.
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) want: Want,
    /// Expected values of the JSON body; `None` where slots are to be filled in.
    pub(super) expected: Vec<Option<Value>>,
}

impl Prepared {
    pub(super) fn of(plan: &Plan, origins: &[Outgoing]) -> Result<Self, BadScript> {
        let mut maker = Maker { plan, origins, changing: 0 };
        let mut users = Vec::new();
        for user in &plan.users {
            users.push((maker.list(&user.start)?, maker.list(&user.stop)?));
        }
        let mut flows = Vec::new();
        for flow in &plan.flows {
            let tasks: Result<Vec<_>, _> = flow.tasks.iter().map(|task| maker.list(&task.steps)).collect();
            flows.push(tasks?);
        }
        Ok(Self { users, flows, changing: maker.changing })
    }
}

struct Maker<'p> {
    plan: &'p Plan,
    origins: &'p [Outgoing],
    changing: usize,
}

impl Maker<'_> {
    fn list(&mut self, steps: &[Step]) -> Result<Vec<Ready>, BadScript> {
        let name = |step: &Step| self.plan.series[step.series].name.clone();
        let names: Vec<String> = steps.iter().map(name).collect();
        let ready = steps
            .iter()
            .zip(names)
            .map(|(step, name)| self.ready(step).map_err(|source| BadScript::Request { step: name, source }));
        ready.collect()
    }

    fn ready(&mut self, step: &Step) -> Result<Ready, BadRequestPlan> {
        let asked = &step.request;
        let origin = &self.origins[asked.origin];
        let url = format!("{}://{}/", origin.endpoint().scheme().label(), origin.endpoint().authority());
        let mut base = Outgoing::new(&asked.method, &url)?.version(origin.http_version()).over(origin.wire().clone());
        if let Some(path) = asked.path.fixed() {
            base.set_path(path)?;
        }
        let mut headers = Vec::new();
        for (name, value) in &asked.headers {
            if let Some(value) = value.fixed() {
                base = base.header(name, value)?;
            } else {
                let bad = |_| BadRequestPlan::Header { given: name.clone() };
                headers.push((HeaderName::try_from(name.as_str()).map_err(bad)?, value.clone()));
            }
        }
        for (name, value) in [("user-agent", concat!("stampede/", env!("CARGO_PKG_VERSION"))), ("accept", "*/*")] {
            if !asked.headers.iter().any(|(given, _)| given == name) {
                base.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
        }
        match &asked.body {
            Body::Empty => {}
            Body::Bytes(bytes) => base.set_body(Bytes::from(bytes.clone())),
            Body::Text(text) => base.set_body(Bytes::from(text.fixed().unwrap_or_default().to_owned())),
        }
        let copy = (!asked.is_fixed()).then_some(self.changing);
        self.changing += usize::from(copy.is_some());
        let parsed = |value: &Template| value.fixed().and_then(|text| serde_json::from_str(text).ok());
        Ok(Ready {
            base,
            copy,
            headers,
            want: want_of(step),
            expected: step.expect.json.iter().map(|expected| parsed(&expected.value)).collect(),
        })
    }
}

fn want_of(step: &Step) -> Want {
    Want { head: step.wants_head(), body_max: if step.wants_body() { BODY_MAX } else { 0 }, timeout: step.timeout }
}
