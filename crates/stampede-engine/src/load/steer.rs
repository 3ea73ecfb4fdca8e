//! The wheel of one run: what is wished of it, what its threads show of themselves, and what has happened.
//!
//! Invariants: every wish that changes the load takes effect [`LEAD_NS`] after it was uttered, at the same instant on all
//! threads, and is an event; schedules are changed, never arrivals moved, so none is lost or doubled.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stampede_model::histogram::Histogram;
use stampede_model::run_result::{Event, EventKind};
use stampede_model::schedule::{Schedule, UserCurve};
use stampede_model::units::trimmed;

use super::control::{LiveSecond, Progress, RECENT_S, Rate, Refused, RunPhase};
use super::flow::{Flow, FlowLoad};
use super::plan::LoadPlan;
use crate::clock::Clock;

/// How far ahead of now a wish takes effect: longer than any thread sleeps without looking.
pub(super) const LEAD_NS: u64 = 25_000_000;
/// Events that are kept; a watcher that holds a key down must not fill the memory.
const EVENTS_MAX: usize = 10_000;

/// The wheel.
#[derive(Debug)]
pub(super) struct Steer {
    clock: Clock,
    gauges: Vec<Mutex<Gauges>>,
    /// Counts wishes, so that a thread sees by one load that there is none.
    version: AtomicU64,
    wishes: Mutex<Wishes>,
    live: Mutex<Live>,
}

/// What one thread shows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauges {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) not_sent: u64,
    pub(super) in_flight: u64,
    pub(super) queued: u64,
    pub(super) users: u64,
    pub(super) iterations: u64,
    pub(super) cpu_ns: u64,
    pub(super) wall_ns: u64,
    pub(super) phase: RunPhase,
}

/// The load of one flow, as it is wished now.
#[derive(Clone, Debug)]
struct Wished {
    start_ns: u64,
    load: Load,
}

#[derive(Clone, Debug)]
enum Load {
    Open {
        /// Without a pause that is not over.
        plan: Schedule,
        /// With it.
        now: Schedule,
    },
    Closed {
        plan: UserCurve,
    },
}

#[derive(Debug)]
struct Wishes {
    flows: Vec<Wished>,
    /// From when on nothing is issued.
    paused_at_ns: Option<u64>,
    /// All pauses that are over.
    pauses: Vec<(u64, u64)>,
    events: Vec<Event>,
    aborted: bool,
    over: bool,
}

#[derive(Debug, Default)]
struct Live {
    recent: VecDeque<LiveSecond>,
    total: Histogram,
}

/// What a thread must know of the wishes.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) version: u64,
    /// For each flow: its schedule, in time after its start.
    pub(super) schedules: Vec<Option<Schedule>>,
    /// For each flow: its number of users, in time after its start that was no pause.
    pub(super) users: Vec<Option<UserCurve>>,
    pub(super) paused_at_ns: Option<u64>,
    pub(super) pauses: Vec<(u64, u64)>,
    pub(super) aborted: bool,
}

impl Orders {
    /// Whether nothing may be issued at `now_ns`.
    pub(super) fn is_paused(&self, now_ns: u64) -> bool {
        let within = |(from_ns, until_ns): &(u64, u64)| (*from_ns..*until_ns).contains(&now_ns);
        self.paused_at_ns.is_some_and(|at_ns| at_ns <= now_ns) || self.pauses.iter().any(within)
    }

    /// How much of the time before `now_ns` was pause.
    pub(super) fn paused_ns(&self, now_ns: u64) -> u64 {
        let past = self.pauses.iter().map(|(from_ns, until_ns)| now_ns.min(*until_ns).saturating_sub(*from_ns));
        past.sum::<u64>() + self.paused_at_ns.map_or(0, |at_ns| now_ns.saturating_sub(at_ns))
    }
}

impl Steer {
    pub(super) fn new(flows: &[Flow], threads: usize, clock: Clock) -> Self {
        let as_planned = |flow: &Flow| Wished {
            start_ns: u64::try_from(flow.start_after.as_nanos()).unwrap_or(u64::MAX),
            load: match &flow.load {
                FlowLoad::Arrivals { schedule, .. } => Load::Open { plan: schedule.clone(), now: schedule.clone() },
                FlowLoad::Users { curve } => Load::Closed { plan: curve.clone() },
                FlowLoad::Connections { connections } => Load::Closed { plan: constant(connections.get()) },
            },
        };
        let wishes = Wishes {
            flows: flows.iter().map(as_planned).collect(),
            paused_at_ns: None,
            pauses: Vec::new(),
            events: flows.iter().flat_map(Flow::stage_events).collect(),
            aborted: false,
            over: false,
        };
        Self {
            clock,
            gauges: (0..threads).map(|_| Mutex::default()).collect(),
            version: AtomicU64::new(0),
            wishes: Mutex::new(wishes),
            live: Mutex::default(),
        }
    }

