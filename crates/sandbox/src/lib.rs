//! Private PostgreSQL and Redis on loopback, for embedded use, for a bench's local targets and for tests.
//!
//! Invariants: nothing started here outlives the process that started it, even when that is killed with SIGKILL; nothing listens
//! anywhere but on this machine; every server wants a password; a root caller's servers run as an unprivileged user.
//! Absent on purpose: downloads and containers; the programs must be installed.

mod deadlocks;
mod error;
mod folder;
mod ports;
mod postgres;
mod programs;
mod redis;
mod supervise;
pub mod testing;
mod user;

pub use error::SandboxError;
pub use ports::free_port;
pub use postgres::{Durability, Listen, Login, Postgres, PostgresAddress, PostgresOptions, Session};
pub use redis::{Persistence, Redis, RedisOptions};
pub use supervise::{DEFAULT_GRACE, Environment, Output, ProcessSpec, Signal, StopSignal, Supervised, log_tail};
pub use user::UnixUser;
