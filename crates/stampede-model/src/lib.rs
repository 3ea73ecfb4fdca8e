//! Plan, schedule, histogram, verdict: the pure half of the bench.
//!
//! Invariants: nothing here does I/O, reads a clock or draws an unseeded random number; the same input gives the same
//! verdict on any machine. All times are nanoseconds in integers, measured from the start of the run.
//! Absent on purpose: HTTP. How a request is sent and when it came back is the engine's business.

pub mod acceptance;
pub mod autoscale;
pub mod chaos;
pub mod check;
pub mod compare;
pub mod diagnose;
pub mod failure;
pub mod histogram;
pub mod history;
pub mod interval;
pub mod logs;
pub mod look;
pub mod row;
pub mod run;
pub mod run_result;
pub mod run_trust;
pub mod scenario;
pub mod schedule;
pub mod stress;
pub mod target;
pub mod threshold;
pub mod timeline;
pub mod units;
pub mod verdict;
