//! A run file made readable.
//!
//! Invariant: a run file is the only input; the same file gives the same text anywhere, long after the run.
//! Absent on purpose: verdicts. They are in the file.

pub mod accept;
