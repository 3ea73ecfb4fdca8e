//! One generator thread: it makes users, offers arrivals on time, expires what is overdue, and knows when all is done.
//!
//! Invariants: the thread ends at the latest `drain` after the last iteration was begun (a closed plan without a duration:
//! after the last request's time-out); what is unsettled then is recorded as unfinished or not sent.

mod look;

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Barrier, OnceLock};

use stampede_model::run_result::LagOf;
use stampede_model::schedule::Share;
use tokio::runtime::{self, LocalOptions};

use super::barrier::Barriers;
use super::control::{Control, RunPhase};
use super::flow::{Flow, FlowLoad};
use super::plan::LoadPlan;
use super::quota::Quota;
use super::recorder::{Recorded, Recorder};
use super::samples::Keep;
use super::series::Series;
use super::servers::Server;
use super::shard::{Parts, Shard};
use super::share::{FlowShare, Model, Part};
use super::steer::{Gauges, Steer};
use crate::clock::Clock;
use crate::process::thread_cpu_ns;
use look::Look;

/// What all threads of a run share: looked at a few hundred times a second, never per request.
pub(super) struct Common {
    pub(super) plan: Arc<LoadPlan>,
    pub(super) flows: Vec<Flow>,
    /// The series of each step of each flow.
    pub(super) series_of: Vec<Box<[u32]>>,
    /// The barrier of each flow's barriers.
    pub(super) barriers_of: Vec<Box<[u32]>>,
    /// What is left of a closed flow's iterations, where they are limited.
    pub(super) quotas: Vec<Option<Quota>>,
    pub(super) servers: Arc<[Server]>,
    pub(super) barriers: Arc<Barriers>,
    pub(super) series: Arc<Series>,
    pub(super) keep: Keep,
    pub(super) lag_of: LagOf,
    /// Threads of this run.
    pub(super) threads: usize,
    /// All threads start together, when the clock is there.
    pub(super) ready: Barrier,
    pub(super) begun: OnceLock<(Clock, Arc<Steer>)>,
}

/// What one thread brings home.
pub(super) struct Harvest {
    pub(super) recorded: Recorded,
    pub(super) behind: u64,
    pub(super) cpu_ns: u64,
    pub(super) wall_ns: u64,
    pub(super) in_flight_sum: u64,
    pub(super) looks: u64,
    pub(super) given_up: Option<String>,
}

/// Runs thread `index` of the plan to its end.
pub(super) fn generate(common: &Common, control: &Control, index: usize) -> io::Result<Harvest> {
    let set_up = runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    // Every thread reaches the barrier, also one that failed: the others would wait for ever.
    common.ready.wait();
    let runtime = set_up?;
    let (clock, steer) = common.begun.get_or_init(|| {
        let clock = Clock::start();
        let steer = Arc::new(Steer::new(&common.flows, common.threads, clock));
        control.begin(&steer);
        (clock, steer)
    });
    let keep = common.keep.part(common.threads);
    let redacted = common.plan.redacted.clone().into();
    let shard = Rc::new(Shard::new(Parts {
        plan: Arc::clone(&common.plan),
        origins: Arc::clone(&common.servers),
        barriers: Arc::clone(&common.barriers),
        clock: *clock,
        recorder: Recorder::new(index, Arc::clone(&common.series), keep, redacted),
        flows: (0..common.flows.len()).map(|flow| Rc::new(share_of(common, flow, index))).collect(),
        place: (index as u64, common.threads as u64),
    }));
    let started_ns = clock.now_ns();
    let mut look = Look::new(common, steer, index);
    let ended = runtime.block_on(look.go(&shard, control));
    shard.abandon(clock.now_ns());
    let wall_ns = clock.now_ns() - started_ns;
    drop(runtime);
    let recorded = shard.recorder.borrow_mut().finish();
    steer.show_last(index, Gauges { phase: RunPhase::Idle, in_flight: 0, queued: 0, users: 0, ..look.gauges(&shard) });
    ended?;
    Ok(Harvest {
        recorded,
        behind: shard.behind.get(),
        cpu_ns: thread_cpu_ns(),
        wall_ns,
        in_flight_sum: look.in_flight_sum,
        looks: look.looks,
        given_up: shard.given_up.take(),
    })
}

/// Thread `index` gets every `threads`-th user, queue place and iteration; the first ones get the remainders. A flow with
/// fewer users than there are threads is left to the first ones: elsewhere nobody would ever come for what is its part.
fn share_of(common: &Common, flow: usize, index: usize) -> FlowShare {
    let plan = &common.flows[flow];
    let of = common.threads.min(plan.users_max().max(1) as usize);
    let part = |whole: u64| if index < of { part_of(whole, index, of) } else { 0 };
    let (model, queue_max) = match plan.load {
        FlowLoad::Arrivals { max_queue, .. } => (Model::Open, part(u64::from(max_queue)) as usize),
        FlowLoad::Users { .. } | FlowLoad::Connections { .. } => (Model::Closed, 0),
    };
    let bounds = Part {
        quota: plan.iterations.map_or(u64::MAX, part),
        users_max: part(u64::from(plan.users_max())) as usize,
        queue_max,
        arrivals: (model == Model::Open && index < of).then_some(Share { index: index as u64, of: of as u64 }),
    };
    let lists = (common.series_of[flow].clone(), common.barriers_of[flow].clone());
    FlowShare::new(flow, Arc::clone(&plan.drive), (model, bounds), lists)
}

fn part_of(whole: u64, index: usize, threads: usize) -> u64 {
    whole / threads as u64 + u64::from((index as u64) < whole % threads as u64)
}
