//! HTTP/1 with as little as possible between the request's bytes and the socket: the head is rendered once, the answer is
//! parsed where it was read.
//!
//! Invariants: nothing is allocated per request; what is not a valid answer is refused and named; the parser is pure and
//! knows no socket.

#![allow(unreachable_pub, reason = "reachable for the fuzz target, by a feature that nobody else switches on")]

mod chunks;
pub(super) mod connection;
#[cfg(test)]
mod differential_tests;
pub(super) mod head;
pub(crate) mod parse_error;
pub(crate) mod parser;
#[cfg(any(test, feature = "fuzzing"))]
pub mod trace;
#[cfg(test)]
mod trace_tests;
