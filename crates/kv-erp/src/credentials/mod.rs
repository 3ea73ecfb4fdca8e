//! Passwords and tokens: how they are made, and how they are checked.
//!
//! Invariant: neither leaves this module in the clear but to the one who is to have it; `Debug` shows neither.

pub mod password;
pub mod platform;
pub mod token;
