//! The load row: an open-model load, judged by its thresholds and by the generator's own health.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use stampede_model::run::RunFile;
use stampede_model::schedule::{Schedule, Spacing};
use stampede_model::target::{Effort, LoadRow};
use stampede_model::threshold::Threshold;
use stampede_model::verdict::{Ruling, judge_load};

use super::caller::Bench;
use super::error::RowError;
use super::nanos;
use crate::load::{Control, Expect, LoadError, LoadPlan, Stop, run as run_load};

/// Evenly spaced arrivals draw nothing, so any seed gives the same schedule.
const SEED: u64 = 0;

pub(super) async fn run(
    bench: &Bench<'_>,
    row: &LoadRow,
    effort: Effort,
    control: &Arc<Control>,
) -> Result<Ruling, RowError> {
    Ok(judge_load(&measure(bench, row, effort, control).await?))
}

/// Carries a load row out and judges nothing yet but its own thresholds.
///
/// # Errors
/// When it could not take place.
/// # Cancel safety
/// Dropping the future leaves the load to its threads until `control` stops it.
pub async fn measure(
    bench: &Bench<'_>,
    row: &LoadRow,
    effort: Effort,
    control: &Arc<Control>,
) -> Result<RunFile, RowError> {
    let caller = bench.caller(&row.user).await?;
    let prepared = bench.prepare(&row.request, &caller)?;
    let (rate_per_s, lasts) = row.size(effort);
    let unplannable = |why: String| RowError::Plan(why);
    let schedule = Schedule::new(f64::from(rate_per_s), Spacing::Uniform, SEED);
    let schedule = schedule.map_err(|error| unplannable(error.to_string()))?;
    let thresholds: Vec<Threshold> = row
        .thresholds
        .iter()
        .map(|threshold| Threshold::from_str(threshold.as_ref()))
        .collect::<Result<_, _>>()
        .map_err(|error| unplannable(error.to_string()))?;
    let mut plan = LoadPlan::open(prepared.plan, schedule, Stop { requests: None, duration: Some(lasts) });
    plan.timeout = bench.timeout();
    plan.expect = Expect::Only(prepared.request.expect.as_ref().iter().map(|status| status.code()).collect());
    let started_unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos);
    let record = plan.record();
    let (plan, control) = (plan, Arc::clone(control));
    let result = tokio::task::spawn_blocking(move || run_load(&plan, &control)).await;
    let result = result.map_err(|_| LoadError::Panicked)??;
    Ok(RunFile::conclude(started_unix_ns, record, &thresholds, result))
}
