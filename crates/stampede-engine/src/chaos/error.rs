//! Why a fault was not injected, or nobody knows whether it is undone.

use std::io;
use std::path::PathBuf;

use crate::cluster::AskError;

/// A chaos command that came to no good end.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// The journal.
    #[error("the journal {file}: {source}")]
    Journal {
        /// Its file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A journal that cannot be read.
    #[error("the journal {file}: {why}\nhint: look at the target yourself, then remove the file")]
    BadJournal {
        /// Its file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// Faults that were not undone.
    #[error(
        "{count} faults of an earlier run are not undone, the last is {last}\nhint: `stampede chaos recover --journal {file}`"
    )]
    Open {
        /// The journal.
        file: PathBuf,
        /// How many.
        count: usize,
        /// The last one.
        last: String,
    },
    /// Another run.
    #[error("another chaos run has the journal {file}\nhint: wait for its end, or name another --journal")]
    Busy {
        /// The journal.
        file: PathBuf,
    },
    /// The guardian.
    #[error("there is no guardian, so nothing more is broken: {source}")]
    Guardian {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] AskError),
    /// A fault and what it is aimed at do not belong together.
    #[error("{0}")]
    Aim(String),
    /// It could not be injected.
    #[error("{fault} on {on} was not injected: {why}{}", unhealed(left.as_ref()))]
    Inject {
        /// What.
        fault: String,
        /// Where.
        on: String,
        /// Why.
        why: String,
        /// What was seen when its undo did not work.
        left: Option<String>,
    },
}

fn unhealed(left: Option<&String>) -> String {
    left.map_or_else(String::new, |left| format!("; what was done of it is NOT UNDONE: {left}"))
}
