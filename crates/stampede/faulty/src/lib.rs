//! Small servers for the tester's tester: each is sound or has exactly one planted bug ([`all`]), and all of them speak one
//! HTTP face, so that one target file describes every one. `stampede selftest` starts them and must name each bug.
//!
//! A server lives in memory, on a free port of the loopback and on a thread of its own; several run at once. It pauses for
//! up to [`Config::longest_pause`] where a real system talks to its database, the sound one too, under its lock: so the
//! races are real and met in seconds.
//!
//! Invariants: a bug is switched by one value at one place of the code, and what is left is the sound twin; the sound twin
//! keeps every promise under any interleaving of requests; a request runs to its end when its client hangs up; rows,
//! bodies, connections and waits have bounds.
//! Absent on purpose: storage, login, TLS, HTTP/2, and any knowledge of the bench's own checks or of a real service.

mod bugs;
mod config;
mod face;
mod idempotency;
mod jobs;
mod limits;
mod locks;
mod orders;
mod products;
mod registers;
mod rows;
mod server;
mod state;
mod stock;

pub use bugs::{Area, Bug, all, by_id};
pub use config::{Config, WindowKind};
pub use server::Server;
