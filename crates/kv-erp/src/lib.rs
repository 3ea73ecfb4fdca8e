//! kv-erp: a multi-tenant inventory-and-order service that cannot oversell.
//!
//! The binary is a thin shell around this library, so that tests and benches can run the service in their own process.
//! Invariant: a status code is chosen in [`http`] only, a statement stands in `kv-store` only, a Redis key in `kv-coord` only.

pub mod app;
pub mod credentials;
pub mod demo;
pub mod http;
