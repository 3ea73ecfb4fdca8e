//! The job queue: which job is worked on next, by whom and until when, held in Redis or in this process.
//!
//! Invariants: the lists `queue:high`, `queue:default` and `queue:low` hold exactly the jobs that are ready, so their length
//! is the backlog; a job is ready, leased, delayed or dead, and only one of these; it has at most one live lease; whoever
//! speaks of a leased job shows the lease's [`Fence`](crate::lock::Fence), which no later lease repeats, also after a flush;
//! before a tenant's first job leave at most two of each other tenant in its queue, and what was given back; every key has a
//! bound. The truth is a table in PostgreSQL: what is lost here is pushed again from there. A job may be delivered twice, so its handler must
//! not mind.
//! Absent on purpose: payloads (a job carries a reference), results, schedules, dependencies between jobs, and removal of
//! a job that is ready.

mod backend;
mod bounds;
mod counts;
mod in_process;
mod job;
mod line;
mod outcome;
mod redis;
mod retry;
mod service;
mod state;
mod turn;

pub use bounds::{BadClaimCount, BadLeaseTtl, CLAIM_MAX, ClaimCount, DEAD_MAX, ENQUEUE_MAX, JOBS_MAX, LeaseTtl};
pub use counts::{QueueCounts, ReadyCount};
pub use job::{BadJob, Job, JobId, JobLimits, Kind, PayloadRef, Priority, QueueTag, Queues, UniqueKey};
pub use outcome::{ClaimedJob, DeadLetter, Enqueued, FailOutcome, Lease, LeaseError, Reason, Replayed, Stage, Verdict};
pub use retry::RetryPolicy;
pub use service::JobQueue;
#[cfg(feature = "conformance")]
pub use state::rule;
