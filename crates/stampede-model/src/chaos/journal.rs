//! The undo journal: what was about to be broken, how it is made whole, and whether that has been seen to be so.
//!
//! Invariants: a fault is in the journal, with everything its undo needs, before it is injected; a fault is closed only by an
//! entry that says it was verified. A torn last line (power went out in the middle) is no entry: its fault was not injected.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::kubernetes::{ClusterReach, KubernetesUndo};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// A fault is about to be injected.
    Intent {
        /// Its number in this journal.
        id: u64,
        /// When, milliseconds since 1970.
        at_unix_ms: i64,
        /// What, in words.
        fault: String,
        /// What it meets.
        on: String,
        /// How it is undone.
        undo: Undo,
        /// When it is undone at the latest, milliseconds since 1970.
        deadline_unix_ms: i64,
    },
    /// It was injected.
    Injected {
        /// Its number.
        id: u64,
        /// When.
        at_unix_ms: i64,
    },
    /// An undo was tried.
    Undone {
        /// Its number.
        id: u64,
        /// When.
        at_unix_ms: i64,
        /// By whom: `run`, `guardian` or `recover`.
        by: String,
        /// Whether the target was seen to be whole.
        verified: bool,
        /// What was seen.
        note: String,
    },
}

/// A process that cannot be taken for another one that got its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it began, in the kernel's ticks since boot.
    pub started: u64,
}

/// Where a cluster is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The control socket.
    pub socket: String,
    /// The process that serves it: when that is gone, so is all it started.
    pub process: ProcessId,
}

/// How a fault is undone. Each is safe to do twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "snake_case")]
pub enum Undo {
    /// SIGCONT to these, and to whatever they have started.
    Continue {
        /// Those that were found when the fault began.
        processes: Vec<ProcessId>,
    },
    /// A replica runs again.
    Member {
        /// Where to ask.
        reach: Reach,
        /// Which.
        name: String,
    },
    /// A link is calm again.
    Link {
        /// Where to ask.
        reach: Reach,
        /// Which.
        name: String,
    },
    /// PostgreSQL or Redis runs again.
    Server {
        /// Where to ask.
        reach: Reach,
        /// Which.
        name: String,
    },
    /// PostgreSQL has one primary, and a standby that follows it.
    Standby {
        /// Where to ask.
        reach: Reach,
    },
    /// Sessions of the bench in PostgreSQL are gone.
    Sessions {
        /// Where to ask for the database's URL.
        reach: Reach,
        /// Their `application_name`.
        name: String,
    },
    /// Redis takes commands again.
    Unpause {
        /// Where to ask for its URL.
        reach: Reach,
    },
    /// Something in a Kubernetes cluster; needs a build with that feature.
    Kubernetes {
        /// Which cluster and namespace.
        reach: ClusterReach,
        /// How.
        how: KubernetesUndo,
    },
    /// There is nothing to undo.
    Nothing,
}

/// A journal's lines that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no entry of an undo journal: {why}")]
pub struct BadJournal {
    /// Counted from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    open: BTreeMap<u64, OpenFault>,
    next_id: u64,
}

/// A fault that has not been seen undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFault {
    /// Its number.
    pub id: u64,
    /// What, in words.
    pub fault: String,
    /// What it meets.
    pub on: String,
    /// How it is undone.
    pub undo: Undo,
    /// When at the latest.
    pub deadline_unix_ms: i64,
    /// When it was written down.
    pub intended_unix_ms: i64,
    /// Whether it is in force; before, it may still be on its way.
    pub is_injected: bool,
    /// What the last try saw.
    pub last_note: Option<String>,
}

/// How long an injection may take: a server that is asked to end may let its sessions finish first.
const INJECTION_MS_MAX: i64 = 120_000;

impl OpenFault {
    /// Whether somebody else has to undo it at this time.
    pub const fn is_late(&self, now_unix_ms: i64) -> bool {
        let more = if self.is_injected { 0 } else { INJECTION_MS_MAX };
        now_unix_ms > self.deadline_unix_ms.saturating_add(more)
    }
}

