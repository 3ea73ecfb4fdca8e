//! What is noted in the audit log without a transaction of its own: what was refused, and what was done in Redis. The caller does not
//! wait for it.
//!
//! Invariants: at most [`MAX_WAITING`] notes wait; one more is lost, counted, and said in the log. What waits is written [`MAX_BATCH`]
//! at a time by one task, which ends with the last sender. A process that is killed loses what waits: some milliseconds' worth; one
//! that is stopped writes it first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kv_store::Store;
use kv_store::audit_log::{self, Entry};
use kv_types::{ApiTokenId, TenantId};
use tokio::sync::{mpsc, oneshot};

use crate::failure::chain;

/// A few seconds' worth of refusals while PostgreSQL is away; each is some hundred bytes.
const MAX_WAITING: usize = 4_096;
/// Notes of one statement.
const MAX_BATCH: usize = 256;
/// How often a batch is tried, and the pause between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
/// How long a process that stops waits for what is left.
const LAST_WAIT: Duration = Duration::from_secs(3);

enum Note {
    Entry(TenantId, Entry),
    /// An API token is in use.
    Used(TenantId, ApiTokenId),
    /// Whoever waits for all before it.
    Flush(oneshot::Sender<()>),
}

/// The way to the task that writes the notes.
#[derive(Debug)]
pub struct AuditQueue {
    notes: mpsc::Sender<Note>,
    lost: Arc<AtomicU64>,
}

impl AuditQueue {
    /// Starts the task.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(super) fn start(store: Store) -> Self {
        let (notes, waiting) = mpsc::channel(MAX_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        tokio::spawn(keep_writing(store, waiting, Arc::clone(&lost)));
        Self { notes, lost }
    }

    /// Notes something about a tenant.
    pub fn note(&self, tenant: TenantId, entry: Entry) {
        if self.notes.try_send(Note::Entry(tenant, entry)).is_err() {
            count_lost(&self.lost, 1);
        }
    }

    /// Notes that the request of this task was refused by its handler, where that is worth a note.
    pub(crate) fn note_refusal(&self, tenant: TenantId) {
        if let Some(trail) = audit_log::current() {
            self.note(tenant, trail.refused());
        }
    }

    /// Notes that what the request of this task asked for was done to a thing of this id, elsewhere than in PostgreSQL.
    pub(crate) fn note_done(&self, tenant: TenantId, object: impl std::fmt::Display) {
        if let Some(trail) = audit_log::current() {
            self.note(tenant, trail.about(object).done(None));
        }
    }

    /// Notes that an API token is in use. It is of no harm if that is lost.
    pub(crate) fn note_use(&self, tenant: TenantId, token: ApiTokenId) {
        self.notes.try_send(Note::Used(tenant, token)).ok();
    }

    /// How many entries could not be written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until what was noted before is written or lost, but not for ever.
    pub async fn flush(&self) {
        let (told, done) = oneshot::channel();
        let flushed = async {
            if self.notes.send(Note::Flush(told)).await.is_ok() {
                done.await.ok();
            }
        };
        if tokio::time::timeout(LAST_WAIT, flushed).await.is_err() {
            tracing::warn!("what was noted last for the audit log may be missing");
        }
    }
}

fn count_lost(lost: &AtomicU64, entries: u64) {
    if lost.fetch_add(entries, Ordering::Relaxed).is_multiple_of(1_000) {
        tracing::error!(
            "entries of the audit log are lost: there are more than can be written (logged once in a thousand)"
        );
    }
}

async fn keep_writing(store: Store, mut waiting: mpsc::Receiver<Note>, lost: Arc<AtomicU64>) {
    let mut notes = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut notes, MAX_BATCH).await > 0 {
        let mut entries: BTreeMap<TenantId, Vec<Entry>> = BTreeMap::new();
        let (mut used, mut flushed) = (Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                Note::Entry(tenant, entry) => entries.entry(tenant).or_default().push(entry),
                Note::Used(tenant, token) => used.push((tenant, token)),
                Note::Flush(told) => flushed.push(told),
            }
        }
        for (tenant, entries) in entries {
            write(&store, tenant, &entries, &lost).await;
        }
        used.sort_unstable();
        used.dedup();
        for (tenant, token) in used {
            if let Err(error) = store.touch_token(tenant, token).await {
                tracing::debug!(%error, "the use of a token was not noted");
            }
        }
        for told in flushed {
            told.send(()).ok();
        }
    }
}

async fn write(store: &Store, tenant: TenantId, entries: &[Entry], lost: &AtomicU64) {
    for tries_left in (0..TRIES).rev() {
        match store.note(tenant, entries).await {
            Ok(()) => return,
            Err(error) if error.is_transient() && tries_left > 0 => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::error!(error = %chain(&error), entries = entries.len(), "entries of the audit log are lost");
                lost.fetch_add(entries.len() as u64, Ordering::Relaxed);
                return;
            }
        }
    }
}
