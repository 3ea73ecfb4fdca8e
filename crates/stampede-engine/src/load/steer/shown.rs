//! What a run shows of itself while it goes on: each thread's gauges, the last seconds, the sums so far.
//!
//! Invariants: a thread never waits for a watcher; the seconds that are kept are bounded.

use std::collections::VecDeque;

use stampede_model::histogram::Histogram;

use super::wishes::rate_of;
use super::{Steer, lock};
use crate::load::control::{LiveSecond, Progress, RECENT_S, RunPhase};

/// What one thread shows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::load) struct Gauges {
    pub(in crate::load) sent: u64,
    pub(in crate::load) answered: u64,
    pub(in crate::load) failed: u64,
    pub(in crate::load) not_sent: u64,
    pub(in crate::load) in_flight: u64,
    pub(in crate::load) queued: u64,
    pub(in crate::load) users: u64,
    pub(in crate::load) iterations: u64,
    pub(in crate::load) cpu_ns: u64,
    pub(in crate::load) wall_ns: u64,
    pub(in crate::load) phase: RunPhase,
}

#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) recent: VecDeque<LiveSecond>,
    pub(super) total: Histogram,
}

impl Steer {
    /// Thread `thread` shows itself, unless somebody is looking just now.
    pub(in crate::load) fn show(&self, thread: usize, gauges: Gauges) {
        if let Ok(mut shown) = self.gauges[thread].try_lock() {
            *shown = gauges;
        }
    }

    /// As [`Steer::show`], for the last time.
    pub(in crate::load) fn show_last(&self, thread: usize, gauges: Gauges) {
        *lock(&self.gauges[thread]) = gauges;
    }

    /// A second is over.
    pub(in crate::load) fn close_second(&self, second: LiveSecond, total: &Histogram) {
        let mut live = lock(&self.live);
        if live.recent.len() == RECENT_S {
            live.recent.pop_front();
        }
        live.recent.push_back(second);
        live.total.clear();
        live.total.merge(total);
    }

    pub(in crate::load) fn progress(&self) -> Progress {
        let mut sum = Progress::default();
        let (mut cpu_ns, mut wall_ns) = (0, 0);
        for gauges in &self.gauges {
            let gauges = *lock(gauges);
            sum.sent += gauges.sent;
            sum.answered += gauges.answered;
            sum.failed += gauges.failed;
            sum.not_sent += gauges.not_sent;
            sum.in_flight += gauges.in_flight;
            sum.queued += gauges.queued;
            sum.users += gauges.users;
            sum.iterations += gauges.iterations;
            cpu_ns += gauges.cpu_ns;
            wall_ns += gauges.wall_ns;
            // Threads go through the phases together; one that is still draining is what a watcher waits for.
            if gauges.phase != RunPhase::Idle {
                sum.phase = gauges.phase;
            }
        }
        sum.cpu_share = if wall_ns == 0 { 0.0 } else { cpu_ns as f64 / wall_ns as f64 };
        sum.elapsed_ns = self.clock.now_ns();
        let wishes = lock(&self.wishes);
        if !wishes.over && wishes.paused_at_ns.is_none() {
            sum.rate_asked_per_s = rate_of(&wishes.flows, sum.elapsed_ns);
        }
        if wishes.over {
            sum.phase = RunPhase::Idle;
        }
        drop(wishes);
        sum.lag_p99_ns = lock(&self.live).recent.back().map_or(0, |second| second.lag_p99_ns);
        sum
    }

    pub(in crate::load) fn recent(&self) -> Vec<LiveSecond> {
        lock(&self.live).recent.iter().cloned().collect()
    }

    pub(in crate::load) fn total(&self) -> Histogram {
        lock(&self.live).total.clone()
    }
}
