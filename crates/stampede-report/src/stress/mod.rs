//! A stress run made readable: alone, or beside the load run that it was put to.
//!
//! Invariants: as for a load run, the file is the only input and nothing is judged here; the words of tools and servers are
//! shown, never obeyed; what is beside a load run is bounded ([`MOST`]).
//! Absent on purpose: the formats that hold a load run's distributions. A stress run has figures of tools instead.

mod attach;
mod check;
mod files;
mod junit;
mod markdown;
mod rows;
mod summary;

pub use attach::{AttachError, MOST, attach};
pub use files::{check, check_as, render, write, write_as};
pub use summary::render as summary;

pub(crate) use check::contradiction;
pub(crate) use junit::cases as junit_cases;
pub(crate) use markdown::section as markdown_section;
pub(crate) use rows::{ends, held, held_per_s, highest_held, phase_word, phases, recovery, steps};
pub(crate) use summary::{Brief, chief, lines, samples};
