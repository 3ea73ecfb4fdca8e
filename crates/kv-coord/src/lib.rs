//! Every Redis key of kv-erp: locks with fencing, rate limits and the job queue, each with an in-process twin.
//!
//! Invariants: nothing here decides what may be written, only who works next and how often; a caller that must not lose a
//! race hands [`lock::Fence`] to PostgreSQL and has it checked there. Both back ends of a service pass one conformance suite.
//! Every queue, table and retry has a bound.
//! Absent on purpose: SQL (an [`lock::EpochSource`] is passed in), HTTP, and any back end that needs more than one Redis at a time.

mod cluster;
#[cfg(feature = "conformance")]
pub mod conformance;
mod endpoint;
mod epochs;
pub mod error;
mod fitness;
mod link;
pub mod lock;
pub mod queue;
pub mod rate_limit;
mod settings;
mod subscription;
mod sweep;

pub use error::CoordError;
pub use lock::{LockGuard, LockService, Resource};
pub use queue::JobQueue;
pub use rate_limit::RateLimiter;
pub use settings::RedisSettings;
