//! One generator thread: it makes users, offers arrivals on time, expires what is overdue, and knows when all is done.
//!
//! Invariants: the thread ends at the latest `drain` after the last iteration was begun (a closed plan without a duration:
//! after the last request's time-out); what is unsettled then is recorded as unfinished or not sent.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Barrier, OnceLock};
use std::time::Duration;

use stampede_model::run_result::LagOf;
use tokio::runtime::{self, LocalOptions};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::barrier::Barriers;
use super::control::{Control, RunPhase};
use super::flow::{Flow, FlowLoad};
use super::pace::pace;
use super::plan::LoadPlan;
use super::recorder::{Recorded, Recorder};
use super::samples::Keep;
use super::series::Series;
use super::servers::Server;
use super::shard::{Parts, Phase, Shard};
use super::share::{FlowShare, Model, Part};
use super::steer::{Gauges, Orders, Steer};
use crate::clock::Clock;
use crate::pacing::Pacer;
use crate::process::thread_cpu_ns;

/// How often time-outs, the end, and the watcher's wishes are looked at: latencies do not hang on it.
const TICK: Duration = Duration::from_millis(10);

/// What all threads of a run share: looked at a few hundred times a second, never per request.
pub(super) struct Common {
    pub(super) plan: Arc<LoadPlan>,
    pub(super) flows: Vec<Flow>,
    /// The series of each step of each flow.
    pub(super) series_of: Vec<Box<[u32]>>,
    /// The barrier of each flow's barriers.
    pub(super) barriers_of: Vec<Box<[u32]>>,
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
    let mut watch = Watch::new(common, steer, index);
    let ended = runtime.block_on(watch.go(&shard, control));
    shard.abandon(clock.now_ns());
    let wall_ns = clock.now_ns() - started_ns;
    drop(runtime);
    let recorded = shard.recorder.borrow_mut().finish();
    steer.show_last(index, Gauges { phase: RunPhase::Idle, in_flight: 0, queued: 0, users: 0, ..watch.gauges(&shard) });
    ended?;
    Ok(Harvest {
        recorded,
        behind: shard.behind.get(),
        cpu_ns: thread_cpu_ns(),
        wall_ns,
        in_flight_sum: watch.in_flight_sum,
        looks: watch.looks,
        given_up: shard.given_up.take(),
    })
}

/// Thread `index` gets every `threads`-th user, queue place and iteration; the first ones get the remainders.
fn share_of(common: &Common, flow: usize, index: usize) -> FlowShare {
    let part = |whole: u64| part_of(whole, index, common.threads);
    let plan = &common.flows[flow];
    let (model, queue_max) = match plan.load {
        FlowLoad::Arrivals { max_queue, .. } => (Model::Open, part(u64::from(max_queue)) as usize),
        FlowLoad::Users { .. } | FlowLoad::Connections { .. } => (Model::Closed, 0),
    };
    let bounds = Part {
        quota: plan.iterations.map_or(u64::MAX, part),
        users_max: part(u64::from(plan.users_max())) as usize,
        queue_max,
    };
    let lists = (common.series_of[flow].clone(), common.barriers_of[flow].clone());
    FlowShare::new(flow, Arc::clone(&plan.drive), (model, bounds), lists)
}

fn part_of(whole: u64, index: usize, threads: usize) -> u64 {
    whole / threads as u64 + u64::from((index as u64) < whole % threads as u64)
}

/// The thread's regular look at itself.
struct Watch<'a> {
    common: &'a Common,
    steer: &'a Arc<Steer>,
    index: usize,
    orders: Orders,
    in_flight_sum: u64,
    looks: u64,
    started_ns: u64,
}

impl<'a> Watch<'a> {
    fn new(common: &'a Common, steer: &'a Arc<Steer>, index: usize) -> Self {
        Self { common, steer, index, orders: steer.orders(), in_flight_sum: 0, looks: 0, started_ns: 0 }
    }

    /// Starts the flows, ticks until everything asked for is issued and settled, or the drain is over.
    async fn go(&mut self, shard: &Rc<Shard>, control: &Control) -> io::Result<()> {
        let mut pacing = Vec::new();
        for flow in shard.flows.iter().filter(|flow| flow.model == Model::Open) {
            // Made here, where its failure can be told.
            let pacer = Pacer::new()?;
            let place = (Rc::clone(shard), Rc::clone(flow));
            let plan = &self.common.flows[flow.index];
            pacing.push(tokio::task::spawn_local(pace(place, plan.clone(), Arc::clone(self.steer), pacer)));
        }
        self.until_done(shard, control).await;
        for task in pacing.into_iter().filter(tokio::task::JoinHandle::is_finished) {
            task.await.map_err(io::Error::other)??;
        }
        Ok(())
    }

