//! Whether a history can be explained: the checkers, cheapest first, and how strong their word is.
//!
//! Each checker is sound: what it calls a violation no correct system can have shown, whatever order it chose inside the calls'
//! intervals. What it cannot decide is a doubt, and a doubt is never a pass.
//! Invariants: findings are bounded and counted; the same history gives the same report on any machine.
//! Absent on purpose: requests. Where a history comes from is no concern of a checker.

mod answers;
mod attempts;
mod audit;
mod by_key;
pub mod counter;
pub mod counterexample;
#[cfg(test)]
mod dice;
mod envelope;
pub mod exact;
pub mod idempotency;
mod judge;
pub mod limit;
pub mod lock;
pub mod models;
mod order;
pub mod queue;
mod reading;
pub mod register;
mod report;
mod run;
pub mod search;
mod sometimes;
pub mod stock;
pub mod tenants;
#[cfg(test)]
mod testing;
pub mod transactions;
mod words;

pub use audit::AUDIT;
pub use counterexample::{Counterexample, explain, shrink};
pub use judge::judge;
pub use report::{Answer, CheckReport, Finding, Findings, Rule, Strength};
pub use run::{CHECK_FORMAT, CHECK_VERSION, CheckRun, WorkloadVerdict};
pub use search::Budget;
