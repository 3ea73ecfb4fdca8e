//! HTTP load: requests leave when they should, and what came of each is counted.
//!
//! One loop serves both models; they differ only in when the next request leaves. In the closed model that is when its
//! connection is free, in the open model a time by formula that no slow answer can shift.
//!
//! Invariants: a generator thread shares nothing with another on the hot path (no lock, no atomic, no channel); memory
//! does not grow with the number of requests; each asked request ends as exactly one of succeeded, failed, unfinished,
//! not sent; an error is never a success; latency counts from the intended start.
//! Absent on purpose: retries, and a verdict (thresholds and trust live in the model).

pub mod control;
mod deadlines;
mod gather;
mod generator;
pub mod plan;
mod recorder;
mod samples;
mod series;
mod shard;
mod worker;

use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::Duration;

use stampede_model::run_result::{Ending, LagOf};
use thiserror::Error;

pub use crate::http::{BadRequestPlan, BadUrl, RequestPlan};
pub use control::{Control, Progress};
pub use plan::{Arrivals, BadPlan, Expect, LoadPlan, Reuse, Stop};
pub use samples::{FirstAnswer, Keep, Sample};
pub use stampede_model::run_result::LoadResult;

use crate::http::endpoint::Unreachable;
use crate::process::raise_open_files;
use gather::gather;
use generator::Common;
use series::Series;

/// How long the one connection before a run may take.
const REACH: Duration = Duration::from_secs(5);

/// A run that could not take place.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The plan contradicts itself.
    #[error(transparent)]
    Plan(#[from] BadPlan),
    /// Nothing answers at the address before the run.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// A generator thread could not be set up.
    #[error("cannot set up a generator thread: {source}")]
    SetUp {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A generator thread panicked; its figures are lost.
    #[error("a generator thread panicked; nothing it measured can be trusted")]
    Panicked,
}

/// A run with single answers.
#[derive(Clone, Debug)]
pub struct SampledRun {
    /// What was measured.
    pub result: LoadResult,
    /// Single answers, in no particular order.
    pub samples: Vec<Sample>,
    /// What the first answer said of itself.
    pub first_answer: Option<FirstAnswer>,
}

/// Carries out `plan` and reports what happened; blocks the calling thread until the run is over (duration, plus at most
/// `drain`). From async code call it in `spawn_blocking`.
///
/// # Errors
/// Only when the run could not take place. A server that refuses, resets or hangs is a result, not an error.
pub fn run(plan: &LoadPlan, control: &Control) -> Result<LoadResult, LoadError> {
    run_keeping(plan, control, Keep::Nothing).map(|sampled| sampled.result)
}

/// As [`run`], keeping single answers as well.
///
/// # Errors
/// As [`run`].
pub fn run_keeping(plan: &LoadPlan, control: &Control, keep: Keep) -> Result<SampledRun, LoadError> {
    plan.check()?;
    let address = plan.requests[0].endpoint().reach(plan.timeout.min(REACH))?;
    let open_files_limit = raise_open_files();
    let threads = generator::threads_of(plan);
    let common = Common {
        plan: Arc::new(plan.clone()),
        address,
        series: Arc::new(Series::new(threads)),
        keep: keep.part(threads),
        threads,
        ready: Barrier::new(threads),
        clock: OnceLock::new(),
    };
    let mut harvests = Vec::with_capacity(threads);
    thread::scope(|scope| {
        let common = &common;
        let running: Vec<_> =
            (0..threads).map(|index| scope.spawn(move || generator::generate(common, control, index))).collect();
        for thread in running {
            harvests
                .push(thread.join().map_err(|_| LoadError::Panicked)?.map_err(|source| LoadError::SetUp { source })?);
        }
        Ok::<(), LoadError>(())
    })?;
    let mut sampled = gather(harvests, &common.series);
    sampled.result.health.open_files_limit = open_files_limit;
    sampled.result.health.lag_of = match plan.arrivals {
        Arrivals::Closed { .. } => LagOf::Ticks,
        Arrivals::Open { .. } => LagOf::Departures,
    };
    sampled.result.ending = if control.is_stopped() { Ending::Interrupted } else { Ending::Complete };
    Ok(sampled)
}