    async fn until_done(&mut self, shard: &Rc<Shard>, control: &Control) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain_ns = u64::try_from(shard.plan.drain.as_nanos()).unwrap_or(u64::MAX);
        self.started_ns = shard.clock.now_ns();
        let mut drain_until_ns = None;
        loop {
            let due = ticks.tick().await;
            let now_ns = shard.clock.now_ns();
            shard.tick_ns.set(now_ns);
            if self.common.lag_of == LagOf::Ticks {
                let late = Instant::now().saturating_duration_since(due);
                shard.recorder.borrow_mut().departed(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX));
            }
            shard.expire(now_ns);
            self.follow_orders(shard, control, now_ns);
            let over = self.supply_users(shard, now_ns);
            shard.recorder.borrow_mut().tick(now_ns, shard.unsettled(), shard.users());
            self.steer.show(self.index, self.gauges(shard));
            if over && shard.unfinished() == 0 && shard.in_flight.get() == 0 && shard.users() == 0 {
                return;
            }
            let Some(until_ns) = drain_until_ns else {
                let ends = over || shard.phase.get() == Phase::Draining;
                drain_until_ns = ends.then(|| now_ns.saturating_add(drain_ns));
                self.looks += 1;
                self.in_flight_sum += shard.unsettled() as u64;
                continue;
            };
            // An open schedule that is behind is still issued to its end; only then the drain may cut it short.
            let may_cut = shard.flows.iter().all(|flow| flow.model == Model::Closed || flow.issued.get());
            if now_ns >= until_ns && may_cut {
                return;
            }
        }
    }

    /// Takes up what is wished.
    fn follow_orders(&mut self, shard: &Shard, control: &Control, now_ns: u64) {
        if self.steer.version() != self.orders.version {
            self.orders = self.steer.orders();
        }
        let given_up = shard.given_up.borrow().is_some();
        if given_up {
            // The other threads learn it from here.
            self.steer.abort("a scenario gave up the run".to_owned());
        }
        if control.is_stopped() || self.orders.aborted || given_up {
            shard.enter(Phase::Draining);
        } else if shard.phase.get() != Phase::Draining {
            let paused = self.orders.is_paused(now_ns);
            shard.enter(if paused { Phase::Paused } else { Phase::Issuing });
        }
        let paused_ns = self.orders.paused_ns(now_ns);
        for flow in &shard.flows {
            let end = self.common.flows[flow.index].end();
            let end_ns = end.map_or(u64::MAX, |end| u64::try_from(end.as_nanos()).unwrap_or(u64::MAX));
            flow.end_ns.set(end_ns.saturating_add(paused_ns));
        }
    }

    /// Makes users where there are too few, and tells whether no flow will ask for anything more.
    fn supply_users(&self, shard: &Rc<Shard>, now_ns: u64) -> bool {
        let mut over = true;
        for flow in &shard.flows {
            if flow.model == Model::Open {
                over &= flow.issued.get();
                continue;
            }
            let stopped = now_ns >= flow.end_ns.get() || shard.phase.get() == Phase::Draining;
            if stopped && !flow.issued.replace(true) {
                // Whoever thinks need not think to the end.
                shard.wake_all();
            }
            // The last iterations of a given number are carried out to their end.
            let exhausted = flow.quota.get() == 0;
            over &= stopped || (exhausted && flow.alive.get() == 0);
            if !stopped && !exhausted && shard.phase.get() == Phase::Issuing {
                self.make_users(shard, flow, now_ns);
            }
        }
        over
    }

    fn make_users(&self, shard: &Rc<Shard>, flow: &Rc<FlowShare>, now_ns: u64) {
        let start_ns = u64::try_from(self.common.flows[flow.index].start_after.as_nanos()).unwrap_or(u64::MAX);
        let (Some(own_ns), Some(curve)) = (now_ns.checked_sub(start_ns), &self.orders.users[flow.index]) else {
            return;
        };
        let own_ns = own_ns.saturating_sub(self.orders.paused_ns(now_ns));
        let wished = part_of(u64::from(curve.users_at(own_ns)), self.index, self.common.threads);
        // More than there are iterations left would have nothing to do.
        let wished = wished.min(flow.quota.get().saturating_add(flow.busy.get() as u64)) as usize;
        flow.target.set(wished);
        while flow.alive.get() < wished {
            shard.add_user(flow, None);
        }
    }

    fn gauges(&self, shard: &Shard) -> Gauges {
        let counts = shard.recorder.borrow().counts();
        Gauges {
            sent: counts.sent,
            answered: counts.answered,
            failed: counts.failed,
            not_sent: counts.not_sent,
            in_flight: shard.in_flight.get() as u64,
            queued: shard.flows.iter().map(|flow| flow.queued() as u64).sum(),
            users: shard.users() as u64,
            iterations: shard.flows.iter().map(|flow| flow.begun()).sum(),
            cpu_ns: thread_cpu_ns(),
            wall_ns: shard.clock.now_ns().saturating_sub(self.started_ns),
            phase: match shard.phase.get() {
                Phase::Issuing => RunPhase::Issuing,
                Phase::Paused => RunPhase::Paused,
                Phase::Draining => RunPhase::Draining,
            },
        }
    }
}
