//! The guardian: a process of this same program that outlives the run just long enough to undo what it left broken.
//!
//! It reads from a pipe whose only other end is in the run. A line means that all is well; the end of the pipe means that the run
//! died, however it did. It also undoes by itself what is past its deadline, should the run stand still.
//! Invariants: it listens before the first fault; no signal of a terminal ends it; it undoes what the journal says and nothing else.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use stampede_model::chaos::{Entry, OpenFault};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::journal::JournalFile;
use super::undo::{Undone, undo};
use super::{ChaosError, unix_ms};

const READY_WITHIN: Duration = Duration::from_secs(10);
const READY: &str = "ready";
const DONE: &str = "done";
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often an undo is tried again when the target could not be seen whole.
const TRIES: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The run's side of the guardian.
#[derive(Debug)]
pub struct Guardian {
    child: Child,
    line: ChildStdin,
}

impl Guardian {
    /// Starts it and returns when it listens.
    pub(super) async fn start(program: &Path, journal: &Path) -> Result<Self, ChaosError> {
        let failed = |source| ChaosError::Guardian { source };
        let mut command = Command::new(program);
        command.args(["chaos", "guardian", "--journal"]).arg(journal);
        // In a group of its own: the Ctrl-C that ends the run is not meant for it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let missing = || failed(std::io::Error::other("its pipe is missing"));
        let line = child.stdin.take().ok_or_else(missing)?;
        let said = child.stdout.take().ok_or_else(missing)?;
        let mut first = String::new();
        let heard = timeout(READY_WITHIN, BufReader::new(said).read_line(&mut first)).await;
        heard.unwrap_or_else(|late| Err(late.into())).map_err(failed)?;
        if first.trim_end() != READY {
            return Err(failed(std::io::Error::other("it did not say that it is ready")));
        }
        Ok(Self { child, line })
    }

    /// Whether it still listens.
    pub(super) fn is_there(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it home.
    pub(super) async fn dismiss(mut self) {
        // One that was killed by hand is gone as well.
        self.line.write_all(format!("{DONE}\n").as_bytes()).await.ok();
        drop(self.line);
        self.child.wait().await.ok();
    }
}

/// What a recovery did with one fault.
pub type Recovered = (OpenFault, Undone);

/// Is the guardian of a journal: returns when the run is over, or has died and what it left was tried.
///
/// # Errors
/// When the journal cannot be used.
pub async fn guard(path: &Path) -> Result<Vec<Recovered>, ChaosError> {
    let _deaf = deafen().map_err(|source| ChaosError::Guardian { source })?;
    let mut journal = JournalFile::open_beside(path)?;
    let mut over = listen();
    // What could not be undone is tried again after twice the time, each time.
    let mut tries: BTreeMap<u64, i64> = BTreeMap::new();
    let say = || -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{READY}")?;
        out.flush()
    };
    say().map_err(|source| ChaosError::Guardian { source })?;
    loop {
        tokio::select! {
            ended = &mut over => return match ended {
                Ok(Over::Done) => Ok(Vec::new()),
                Ok(Over::Died) | Err(_) => recover(&mut journal, "guardian").await,
            },
            () = sleep(LOOK_EVERY) => {
                let now = unix_ms();
                let late = |fault: &&OpenFault| fault.is_late(now) && tries.get(&fault.id).is_none_or(|after| *after <= now);
                let late: Vec<OpenFault> = journal.read()?.open().filter(late).cloned().collect();
                for (fault, undone) in put_right(&mut journal, late, "guardian").await? {
                    if !undone.verified {
                        let waited = unix_ms().saturating_sub(fault.deadline_unix_ms).max(1_000);
                        tries.insert(fault.id, unix_ms().saturating_add(waited));
                    }
                }
            }
        }
    }
}

/// Undoes what a journal has open, several times if need be.
///
/// # Errors
/// When the journal cannot be used.
/// # Cancel safety
/// Dropping the future leaves what is not done open in the journal.
pub async fn recover(journal: &mut JournalFile, by: &str) -> Result<Vec<Recovered>, ChaosError> {
    let mut all: Vec<Recovered> = Vec::new();
    for attempt in 0..TRIES {
        let open: Vec<OpenFault> = journal.read()?.open().cloned().collect();
        if open.is_empty() {
            break;
        }
        if attempt > 0 {
            sleep(TRY_AGAIN_AFTER).await;
        }
        let tried = put_right(journal, open, by).await?;
        all.retain(|(fault, _)| tried.iter().all(|(again, _)| again.id != fault.id));
        all.extend(tried);
    }
    Ok(all)
}

async fn put_right(journal: &mut JournalFile, open: Vec<OpenFault>, by: &str) -> Result<Vec<Recovered>, ChaosError> {
    let undone = join_all(open.iter().map(|fault| undo(&fault.undo))).await;
    for (fault, Undone { verified, note }) in open.iter().zip(&undone) {
        let (by, note) = (by.to_owned(), note.clone());
        journal.add(&Entry::Undone { id: fault.id, at_unix_ms: unix_ms(), by, verified: *verified, note })?;
    }
    Ok(open.into_iter().zip(undone).collect())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Done,
    Died,
}

/// Reads the pipe on a thread of its own, which ends with the process.
fn listen() -> oneshot::Receiver<Over> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let over = if read.is_ok() && line.trim_end() == DONE { Over::Done } else { Over::Died };
        // Nobody listens when the process is about to end.
        tell.send(over).ok();
    });
    told
}

/// While these are held, the signals of a terminal and of `kill` do nothing.
fn deafen() -> std::io::Result<Vec<Signal>> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    kinds.into_iter().map(signal).collect()
}
