//! Breaks things on purpose, and makes them whole again whatever happens meanwhile.
//!
//! Invariants: before a fault is injected it stands in the journal, on the disk, with all that its undo needs; a guardian, which is
//! another process, undoes what is open when this one dies or a deadline passes; an undo may run twice; it is believed only when
//! the target was seen to be whole. A signal never goes to a process that merely got the number of the one that was meant.
//! Absent on purpose: anything that needs root. What is not possible is said by name.

mod aim;
mod error;
mod guardian;
mod inject;
mod injector;
mod journal;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
mod named;
pub mod processes;
mod run;
mod sessions;
mod steady;
mod undo;

pub use error::ChaosError;
pub use guardian::{Guardian, Recovered, guard, recover};
pub use inject::{Order, Target};
pub use injector::{Ended, Injected};
pub use journal::JournalFile;
pub use run::Chaos;
pub use steady::SteadyWatch;
pub use undo::{Undone, undo};

use std::time::{SystemTime, UNIX_EPOCH};

/// An error with its causes, in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
