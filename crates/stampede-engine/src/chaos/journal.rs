//! The journal on the disk: appended, made durable, owned by one run at a time.
//!
//! Invariants: an entry that [`JournalFile::add`] returned from survives a power cut; a run has the journal alone, the guardian of
//! that run aside; a torn end is cut off before anything is added behind it. The file is its owner's only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use stampede_model::chaos::{Entry, Journal};

use super::ChaosError;

/// A journal that is open for adding.
#[derive(Debug)]
pub struct JournalFile {
    path: PathBuf,
    file: File,
    // Held as long as the run lasts; the kernel gives it back when the process dies.
    lock: Option<File>,
}

impl JournalFile {
    /// Opens, or makes, a journal for a run that has it alone.
    ///
    /// # Errors
    /// [`ChaosError::Busy`] when another run has it.
    pub fn open_alone(path: &Path) -> Result<Self, ChaosError> {
        let failed = |source| ChaosError::Journal { file: path.to_path_buf(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let lock_path = path.with_added_extension("lock");
        let lock = options().truncate(false).open(&lock_path).map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(ChaosError::Busy { file: path.to_path_buf() }),
            Err(error) => return Err(failed(error.into())),
        }
        let mut journal = Self::open_beside(path)?;
        journal.lock = Some(lock);
        Ok(journal)
    }

    /// Opens a journal beside its owner, as the guardian does.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open_beside(path: &Path) -> Result<Self, ChaosError> {
        let failed = |source| ChaosError::Journal { file: path.to_path_buf(), source };
        let file = options().append(true).open(path).map_err(failed)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // The name must survive as well as the bytes.
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(Self { path: path.to_path_buf(), file, lock: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says now.
    ///
    /// # Errors
    /// When it cannot be read, or a line makes no sense.
    pub fn read(&self) -> Result<Journal, ChaosError> {
        let text = fs::read_to_string(&self.path).map_err(self.failed())?;
        Journal::parse(&text).map_err(|bad| ChaosError::BadJournal { file: self.path.clone(), why: bad.to_string() })
    }

    /// Adds an entry and returns when it is on the disk.
    ///
    /// # Errors
    /// When it is not: then what it speaks of must not be done.
    pub fn add(&mut self, entry: &Entry) -> Result<(), ChaosError> {
        self.append(entry).map_err(|source| ChaosError::Journal { file: self.path.clone(), source })
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.cut_torn_end()?;
        let line = serde_json::to_string(entry)? + "\n";
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()
    }

    fn cut_torn_end(&mut self) -> io::Result<()> {
        let length = self.file.seek(SeekFrom::End(0))?;
        if length == 0 {
            return Ok(());
        }
        let mut last = [0];
        let mut reader = File::open(&self.path)?;
        reader.seek(SeekFrom::End(-1))?;
        reader.read_exact(&mut last)?;
        if last == *b"\n" {
            return Ok(());
        }
        let text = fs::read(&self.path)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        self.file.set_len(whole as u64)
    }

    fn failed(&self) -> impl Fn(io::Error) -> ChaosError {
        let file = self.path.clone();
        move |source| ChaosError::Journal { file: file.clone(), source }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use stampede_model::chaos::Undo;

    use super::*;

    fn intent(id: u64) -> Entry {
        let (fault, on) = ("pause".to_owned(), "api-1".to_owned());
        Entry::Intent { id, at_unix_ms: 0, fault, on, undo: Undo::Nothing, deadline_unix_ms: 0 }
    }

    #[test]
    fn a_run_has_it_alone_and_a_torn_end_harms_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/journal.jsonl");
        let mut journal = JournalFile::open_alone(&path).unwrap();
        assert!(matches!(JournalFile::open_alone(&path), Err(ChaosError::Busy { .. })));
        journal.add(&intent(0)).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"entry\":\"inte").unwrap();
        let mut guardian = JournalFile::open_beside(&path).unwrap();
        guardian.add(&intent(1)).unwrap();
        assert_eq!(journal.read().unwrap().open().map(|fault| fault.id).collect::<Vec<_>>(), [1, 0]);
        drop(journal);
        assert_eq!(JournalFile::open_alone(&path).unwrap().read().unwrap().next_id(), 2);
    }
}