    /// Counts wishes.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// All that is wished now.
    pub(super) fn orders(&self) -> Orders {
        let wishes = lock(&self.wishes);
        let schedule = |wished: &Wished| match &wished.load {
            Load::Open { now, .. } => Some(now.clone()),
            Load::Closed { .. } => None,
        };
        let users = |wished: &Wished| match &wished.load {
            Load::Open { .. } => None,
            Load::Closed { plan } => Some(plan.clone()),
        };
        Orders {
            version: self.version(),
            schedules: wishes.flows.iter().map(schedule).collect(),
            users: wishes.flows.iter().map(users).collect(),
            paused_at_ns: wishes.paused_at_ns,
            pauses: wishes.pauses.clone(),
            aborted: wishes.aborted,
        }
    }

    /// Thread `thread` shows itself, unless somebody is looking just now.
    pub(super) fn show(&self, thread: usize, gauges: Gauges) {
        if let Ok(mut shown) = self.gauges[thread].try_lock() {
            *shown = gauges;
        }
    }

    /// As [`Steer::show`], for the last time.
    pub(super) fn show_last(&self, thread: usize, gauges: Gauges) {
        *lock(&self.gauges[thread]) = gauges;
    }

    /// A second is over.
    pub(super) fn close_second(&self, second: LiveSecond, total: &Histogram) {
        let mut live = lock(&self.live);
        if live.recent.len() == RECENT_S {
            live.recent.pop_front();
        }
        live.recent.push_back(second);
        live.total.clear();
        live.total.merge(total);
    }

    /// The run is over; its events, in the order of time.
    pub(super) fn end(&self) -> Vec<Event> {
        let mut wishes = lock(&self.wishes);
        wishes.over = true;
        let now_ns = self.clock.now_ns();
        let mut events: Vec<Event> =
            std::mem::take(&mut wishes.events).into_iter().filter(|event| event.at_ns <= now_ns).collect();
        events.sort_by_key(|event| event.at_ns);
        events
    }

    /// Whether somebody or something aborted it.
    pub(super) fn is_aborted(&self) -> bool {
        lock(&self.wishes).aborted
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.wishes).over
    }

    pub(super) fn note_stop(&self) {
        let mut wishes = lock(&self.wishes);
        if !wishes.over && wishes.events.iter().all(|event| event.kind != EventKind::Stop) {
            self.note(&mut wishes, self.clock.now_ns(), (EventKind::Stop, "stopped by hand".to_owned()));
        }
    }

    pub(super) fn abort(&self, text: String) {
        let mut wishes = lock(&self.wishes);
        if !wishes.over && !wishes.aborted {
            wishes.aborted = true;
            self.note(&mut wishes, self.clock.now_ns(), (EventKind::Abort, text));
        }
    }

    pub(super) fn pause(&self) {
        let mut wishes = lock(&self.wishes);
        if wishes.paused_at_ns.is_some() {
            return;
        }
        let at_ns = self.effect(&wishes);
        wishes.paused_at_ns = Some(at_ns);
        for wished in &mut wishes.flows {
            if let Load::Open { plan, now } = &mut wished.load
                && let Ok(held) = plan.held(at_ns.saturating_sub(wished.start_ns), 0.0)
            {
                *now = held;
            }
        }
        self.note(&mut wishes, at_ns, (EventKind::Pause, "paused".to_owned()));
    }

    pub(super) fn resume(&self) {
        let mut wishes = lock(&self.wishes);
        let Some(from_ns) = wishes.paused_at_ns.take() else { return };
        let until_ns = self.effect(&wishes).max(from_ns);
        for wished in &mut wishes.flows {
            if let Load::Open { plan, now } = &mut wished.load {
                let (from_ns, until_ns) =
                    (from_ns.saturating_sub(wished.start_ns), until_ns.saturating_sub(wished.start_ns));
                if let Ok(shifted) = plan.paused(from_ns, until_ns) {
                    *plan = shifted;
                }
                *now = plan.clone();
            }
        }
        wishes.pauses.push((from_ns, until_ns));
        self.note(&mut wishes, until_ns, (EventKind::Resume, "resumed".to_owned()));
    }

    pub(super) fn set_rate(&self, rate: Rate) -> Result<(), Refused> {
        let mut wishes = lock(&self.wishes);
        let pause = wishes.paused_at_ns;
        let at_ns = pause.unwrap_or_else(|| self.effect(&wishes));
        let before_per_s = rate_of(&wishes.flows, at_ns);
        let opens = wishes.flows.iter().filter(|wished| matches!(wished.load, Load::Open { .. })).count();
        if opens == 0 {
            return Err(Refused::NoRate);
        }
        let mut changed = wishes.flows.clone();
        for wished in &mut changed {
            let Load::Open { plan, now } = &mut wished.load else { continue };
            let at_ns = at_ns.saturating_sub(wished.start_ns);
            let refused = |error: &dyn std::fmt::Display| Refused::Value(error.to_string());
            *plan = match rate {
                Rate::Factor(factor) => plan.rebase(at_ns, factor).map_err(|error| refused(&error))?,
                Rate::PerS(per_s) => {
                    let share =
                        if before_per_s > 0.0 { plan.rate_at(at_ns) / before_per_s } else { 1.0 / opens as f64 };
                    plan.held(at_ns, per_s * share).map_err(|error| refused(&error))?
                }
            };
            *now = match pause {
                Some(_) => plan.held(at_ns, 0.0).map_err(|error| refused(&error))?,
                None => plan.clone(),
            };
        }
        let after_per_s = rate_of(&changed, at_ns);
        wishes.flows = changed;
        let text = format!("rate {}/s to {}/s", trimmed(before_per_s), trimmed(after_per_s));
        self.note(&mut wishes, at_ns, (EventKind::Rate, text));
        Ok(())
    }

    pub(super) fn set_users(&self, users: u32) -> Result<(), Refused> {
        if users > LoadPlan::MAX_CONNECTIONS {
            return Err(Refused::Value(format!(
                "{users} users are too many: use at most {}",
                LoadPlan::MAX_CONNECTIONS
            )));
        }
        let mut wishes = lock(&self.wishes);
        let at_ns = self.effect(&wishes);
        let paused_ns = paused_before(&wishes, at_ns);
        let own_ns = |wished: &Wished| at_ns.saturating_sub(paused_ns).saturating_sub(wished.start_ns);
        let counts: Vec<Option<u32>> = wishes
            .flows
            .iter()
            .map(|wished| match &wished.load {
                Load::Open { .. } => None,
                Load::Closed { plan } => Some(plan.users_at(own_ns(wished))),
            })
            .collect();
        if counts.iter().all(Option::is_none) {
            return Err(Refused::NoUsers);
        }
        let before: u32 = counts.iter().flatten().sum();
        let parts = proportional(&counts, users);
        for (wished, part) in wishes.flows.iter_mut().zip(parts) {
            let at_ns = at_ns.saturating_sub(paused_ns).saturating_sub(wished.start_ns);
            if let (Load::Closed { plan }, Some(part)) = (&mut wished.load, part) {
                *plan = plan.held(at_ns, part).map_err(|error| Refused::Value(error.to_string()))?;
            }
        }
        self.note(&mut wishes, at_ns, (EventKind::Users, format!("users {before} to {users}")));
        Ok(())
    }

    pub(super) fn progress(&self) -> Progress {
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

    pub(super) fn recent(&self) -> Vec<LiveSecond> {
        lock(&self.live).recent.iter().cloned().collect()
    }

    pub(super) fn total(&self) -> Histogram {
        lock(&self.live).total.clone()
    }

    /// When a wish uttered now takes effect: never before an earlier one.
    fn effect(&self, wishes: &Wishes) -> u64 {
        let last_ns = wishes.pauses.last().map_or(0, |(_, until_ns)| *until_ns);
        (self.clock.now_ns() + LEAD_NS).max(last_ns)
    }

    fn note(&self, wishes: &mut Wishes, at_ns: u64, (kind, text): (EventKind, String)) {
        if wishes.events.len() < EVENTS_MAX {
            wishes.events.push(Event { at_ns, kind, text });
        }
        self.version.fetch_add(1, Ordering::Release);
    }
}

