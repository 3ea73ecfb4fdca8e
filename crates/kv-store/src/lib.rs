//! Every SQL statement of kv-erp: migrations, tenant transactions, the stock ledger.
//!
//! Invariants: a tenant's rows are reached only through [`session`] and [`readers`], which set the tenant in the same pipeline or
//! statement, and each statement names `tenant_id` too, so that row-level security and the predicate guard each other.
//! Stock levels are locked by one function, in one order, in [`stock`]. Nobody is told "reserved" before the commit.
//!
//! Absent on purpose: HTTP words, Redis, retries of a write whose outcome is unknown.

pub mod access;
pub mod admin;
pub mod audit_log;
pub mod catalogue;
pub mod conflict;
pub mod error;
pub mod events;
pub mod exports;
pub mod files;
pub mod idempotency;
pub mod imports;
pub mod jobs;
pub mod lists;
pub mod orders;
mod plan;
pub mod readers;
pub mod replicas;
mod server;
pub mod session;
pub mod spent;
pub mod statement;
pub mod stock;
mod watched;
pub mod webhooks;
#[cfg(feature = "wrong-strategies")]
pub mod wrong;

pub use error::StoreError;
pub use server::{BadServer, Encrypted, Server, advice};
pub use session::{Page, Pooler, Store, StoreConfig};
