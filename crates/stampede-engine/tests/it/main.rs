//! The engine against real sockets.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise, and its helpers with it")]

mod bad_servers;
mod blackbox;
mod control;
mod load;
mod script;
mod toy;