fn constant(users: u32) -> UserCurve {
    UserCurve::constant(users).expect("a plan's connections are at least one and far fewer than a curve may have")
}

fn rate_of(flows: &[Wished], at_ns: u64) -> f64 {
    let rates = flows.iter().map(|wished| match &wished.load {
        Load::Open { plan, .. } if wished.start_ns <= at_ns => plan.rate_at(at_ns - wished.start_ns),
        _ => 0.0,
    });
    rates.sum()
}

fn paused_before(wishes: &Wishes, at_ns: u64) -> u64 {
    let past: u64 = wishes.pauses.iter().map(|(from_ns, until_ns)| until_ns - from_ns).sum();
    past + wishes.paused_at_ns.map_or(0, |from_ns| at_ns.saturating_sub(from_ns))
}

/// Cuts `whole` in the proportion of `counts`, to the last one.
fn proportional(counts: &[Option<u32>], whole: u32) -> Vec<Option<u32>> {
    let weights: Vec<Option<f64>> = match counts.iter().flatten().sum::<u32>() {
        0 => counts.iter().map(|count| count.map(|_| 1.0)).collect(),
        _ => counts.iter().map(|count| count.map(f64::from)).collect(),
    };
    let sum: f64 = weights.iter().flatten().sum();
    let (mut reached, mut given) = (0.0, 0);
    let part = |weight: Option<f64>| {
        let weight = weight?;
        reached += weight;
        let until = (f64::from(whole) * reached / sum).round() as u32;
        let part = until - given;
        given = until;
        Some(part)
    };
    weights.into_iter().map(part).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left here is consistent between statements, and the run fails anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_users_is_cut_in_proportion_to_the_last_one() {
        assert_eq!(proportional(&[Some(30), None, Some(60)], 10), [Some(3), None, Some(7)]);
        assert_eq!(proportional(&[Some(0), Some(0)], 3), [Some(2), Some(1)]);
        assert_eq!(proportional(&[Some(1)], 0), [Some(0)]);
    }
}
