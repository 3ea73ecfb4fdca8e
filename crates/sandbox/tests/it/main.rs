//! Private servers, started for real.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

mod bin;
mod deadlocks;
mod postgres;
mod redis;
mod supervise;
mod templates;
