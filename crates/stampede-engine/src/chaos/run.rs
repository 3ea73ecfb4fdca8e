//! A run of faults: journal first, then the guardian, then one fault after the other or several at once.
//!
//! Invariants: a run does not begin while a fault of an earlier one is open; nothing is injected before its intent is on the disk and
//! the guardian listens; what was injected is undone by [`Chaos::undo`], or by the guardian when this process cannot.

use std::path::Path;
use std::time::Duration;

use stampede_model::chaos::{Entry, Undo};
use tokio::sync::Mutex;

use super::guardian::Guardian;
use super::inject::{Order, Target};
use super::journal::JournalFile;
use super::sessions::Held;
use super::undo::{Undone, undo};
use super::{ChaosError, unix_ms};

/// How long after its time a fault may be undone by the run itself, before the guardian does it.
const SLACK: Duration = Duration::from_secs(5);

/// A run.
#[derive(Debug)]
pub struct Chaos {
    target: Target,
    journal: Mutex<Numbered>,
    guardian: Guardian,
}

#[derive(Debug)]
struct Numbered {
    file: JournalFile,
    next_id: u64,
}

/// A fault in force.
#[derive(Debug)]
pub struct Injected {
    id: u64,
    /// What, in words.
    pub words: String,
    /// What it meets.
    pub on: String,
    undo: Undo,
    held: Option<Held>,
}

/// How a fault ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether the target was seen to be whole again.
    pub verified: bool,
    /// What was seen.
    pub note: String,
}

impl Chaos {
    /// Takes the journal, refuses when it is open, and starts the guardian; `program` is this program's own file.
    ///
    /// # Errors
    /// See [`ChaosError`]; nothing is broken then.
    pub async fn begin(target: Target, journal: &Path, program: &Path) -> Result<Self, ChaosError> {
        let file = JournalFile::open_alone(journal)?;
        let read = file.read()?;
        if let Some(last) = read.open().next() {
            let (count, last) = (read.open().count(), last.to_string());
            return Err(ChaosError::Open { file: journal.to_path_buf(), count, last });
        }
        let guardian = Guardian::start(program, journal).await?;
        let journal = Mutex::new(Numbered { file, next_id: read.next_id() });
        Ok(Self { target, journal, guardian })
    }

    /// The system under test.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Aims and injects.
    ///
    /// # Errors
    /// [`ChaosError::Aim`] before anything happened; [`ChaosError::Inject`] when it failed, and what it may have done was undone, or
    /// stays open in the journal.
    /// # Cancel safety
    /// Dropping the future may leave the fault in force; the journal knows it, and the guardian ends it at its deadline.
    pub async fn inject(&self, order: &Order) -> Result<Injected, ChaosError> {
        let status = self.target.status().await?;
        let (id, aimed) = {
            let mut journal = self.journal.lock().await;
            let id = journal.next_id;
            let aimed = self.target.aim(order, &status, id)?;
            let at_unix_ms = unix_ms();
            let lasts = i64::try_from((order.lasts + SLACK).as_millis()).unwrap_or(i64::MAX);
            journal.file.add(&Entry::Intent {
                id,
                at_unix_ms,
                fault: aimed.words.clone(),
                on: aimed.on.clone(),
                undo: aimed.undo.clone(),
                deadline_unix_ms: at_unix_ms.saturating_add(lasts),
            })?;
            journal.next_id += 1;
            (id, aimed)
        };
        match self.target.carry_out(&aimed).await {
            Ok(held) => {
                self.add(&Entry::Injected { id, at_unix_ms: unix_ms() }).await?;
                Ok(Injected { id, words: aimed.words, on: aimed.on, undo: aimed.undo, held })
            }
            Err(why) => {
                // It may have been done by half.
                let undone = undo(&aimed.undo).await;
                self.note(id, &undone).await?;
                Err(ChaosError::Inject { fault: aimed.words, on: aimed.on, why })
            }
        }
    }

    /// Undoes, looks, and writes down what was seen.
    ///
    /// # Errors
    /// When the journal cannot be written; the target was seen to all the same.
    /// # Cancel safety
    /// Dropping the future leaves the fault open in the journal.
    pub async fn undo(&self, injected: Injected) -> Result<Ended, ChaosError> {
        let Injected { id, undo: how, held, .. } = injected;
        drop(held);
        let undone = undo(&how).await;
        self.note(id, &undone).await?;
        Ok(Ended { verified: undone.verified, note: undone.note })
    }

    /// Ends the run: tells whether every fault was seen undone, and sends the guardian home.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn end(self) -> Result<bool, ChaosError> {
        let whole = self.journal.lock().await.file.read()?.open().next().is_none();
        // With something left open the guardian tries once more on its own.
        if whole {
            self.guardian.dismiss().await;
        }
        Ok(whole)
    }

    async fn note(&self, id: u64, undone: &Undone) -> Result<(), ChaosError> {
        let Undone { verified, note } = undone.clone();
        self.add(&Entry::Undone { id, at_unix_ms: unix_ms(), by: "run".to_owned(), verified, note }).await
    }

    async fn add(&self, entry: &Entry) -> Result<(), ChaosError> {
        self.journal.lock().await.file.add(entry)
    }
}
