//! Whether a history can be explained: the checkers, cheapest first, and how strong their word is.
//!
//! Each checker is sound: what it calls a violation no correct system can have shown, whatever order it chose inside the calls'
//! intervals. What it cannot decide is a doubt, and a doubt is never a pass.
//! Invariants: findings are bounded and counted; the same history gives the same report on any machine.
//! Absent on purpose: requests. Where a history comes from is no concern of a checker.

pub mod idempotency;
pub mod limit;
pub mod lock;
pub mod queue;
mod reading;
mod report;
pub mod tenants;

#[cfg(test)]
mod dice;

pub use report::{Answer, CheckReport, Finding, Findings, Rule, Strength};
