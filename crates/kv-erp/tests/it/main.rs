//! kv-erp as its callers meet it.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

mod cases;
mod catalogue;
mod crash;
mod demo;
mod description;
mod isolation;
mod operations;
mod pagination;
mod stock;
mod validation;
mod world;
