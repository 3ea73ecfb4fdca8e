//! The protocols as models, of which every reachable state is looked at. `docs/protocols.md` has the table.
//!
//! Invariant: each property a model always keeps is broken by a mistake that some test plants; a check that was never seen
//! failing proves nothing.
#![allow(
    clippy::match_same_arms,
    clippy::maybe_infinite_iter,
    clippy::missing_fields_in_debug,
    clippy::redundant_closure,
    clippy::redundant_closure_for_method_calls,
    reason = "a model says step by step what may happen, also where two steps do the same"
)]

mod check;
mod stock;
