//! A run file made readable: as text, as a page, as the files other tools read.
//!
//! Invariants: a run file, of a load run or a stress run, is the only input; the same file gives the same output anywhere, long after the run; what came
//! from outside (names, error texts, URLs) is shown, never obeyed: escaped for the format, control characters spelt out.
//! Absent on purpose: verdicts. They are in the file. No look at terminal or environment either: the caller says whether
//! there may be colour.

pub mod accept;
pub mod autoscale;
pub mod chaos;
pub mod check;
pub mod export;
pub mod html;
mod phases;
mod read;
mod slices;
pub mod stress;
pub mod summary;
mod table;
mod words;

pub use read::{MAX_BYTES, ReadError, Record, parse, parse_any, read, read_any};
