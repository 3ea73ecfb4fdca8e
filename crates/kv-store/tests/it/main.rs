//! The store against a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod audit;
mod bulk;
mod cancellation;
mod chain;
mod fences;
mod goods;
mod idempotency;
mod isolation;
mod lists;
mod lives;
mod orders;
mod outage;
mod predicates;
mod protocols;
mod readers;
mod roles;
mod schema;
mod statements;
mod stock;
mod support;
mod upgrade;
