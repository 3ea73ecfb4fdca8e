//! The store against a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod audit;
mod bulk;
mod cancellation;
mod chain;
mod conflicts;
mod events;
mod fences;
mod files;
mod goods;
mod idempotency;
mod isolation;
mod lists;
mod lives;
mod mixed;
mod mutants;
mod orders;
mod outage;
mod policies;
mod predicates;
mod protocols;
mod readers;
mod roles;
mod schema;
mod severed;
mod statements;
mod stock;
mod support;
mod upgrade;
mod wire;
