//! The load of a plan: one GET at a rate, or a whole scenario.

use std::path::Path;

use anyhow::Context;
use stampede_engine::load::{LoadPlan, RequestPlan, Stop};
use stampede_engine::script::load_plan;
use stampede_model::chaos::{ChaosPlan, PlanLoad};
use stampede_model::scenario::{Overrides, compile};
use stampede_model::schedule::{Schedule, Spacing};

use crate::run::Disk;

/// Makes the load, against the cluster at `url`; `folder` is the plan's own.
pub(super) fn load(plan: &ChaosPlan, folder: &Path, url: &str) -> anyhow::Result<LoadPlan> {
    match &plan.load {
        PlanLoad::Path { path, rate_per_s, timeout } => {
            let request = RequestPlan::get(&format!("{}{path}", url.trim_end_matches('/')))?;
            let schedule = Schedule::new(*rate_per_s, Spacing::Uniform, 1)?;
            let mut load = LoadPlan::open(request, schedule, Stop { requests: None, duration: Some(plan.lasts) });
            load.timeout = *timeout;
            load.drain = load.drain.min(*timeout);
            Ok(load)
        }
        PlanLoad::Scenario(file) => {
            let overrides = Overrides {
                host: Some(url.trim_end_matches('/').to_owned()),
                duration: Some(plan.lasts),
                seed: plan.seed,
                ..Overrides::default()
            };
            let scenario = compile(&folder.join(file), &Disk, &overrides).context("load.scenario")?;
            Ok(load_plan(&scenario)?)
        }
    }
}
