//! What is wished of a run, and what its threads must know of it. Pure.
//!
//! Invariants: a flow's wish is in time after the start of the flow; a pause is not part of that time.

use stampede_model::run_result::Event;
use stampede_model::schedule::{Schedule, UserCurve};

use crate::load::flow::{Flow, FlowLoad};

/// The load of one flow, as it is wished now.
#[derive(Clone, Debug)]
pub(super) struct Wished {
    pub(super) start_ns: u64,
    pub(super) load: Load,
}

#[derive(Clone, Debug)]
pub(super) enum Load {
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
pub(super) struct Wishes {
    pub(super) flows: Vec<Wished>,
    /// From when on nothing is issued.
    pub(super) paused_at_ns: Option<u64>,
    /// All pauses that are over.
    pub(super) pauses: Vec<(u64, u64)>,
    pub(super) events: Vec<Event>,
    pub(super) aborted: bool,
    pub(super) over: bool,
}

/// What a thread must know of the wishes.
#[derive(Clone, Debug)]
pub(in crate::load) struct Orders {
    pub(in crate::load) version: u64,
    /// For each flow: its schedule, in time after its start.
    pub(in crate::load) schedules: Vec<Option<Schedule>>,
    /// For each flow: its number of users, in time after its start that was no pause.
    pub(in crate::load) users: Vec<Option<UserCurve>>,
    pub(in crate::load) paused_at_ns: Option<u64>,
    pub(in crate::load) pauses: Vec<(u64, u64)>,
    pub(in crate::load) aborted: bool,
}

impl Orders {
    /// Whether nothing may be issued at `now_ns`.
    pub(in crate::load) fn is_paused(&self, now_ns: u64) -> bool {
        let within = |(from_ns, until_ns): &(u64, u64)| (*from_ns..*until_ns).contains(&now_ns);
        self.paused_at_ns.is_some_and(|at_ns| at_ns <= now_ns) || self.pauses.iter().any(within)
    }

    /// How much of the time before `now_ns` was pause.
    pub(in crate::load) fn paused_ns(&self, now_ns: u64) -> u64 {
        let past = self.pauses.iter().map(|(from_ns, until_ns)| now_ns.min(*until_ns).saturating_sub(*from_ns));
        past.sum::<u64>() + self.paused_at_ns.map_or(0, |at_ns| now_ns.saturating_sub(at_ns))
    }
}

impl Wished {
    /// As the plan has it.
    fn of(flow: &Flow) -> Self {
        Self {
            start_ns: u64::try_from(flow.start_after.as_nanos()).unwrap_or(u64::MAX),
            load: match &flow.load {
                FlowLoad::Arrivals { schedule, .. } => Load::Open { plan: schedule.clone(), now: schedule.clone() },
                FlowLoad::Users { curve } => Load::Closed { plan: curve.clone() },
                FlowLoad::Connections { connections } => Load::Closed { plan: constant(connections.get()) },
            },
        }
    }
}

impl Wishes {
    /// As the plan has it.
    pub(super) fn of(flows: &[Flow]) -> Self {
        Self {
            flows: flows.iter().map(Wished::of).collect(),
            paused_at_ns: None,
            pauses: Vec::new(),
            events: flows.iter().flat_map(Flow::stage_events).collect(),
            aborted: false,
            over: false,
        }
    }

    /// What a thread must know of them.
    pub(super) fn orders(&self, version: u64) -> Orders {
        let schedule = |wished: &Wished| match &wished.load {
            Load::Open { now, .. } => Some(now.clone()),
            Load::Closed { .. } => None,
        };
        let users = |wished: &Wished| match &wished.load {
            Load::Open { .. } => None,
            Load::Closed { plan } => Some(plan.clone()),
        };
        Orders {
            version,
            schedules: self.flows.iter().map(schedule).collect(),
            users: self.flows.iter().map(users).collect(),
            paused_at_ns: self.paused_at_ns,
            pauses: self.pauses.clone(),
            aborted: self.aborted,
        }
    }
}

fn constant(users: u32) -> UserCurve {
    UserCurve::constant(users).expect("a plan's connections are at least one and far fewer than a curve may have")
}

pub(super) fn rate_of(flows: &[Wished], at_ns: u64) -> f64 {
    let rates = flows.iter().map(|wished| match &wished.load {
        Load::Open { plan, .. } if wished.start_ns <= at_ns => plan.rate_at(at_ns - wished.start_ns),
        _ => 0.0,
    });
    rates.sum()
}

pub(super) fn paused_before(wishes: &Wishes, at_ns: u64) -> u64 {
    let past: u64 = wishes.pauses.iter().map(|(from_ns, until_ns)| until_ns - from_ns).sum();
    past + wishes.paused_at_ns.map_or(0, |from_ns| at_ns.saturating_sub(from_ns))
}

/// Cuts `whole` in the proportion of `counts`, to the last one.
pub(super) fn proportional(counts: &[Option<u32>], whole: u32) -> Vec<Option<u32>> {
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