impl Journal {
    /// Reads a journal's text.
    ///
    /// # Errors
    /// When a line before the last is no entry: then nobody knows what is broken.
    pub fn parse(text: &str) -> Result<Self, BadJournal> {
        let mut journal = Self::default();
        let lines: Vec<&str> = text.split('\n').collect();
        let whole = lines.len() - 1;
        for (place, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
            match serde_json::from_str(line) {
                Ok(entry) => journal.add(entry),
                // What stands behind the last line break was torn: it was never made durable, so nothing followed from it.
                Err(_) if place == whole => {}
                Err(error) => return Err(BadJournal { line: place + 1, why: error.to_string() }),
            }
        }
        Ok(journal)
    }

    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Intent { id, at_unix_ms: intended_unix_ms, fault, on, undo, deadline_unix_ms } => {
                self.next_id = self.next_id.max(id + 1);
                let (is_injected, last_note) = (false, None);
                let open =
                    OpenFault { id, fault, on, undo, deadline_unix_ms, intended_unix_ms, is_injected, last_note };
                self.open.insert(id, open);
            }
            // It lasts as long as it should from here on.
            Entry::Injected { id, at_unix_ms } => {
                if let Some(fault) = self.open.get_mut(&id) {
                    let took_ms = at_unix_ms.saturating_sub(fault.intended_unix_ms).max(0);
                    fault.deadline_unix_ms = fault.deadline_unix_ms.saturating_add(took_ms);
                    fault.is_injected = true;
                }
            }
            Entry::Undone { id, verified: true, .. } => {
                self.open.remove(&id);
            }
            Entry::Undone { id, verified: false, note, .. } => {
                if let Some(fault) = self.open.get_mut(&id) {
                    fault.last_note = Some(note);
                }
            }
        }
    }

    /// What is still open, latest first: faults are undone in the opposite order.
    pub fn open(&self) -> impl Iterator<Item = &OpenFault> {
        self.open.values().rev()
    }

    /// The number of the next fault.
    pub const fn next_id(&self) -> u64 {
        self.next_id
    }
}

impl fmt::Display for OpenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.fault, self.on)?;
        self.last_note.iter().try_for_each(|note| write!(f, " ({note})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(id: u64) -> String {
        let entry = Entry::Intent {
            id,
            at_unix_ms: 1,
            fault: "pause".into(),
            on: "api-1".into(),
            undo: Undo::Continue { processes: vec![ProcessId { pid: 7, started: 9 }] },
            deadline_unix_ms: 2,
        };
        serde_json::to_string(&entry).unwrap() + "\n"
    }

    fn undone(id: u64, verified: bool) -> String {
        let note = "seen".to_owned();
        serde_json::to_string(&Entry::Undone { id, at_unix_ms: 3, by: "run".into(), verified, note }).unwrap() + "\n"
    }

    #[test]
    fn only_a_verified_undo_closes_a_fault() {
        let open = |text: &str| Journal::parse(text).unwrap().open().map(|fault| fault.id).collect::<Vec<_>>();
        assert_eq!(open(""), [0_u64; 0]);
        assert_eq!(open(&(intent(1) + &intent(2))), [2, 1]);
        assert_eq!(open(&(intent(1) + &undone(1, false))), [1]);
        assert_eq!(open(&(intent(1) + &undone(1, false) + &undone(1, true))), [0_u64; 0]);
        let journal = Journal::parse(&(intent(4) + &undone(4, false))).unwrap();
        assert_eq!(journal.next_id(), 5);
        assert_eq!(journal.open().next().unwrap().to_string(), "pause on api-1 (seen)");
    }

    #[test]
    fn the_deadline_counts_from_the_injection() {
        let injected = serde_json::to_string(&Entry::Injected { id: 1, at_unix_ms: 30_001 }).unwrap() + "\n";
        let late = |text: &str, now| Journal::parse(text).unwrap().open().any(|fault| fault.is_late(now));
        assert!(!late(&intent(1), 60_000) && late(&intent(1), 2 + INJECTION_MS_MAX + 1));
        let both = intent(1) + &injected;
        assert!(!late(&both, 30_002) && late(&both, 30_003));
    }

    #[test]
    fn a_torn_last_line_was_never_written_and_a_broken_middle_is_told() {
        let whole = intent(1);
        for end in 0..whole.len() - 1 {
            assert_eq!(Journal::parse(&whole[..end]).unwrap().open().count(), 0, "{end}");
        }
        let error = Journal::parse(&format!("{}{{\"entry\":\n{}", intent(1), undone(1, true))).unwrap_err();
        assert_eq!(error.line, 2);
    }
}
