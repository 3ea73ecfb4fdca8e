//! The wishes that change the load while it runs: pause, resume, rate, number of users.
//!
//! Invariants: a wish is granted whole or not at all; a granted one is an event at the instant at which it takes effect.

use stampede_model::run_result::EventKind;
use stampede_model::units::trimmed;

use super::wishes::{Load, Wished, Wishes, paused_before, proportional, rate_of};
use super::{LEAD_NS, Steer, lock};
use crate::load::control::{Rate, Refused};
use crate::load::plan::LoadPlan;

impl Steer {
    pub(in crate::load) fn pause(&self) {
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

    pub(in crate::load) fn resume(&self) {
        let mut wishes = lock(&self.wishes);
        let Some(from_ns) = wishes.paused_at_ns.take() else { return };
        let until_ns = self.effect(&wishes).max(from_ns);
        for wished in &mut wishes.flows {
            if let Load::Open { plan, now } = &mut wished.load {
                // Of a flow that had not begun, the whole pause lies before its first arrival.
                let (from_ns, length_ns) = (from_ns.saturating_sub(wished.start_ns), until_ns - from_ns);
                if let Ok(shifted) = plan.paused(from_ns, from_ns.saturating_add(length_ns)) {
                    *plan = shifted;
                }
                *now = plan.clone();
            }
        }
        wishes.pauses.push((from_ns, until_ns));
        self.note(&mut wishes, until_ns, (EventKind::Resume, "resumed".to_owned()));
    }

    pub(in crate::load) fn set_rate(&self, rate: Rate) -> Result<(), Refused> {
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
            if matches!(rate, Rate::PerS(_)) && before_per_s > 0.0 && wished.start_ns > at_ns {
                continue;
            }
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

    pub(in crate::load) fn set_users(&self, users: u32) -> Result<(), Refused> {
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
        let mut changed = wishes.flows.clone();
        for (wished, part) in changed.iter_mut().zip(parts) {
            let at_ns = own_ns(wished);
            if let (Load::Closed { plan }, Some(part)) = (&mut wished.load, part) {
                *plan = plan.held(at_ns, part).map_err(|error| Refused::Value(error.to_string()))?;
            }
        }
        wishes.flows = changed;
        self.note(&mut wishes, at_ns, (EventKind::Users, format!("users {before} to {users}")));
        Ok(())
    }

    /// When a wish uttered now takes effect: never before an earlier one.
    fn effect(&self, wishes: &Wishes) -> u64 {
        let last_ns = wishes.pauses.last().map_or(0, |(_, until_ns)| *until_ns);
        (self.clock.now_ns() + LEAD_NS).max(last_ns)
    }
}
