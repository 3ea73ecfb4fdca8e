//! Sending an event to where a tenant wants it: signed as Standard Webhooks has it, to public addresses alone, within bounds.
//!
//! Invariants: the address that is connected to is the one that was judged, whatever a name resolves to the next time; redirects are
//! not followed; an attempt ends within [`send::TOTAL`], and of an answer a bounded part is read.
//!
//! Absent on purpose: connections that are kept. An endpoint is asked seldom, and a kept connection is a judged address no more.

pub mod address;
pub mod places;
pub mod send;
pub mod sign;

pub use places::Places;
pub use send::Reach;
pub use sign::Secret;
