//! Stress of single parts: what a database's, a cache's, a pool's or a service's limits are, as data.
//!
//! Invariants: nothing here runs a tool or asks a server; what a tool printed is read by what its lines say, not by where
//! they stand, so that another version's additional line does no harm; every record is bounded, whatever a tool prints or
//! a server holds; no password gets into a record.
//! Absent on purpose: own load on PostgreSQL or Redis. pgbench and redis-benchmark are what everybody compares with.

pub mod figure;
pub mod pgbench;
pub mod pool;
pub mod postgres;
pub mod record;
pub mod redact;
pub mod redis;
pub mod redis_benchmark;
pub mod steps;
pub mod threshold;

pub use figure::{Figure, Unit};
pub use record::{
    Finding, Grade, STRESS_FORMAT, STRESS_VERSION, SecondFigures, ServerSample, StressFile, StressKind, StressRun,
    ToolRecord,
};
pub use threshold::{BadStressThreshold, StressThreshold};
