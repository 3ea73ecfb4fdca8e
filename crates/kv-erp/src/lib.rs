//! kv-erp: a multi-tenant inventory-and-order service that cannot oversell.
//!
//! The binary is a thin shell around this library, so that tests and benches can run the service in their own process.
//! Invariant: a status code is chosen in [`http`] only, a statement stands in `kv-store` only, a Redis key in `kv-coord` only.

pub mod admin;
pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod csv;
pub mod demo;
pub mod failure;
pub mod http;
pub mod limits;
pub mod process;
pub mod serve;
pub mod service;
pub mod signals;
pub mod status;
pub mod sweep;
pub mod telemetry;
pub mod up;
pub mod webhooks;
pub mod worker;
#[cfg(feature = "wrong-strategies")]
pub mod wrong;
