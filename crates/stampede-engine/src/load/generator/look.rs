//! A thread's regular look at itself: what is overdue, what is wished, which users are missing, whether all is done.
//!
//! Invariant: the looks end at the latest `drain` after the last iteration was begun.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stampede_model::run_result::LagOf;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Common, part_of};
use crate::load::control::{Control, RunPhase};
use crate::load::pace::pace;
use crate::load::quota::Quota;
use crate::load::shard::{Phase, Shard};
use crate::load::share::{FlowShare, Model};
use crate::load::steer::{Gauges, Orders, Steer};
use crate::pacing::Pacer;
use crate::process::thread_cpu_ns;

/// How often time-outs, the end, and the watcher's wishes are looked at: latencies do not hang on it.
const TICK: Duration = Duration::from_millis(10);

/// The thread's regular look at itself.
pub(super) struct Look<'a> {
    common: &'a Common,
    steer: &'a Arc<Steer>,
    index: usize,
    orders: Orders,
    pub(super) in_flight_sum: u64,
    pub(super) looks: u64,
    started_ns: u64,
}

impl<'a> Look<'a> {
    pub(super) fn new(common: &'a Common, steer: &'a Arc<Steer>, index: usize) -> Self {
        Self { common, steer, index, orders: steer.orders(), in_flight_sum: 0, looks: 0, started_ns: 0 }
    }

    /// Starts the flows, ticks until everything asked for is issued and settled, or the drain is over.
    pub(super) async fn go(&mut self, shard: &Rc<Shard>, control: &Control) -> io::Result<()> {
        let mut pacing = Vec::new();
        for flow in shard.flows.iter().filter(|flow| flow.arrivals.is_some()) {
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
            let quota = self.common.quotas[flow.index].as_ref();
            let wished = self.wished(flow, now_ns);
            if let (Some(quota), Some(wished)) = (quota, wished) {
                flow.settle_quota(quota, (wished, self.common.threads));
            }
            // The last iterations of a given number are carried out to their end.
            over &= stopped || (flow.alive.get() == 0 && quota.is_some_and(Quota::is_used_up));
            if let Some(wished) = wished
                && !stopped
                && flow.quota.get() > 0
                && shard.phase.get() == Phase::Issuing
            {
                make_users(shard, flow, wished);
            }
        }
        over
    }

    /// How many users of a closed flow there should be on this thread; `None` before it begins.
    fn wished(&self, flow: &FlowShare, now_ns: u64) -> Option<u64> {
        let start_ns = u64::try_from(self.common.flows[flow.index].start_after.as_nanos()).unwrap_or(u64::MAX);
        // Time that was pause does not bring the start nearer either.
        let own_ns = now_ns.saturating_sub(self.orders.paused_ns(now_ns)).checked_sub(start_ns)?;
        let curve = self.orders.users[flow.index].as_ref()?;
        Some(part_of(u64::from(curve.users_at(own_ns)), self.index, self.common.threads))
    }

    pub(super) fn gauges(&self, shard: &Shard) -> Gauges {
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

/// Makes users until there are as many as `wished`, or as have an iteration to do.
fn make_users(shard: &Rc<Shard>, flow: &Rc<FlowShare>, wished: u64) {
    let wished = wished.min(flow.quota.get().saturating_add(flow.busy.get() as u64)) as usize;
    flow.target.set(wished);
    while flow.alive.get() < wished {
        shard.add_user(flow, None);
    }
}
