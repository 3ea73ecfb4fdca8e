//! kv-erp as its callers meet it.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

mod auth;
mod cases;
mod catalogue;
mod crash;
mod demo;
mod description;
mod edges;
mod etags;
mod goods;
mod idempotency;
mod invariants;
mod isolation;
mod limits;
mod lists;
mod lives;
mod locks;
mod operations;
mod outage;
mod pagination;
mod process;
mod service;
mod stock;
mod validation;
mod wire;
mod world;
