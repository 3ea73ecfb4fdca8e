//! What every fault goes through, wherever it is injected: the journal first, then the guardian, then the fault, then its undo.
//!
//! Invariants: no run begins while a fault of an earlier one is open; nothing is done before its intent is on the disk and the
//! guardian listens; what was injected is undone by [`Injector::undo`], or by the guardian when this process cannot.

use std::path::Path;
use std::time::Duration;

use stampede_model::chaos::{Entry, Undo};
use tokio::sync::Mutex;

use super::guardian::Guardian;
use super::journal::JournalFile;
use super::sessions::Held;
use super::undo::{Undone, undo};
use super::{ChaosError, unix_ms};

/// How long after its time a fault may be undone by the run itself, before the guardian does it.
const SLACK: Duration = Duration::from_secs(5);

/// The journal and the guardian of a run.
#[derive(Debug)]
pub(super) struct Injector {
    journal: Mutex<Numbered>,
}

#[derive(Debug)]
struct Numbered {
    file: JournalFile,
    next_id: u64,
    guardian: Guardian,
}

/// What is about to be done, and how it is undone.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) words: String,
    pub(super) on: String,
    pub(super) undo: Undo,
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

impl Injector {
    /// Takes the journal, refuses when it is open, and starts the guardian; `program` is this program's own file.
    pub(super) async fn begin(journal: &Path, program: &Path) -> Result<Self, ChaosError> {
        let file = JournalFile::open_alone(journal)?;
        let read = file.read()?;
        if let Some(last) = read.open().next() {
            let (count, last) = (read.open().count(), last.to_string());
            return Err(ChaosError::Open { file: journal.to_path_buf(), count, last });
        }
        let guardian = Guardian::start(program, journal).await?;
        Ok(Self { journal: Mutex::new(Numbered { file, next_id: read.next_id(), guardian }) })
    }

    /// Aims, by the number that the fault will have, and writes down what is about to be done.
    pub(super) async fn intend<A>(
        &self,
        lasts: Duration,
        aim: impl FnOnce(u64) -> Result<(Intent, A), ChaosError>,
    ) -> Result<(u64, Intent, A), ChaosError> {
        let mut journal = self.journal.lock().await;
        if !journal.guardian.is_there() {
            let source = std::io::Error::other("it has ended, and nobody would undo what this run leaves");
            return Err(ChaosError::Guardian { source });
        }
        let id = journal.next_id;
        let (intent, action) = aim(id)?;
        let at_unix_ms = unix_ms();
        let lasts = i64::try_from((lasts + SLACK).as_millis()).unwrap_or(i64::MAX);
        journal.file.add(&Entry::Intent {
            id,
            at_unix_ms,
            fault: intent.words.clone(),
            on: intent.on.clone(),
            undo: intent.undo.clone(),
            deadline_unix_ms: at_unix_ms.saturating_add(lasts),
        })?;
        journal.next_id += 1;
        Ok((id, intent, action))
    }

    /// Writes down how it went. What failed may have been done by half, and is undone.
    pub(super) async fn settle(
        &self,
        id: u64,
        intent: Intent,
        outcome: Result<Option<Held>, String>,
    ) -> Result<Injected, ChaosError> {
        let Intent { words, on, undo: how } = intent;
        match outcome {
            Ok(held) => {
                self.add(&Entry::Injected { id, at_unix_ms: unix_ms() }).await?;
                Ok(Injected { id, words, on, undo: how, held })
            }
            Err(why) => {
                let undone = undo(&how).await;
                self.note(id, &undone).await?;
                let left = (!undone.verified).then_some(undone.note);
                Err(ChaosError::Inject { fault: words, on, why, left })
            }
        }
    }

    /// Undoes, looks, and writes down what was seen.
    pub(super) async fn undo(&self, injected: Injected) -> Result<Ended, ChaosError> {
        let Injected { id, undo: how, held, .. } = injected;
        drop(held);
        let undone = undo(&how).await;
        self.note(id, &undone).await?;
        Ok(Ended { verified: undone.verified, note: undone.note })
    }

    /// Tells whether every fault was seen undone, and sends the guardian home.
    pub(super) async fn end(self) -> Result<bool, ChaosError> {
        let journal = self.journal.into_inner();
        let whole = journal.file.read()?.open().next().is_none();
        // With something left open the guardian tries once more on its own.
        if whole {
            journal.guardian.dismiss().await;
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
