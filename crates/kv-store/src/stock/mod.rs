//! The stock ledger: every change of stock, from one function, in one order.
//!
//! A command goes to the writer of its stock ([`coalescer`]), which locks and loads what a whole batch needs ([`load`]), decides
//! each command in memory ([`decide`], [`allocate`], pure), writes the effects and commits ([`batch`]). A row's own checks stand
//! behind all this: conservation is a CHECK and the ledger's key is a version without gaps.

pub(crate) mod allocate;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod board;
pub(crate) mod chain;
mod coalescer;
mod command;
pub(crate) mod connection;
pub(crate) mod decide;
#[cfg(test)]
mod decide_tests;
pub(crate) mod documents;
pub(crate) mod due;
mod ending;
mod entry;
pub(crate) mod fate;
mod goods;
mod group;
#[cfg(test)]
mod group_tests;
pub(crate) mod holdings;
pub(crate) mod keys;
#[cfg(test)]
mod keys_tests;
mod ledger;
pub(crate) mod load;
pub(crate) mod locks;
mod notes;
mod ordering;
pub(crate) mod read;
pub(crate) mod read_documents;
mod refusal;
pub(crate) mod reorder;
pub(crate) mod rows;
#[cfg(feature = "conformance")]
pub mod rule;
mod shard;
pub(crate) mod signals;
mod verify;
mod wanted;
mod writer;

pub use audit::LedgerFault;
pub use coalescer::StockStats;
pub use command::{Action, Command, FenceClaim, GroupTooLarge, MAX_GROUP_LINES, Outcome};
pub use due::DueReservation;
pub use ledger::Ledger;
pub use read::LevelFilter;
pub use refusal::{Mismatch, OrderStep, Reference, Refusal, Shortage, StockError, Thing, UnknownReference};
pub use reorder::set_reorder_point;
pub use verify::{BrokenChain, Verified, verify_chains};
