//! kv-erp as its callers meet it.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

mod auth;
mod batch_cases;
mod batches;
mod cases;
mod catalogue;
mod client;
mod conflicts;
mod crash;
mod demo;
mod description;
mod docs_page;
mod edges;
mod exports;
mod etags;
mod goods;
mod idempotency;
mod imports;
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
mod timing;
mod validation;
mod wire;
mod world;
