//! The protocols as models, of which every reachable state is looked at. `docs/protocols.md` has the table.
//!
//! Invariant: each property a model always keeps is broken by a mistake that some test plants; a check that was never seen
//! failing proves nothing.

mod check;
mod lock;
mod queue;
