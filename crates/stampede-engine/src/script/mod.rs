//! Scenario files carried out: the interpreter of a compiled [`Plan`].
//!
//! Invariants: nothing is parsed or looked up by name while a run goes on, except what an answer holds; the same seed makes
//! the same choices; a row of a unique feed is drawn once, over all threads, and a run that needs one more ends as an
//! error; what goes into a text of a failure has its secrets hidden. Threads share a lock only where steps are recorded, for as
//! long as one operation takes to be written.
//! Absent on purpose: sending a failed step again. The iteration is given up, as a person would.

mod answer;
mod feeds;
mod fill;
mod history;
mod person;
mod prepared;
mod record;
mod tell;
mod walk;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stampede_model::scenario::{Load, Plan, Think};
use stampede_model::schedule::UserCurve;
use stampede_model::schedule::UserStage;
use thiserror::Error;
use tokio::sync::OnceCell;

use crate::http::{BadRequestPlan, BadTls, Resumption, TlsSettings, Transport, Trust, Version, Wire};
use crate::load::scenario::{BarrierSpec, Halt, Outgoing, Scenario, Seat, StepId, StepSpec};
use crate::load::{BadPlan, Flow, FlowLoad, LoadPlan};
use feeds::Cursors;
use person::Person;
use prepared::Prepared;

pub use crate::load::scenario::Client;
pub use history::{NotWritten, RunHistory};

