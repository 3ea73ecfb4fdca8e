//! The tree as it is, and with one mistake planted after the other.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise, and its helpers with it")]

mod planted;
mod programs;
mod tree;
