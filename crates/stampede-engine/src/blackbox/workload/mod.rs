//! Workloads carried out: clients act at the same time, and everything they did and saw becomes a history.
//!
//! Each client has a connection of its own and does one thing at a time; all of them live on one thread, so that a round begins
//! with one sweep of requests (see `together`). After each round nobody acts: unknown outcomes are resolved and every object is
//! read at rest, because without such a read one lost unit can be explained by any call that was still under way.
//! Invariants: every attempt is one operation; an operation is written as soon as its outcome is final, so memory does not grow
//! with a run; nothing is retried, except by [`resolve`], which says so in the history.
//! Absent on purpose: judgement.

mod client;
mod habit;
mod look;
mod manner;
mod quiet;
mod recorder;
mod resolve;
mod run;

use std::io;

use stampede_model::history::Heading;

pub use manner::{Manner, Patience, Steering};
pub use run::run_workload;

use super::error::RowError;

/// What a workload did.
#[derive(Clone, Debug)]
pub struct WorkloadSummary {
    /// The first line of its history.
    pub heading: Heading,
    /// Operations written.
    pub operations: u64,
    /// Outcomes that were unknown at first and are known now.
    pub resolved: u64,
    /// Outcomes that stayed unknown.
    pub unresolved: u64,
    /// Of these the reads.
    pub unanswered_reads: u64,
    /// Between the first and the last send of a round, the largest, in microseconds.
    pub skew_us: u64,
}

/// A workload that says nothing of its target, with the reason.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// It could not be carried out.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Its history could not be written.
    #[error("the history cannot be written: {0}")]
    History(#[source] io::Error),
    /// The target stopped answering.
    #[error("the target does not answer any more: {cause}\nhint: look at its log; the history so far is kept")]
    Gone {
        /// The last failure.
        cause: String,
    },
}