/// Why a compiled scenario cannot be carried out.
#[derive(Debug, Error)]
pub enum BadScript {
    /// A request cannot be sent.
    #[error("step `{step}`: {source}")]
    Request {
        /// Its step.
        step: String,
        /// Why.
        #[source]
        source: BadRequestPlan,
    },
    /// The target's certificates.
    #[error("target.cacert: {0}")]
    Tls(#[from] BadTls),
    /// The users of a scenario.
    #[error("scenario `{name}`: {why}")]
    Users {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// The plan as a whole.
    #[error(transparent)]
    Plan(#[from] BadPlan),
}

/// What all scenarios of a file share.
struct Shared {
    plan: Plan,
    prepared: Prepared,
    cursors: Cursors,
    origins: Vec<Outgoing>,
    mode: Mode,
    /// What the first user of each sort took at its start, for sorts that share it.
    starts: Vec<OnceCell<Vec<Value>>>,
    /// Where what the steps did is written, if anywhere.
    history: Option<Arc<RunHistory>>,
}

/// How a scenario is carried out.
#[derive(Clone, Default)]
enum Mode {
    /// As it says.
    #[default]
    Load,
    /// Each task once, every exchange being told.
    Once(Tell),
}

/// Who is told of an exchange, as text without secrets.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Tasks of one scenario that are tried: a list of URLs may have thousands.
const ONCE_TASKS: usize = 50;

/// One scenario of a file.
struct Script {
    shared: Arc<Shared>,
    flow: usize,
}

/// The load plan of a compiled scenario: its flows, seed, limits, time-out and secrets, with defaults for the rest.
///
/// # Errors
/// When a request of it cannot be sent, such as one to a host without a name.
pub fn load_plan(plan: &Plan) -> Result<LoadPlan, BadScript> {
    load_plan_as(plan, Mode::Load, None)
}

/// As [`load_plan`], with what the steps did written to `history`. After the run it has to be ended.
///
/// # Errors
/// As [`load_plan`].
pub fn recorded_plan(plan: &Plan, history: Arc<RunHistory>) -> Result<LoadPlan, BadScript> {
    load_plan_as(plan, Mode::Load, Some(history))
}

/// The load plan that carries out each task of each scenario once, as one user without pauses and without waiting for
/// others, and tells `tell` of each exchange.
///
/// # Errors
/// As [`load_plan`].
pub fn once_plan(plan: &Plan, tell: Tell) -> Result<LoadPlan, BadScript> {
    let mut once = plan.clone();
    once.limits.clear();
    let lists = once.flows.iter_mut().flat_map(|flow| flow.tasks.iter_mut().map(|task| &mut task.steps));
    for step in
        lists.flatten().chain(once.users.iter_mut().flat_map(|user| user.start.iter_mut().chain(&mut user.stop)))
    {
        (step.barrier, step.think) = (None, Think::None);
    }
    for flow in &mut once.flows {
        let stages = vec![UserStage { over: Duration::ZERO, to_users: 1 }];
        flow.load = Load::Users { stages, spawn_per_s: None };
        flow.iterations = Some(flow.tasks.len().min(ONCE_TASKS) as u64);
        (flow.think, flow.duration, flow.start_after) = (Think::None, None, Duration::ZERO);
    }
    let mut load = load_plan_as(&once, Mode::Once(tell), None)?;
    load.threads = NonZeroU32::MIN;
    Ok(load)
}

fn load_plan_as(plan: &Plan, mode: Mode, history: Option<Arc<RunHistory>>) -> Result<LoadPlan, BadScript> {
    let wire = wire_of(plan)?;
    let version = if plan.wire.http2 { Version::Http2 } else { Version::Http11 };
    let mut origins = Vec::new();
    for origin in &plan.origins {
        let request = Outgoing::get(&format!("{}/", origin.url));
        let request = request.map_err(|source| BadScript::Request { step: origin.shown.clone(), source })?;
        origins.push(request.version(version).over(wire.clone()));
    }
    let prepared = Prepared::of(plan, &origins)?;
    let cursors = Cursors::of(plan);
    let starts = plan.users.iter().map(|_| OnceCell::new()).collect();
    let shared = Arc::new(Shared { plan: plan.clone(), prepared, cursors, origins, mode, starts, history });
    let mut flows = Vec::new();
    for (number, flow) in plan.flows.iter().enumerate() {
        let load = load_of(&flow.load).map_err(|why| BadScript::Users { name: flow.name.clone(), why })?;
        let script = Script { shared: Arc::clone(&shared), flow: number };
        let mut ready = Flow::new(flow.name.clone(), script, load);
        (ready.duration, ready.iterations, ready.start_after) = (flow.duration, flow.iterations, flow.start_after);
        flows.push(ready);
    }
    let mut load = LoadPlan::of_flows(flows);
    load.timeout = plan.timeout;
    load.drain = load.drain.min(plan.timeout);
    load.seed = plan.seed;
    load.limits.clone_from(&plan.limits);
    load.redacted.clone_from(&plan.secrets);
    load.check()?;
    Ok(load)
}

fn wire_of(plan: &Plan) -> Result<Wire, BadTls> {
    let trust = match &plan.wire.cacert {
        Some(path) => Trust::File(path.clone()),
        None if plan.wire.insecure => Trust::Anyone,
        None => Trust::WebRoots,
    };
    let transport = plan.wire.http2.then_some(Transport::H2);
    Ok(Wire { transport, tls: Some(TlsSettings::new(trust, Resumption::On)?), ..Wire::default() })
}

fn load_of(load: &Load) -> Result<FlowLoad, String> {
    match load {
        Load::Users { stages, spawn_per_s } => {
            let curve = UserCurve::new(stages.clone(), *spawn_per_s).map_err(|error| error.to_string())?;
            Ok(FlowLoad::Users { curve })
        }
        Load::Arrivals { schedule, max_in_flight, max_queue } => Ok(FlowLoad::Arrivals {
            schedule: schedule.clone(),
            max_in_flight: NonZeroU32::new(*max_in_flight).ok_or("max_in_flight is zero")?,
            max_queue: *max_queue,
        }),
    }
}

impl Scenario for Script {
    type User = Person;

    fn steps(&self) -> Vec<StepSpec> {
        let series = &self.shared.plan.series;
        let spec = |series: &stampede_model::scenario::Series| StepSpec {
            name: series.name.clone(),
            method: series.method.clone(),
            tags: series.tags.clone(),
        };
        series.iter().map(spec).collect()
    }

    fn origins(&self) -> Vec<Outgoing> {
        self.shared.origins.clone()
    }

    fn barriers(&self) -> Vec<BarrierSpec> {
        let barriers = self.shared.plan.barriers.iter();
        barriers.map(|barrier| BarrierSpec { name: barrier.name.clone(), users: barrier.users }).collect()
    }

    fn first_step(&self, _iteration: u64) -> StepId {
        // Which task it would have been is drawn by the user who was not there.
        let task = &self.shared.plan.flows[self.flow].tasks[0];
        StepId(task.steps.first().map_or(0, |step| step.series as u32))
    }

    fn new_user(&self, seat: Seat) -> Person {
        Person::new(&self.shared.plan, &self.shared.prepared, seat)
    }

    async fn start(&self, person: &mut Person, client: &mut Client<'_>) -> Result<(), Halt> {
        walk::start(&self.shared, self.flow, person, client).await
    }

    async fn iterate(&self, person: &mut Person, client: &mut Client<'_>, iteration: u64) -> Result<(), Halt> {
        walk::iterate((&self.shared, self.flow), person, client, iteration).await
    }

    async fn stop(&self, person: &mut Person, client: &mut Client<'_>) {
        walk::stop(&self.shared, self.flow, person, client).await;
    }
}
