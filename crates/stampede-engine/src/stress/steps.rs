//! Rising rates: the same load once for each rate, until a limit breaks.
//!
//! Invariant: a step begins only when the one before has ended, so that no answer counts in two of them.

use stampede_model::run_result::Ending;
use stampede_model::stress::steps::{Bend, StepEnd, StepRecord, StepsRecord};
use stampede_model::threshold::Limit;

use crate::load::{self, Control, LoadError, LoadPlan};

/// Which rates, and what they must keep.
#[derive(Clone, Debug)]
pub struct StepsOrder {
    /// The plans, by rate, rising.
    pub steps: Vec<(f64, LoadPlan)>,
    /// What every step must keep.
    pub limits: Vec<Limit>,
    /// What happens after the first step that does not.
    pub after: AfterBend,
}

/// What happens after the first step that does not keep its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterBend {
    /// It is the last.
    Stop,
    /// The others follow: how does the service fare beyond?
    GoOn,
}

/// Runs the steps in order and tells each as it ends; blocks the calling thread.
///
/// # Errors
/// When a step could not take place. A service that breaks is a result.
pub fn run(order: &StepsOrder, control: &Control, mut tell: impl FnMut(&StepRecord)) -> Result<StepsRecord, LoadError> {
    let mut steps = Vec::with_capacity(order.steps.len());
    for (rate, plan) in &order.steps {
        let result = load::run(plan, control)?;
        let step = StepRecord::of(*rate, &result, &order.limits);
        tell(&step);
        let broken = step.end() != StepEnd::Kept;
        let last = step.ending == Ending::Interrupted || (order.after == AfterBend::Stop && broken);
        steps.push(step);
        if last {
            break;
        }
    }
    let bend = Bend::of(&steps);
    Ok(StepsRecord { steps, bend })
}
