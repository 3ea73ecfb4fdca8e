//! The coalescer: while one batch commits, the next one gathers. No timer; a batch of one when the line is idle.
//!
//! Invariants: one batch of a writer is in flight at a time; a batch has one tenant; its commands are decided in the order in
//! which they came; nobody is answered before the commit. A request only waits on a channel: one that hangs up leaves its
//! command either not begun or wholly done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_types::TenantId;
use tokio::sync::{mpsc, oneshot};

use super::command::{Command, Outcome, StockError};
use super::writer::Writer;
use crate::StoreError;

/// Commands of one batch at most. Beyond this the transaction's own length costs more than a further commit would.
const MAX_BATCH: usize = 256;
/// Commands that may wait for one writer; the next one is refused as overload.
pub(super) const MAX_WAITING: usize = 4_096;
/// How many commands of a batch that failed may run into the lock limit one by one before the rest is refused too.
const MAX_LOCK_TIMEOUTS: usize = 2;

/// A command on its way to a writer.
pub(super) struct Job {
    pub(super) tenant: TenantId,
    pub(super) command: Command,
    pub(super) reply: oneshot::Sender<Result<Outcome, StockError>>,
}

/// What the writers have done since they started.
#[derive(Debug, Default)]
pub struct StockStats {
    /// Transactions that committed or found nothing to write.
    pub batches: AtomicU64,
    /// Commands in them.
    pub commands: AtomicU64,
    /// The largest batch.
    pub largest_batch: AtomicU64,
    /// Batches that failed and were split or refused.
    pub failed_batches: AtomicU64,
    /// Serialisation failures and deadlocks among them. The aim is none, ever.
    pub deadlocks: AtomicU64,
}

/// A writer's task: ends when every sender is gone and the last command is answered.
pub(super) async fn run(mut jobs: mpsc::Receiver<Job>, mut writer: Writer, stats: Arc<StockStats>) {
    let mut waiting: VecDeque<Job> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Some(first) = jobs.recv().await else { return };
            waiting.push_back(first);
        }
        while waiting.len() < MAX_WAITING {
            let Ok(job) = jobs.try_recv() else { break };
            waiting.push_back(job);
        }
        let batch = next_batch(&mut waiting);
        if !batch.is_empty() {
            run_batch(&mut writer, batch, &stats).await;
        }
    }
}

/// The commands of the tenant that has waited longest, in their order. Commands that nobody waits for any more are dropped.
fn next_batch(waiting: &mut VecDeque<Job>) -> Vec<Job> {
    let mut batch: Vec<Job> = Vec::new();
    let mut others = VecDeque::new();
    for job in waiting.drain(..) {
        if job.reply.is_closed() {
            continue;
        }
        let fits = batch.len() < MAX_BATCH && batch.first().is_none_or(|first| first.tenant == job.tenant);
        if fits {
            batch.push(job);
        } else {
            others.push_back(job);
        }
    }
    *waiting = others;
    batch
}

async fn run_batch(writer: &mut Writer, batch: Vec<Job>, stats: &StockStats) {
    let tenant = batch[0].tenant;
    let commands: Vec<&Command> = batch.iter().map(|job| &job.command).collect();
    let error = match writer.run(tenant, &commands).await {
        Ok(decisions) => {
            count(stats, batch.len());
            for (job, decision) in batch.into_iter().zip(decisions) {
                answer(job, decision.map_err(StockError::Refused));
            }
            return;
        }
        Err(error) => error,
    };
    note_failure(stats, &error, batch.len());
    // Without PostgreSQL each would fail alike, and what may have been committed must not be done twice.
    let is_hopeless = matches!(error, StoreError::Unavailable(_) | StoreError::OutcomeUnknown);
    if batch.len() == 1 || is_hopeless {
        for job in batch {
            answer(job, Err(StockError::Store(repeat(&error))));
        }
        return;
    }
    run_singly(writer, batch, stats).await;
}

/// After a failed batch: each command alone, so that one that cannot succeed does not take the others with it.
async fn run_singly(writer: &mut Writer, batch: Vec<Job>, stats: &StockStats) {
    let mut lock_timeouts = 0;
    for job in batch {
        if lock_timeouts >= MAX_LOCK_TIMEOUTS {
            answer(job, Err(StockError::Store(StoreError::LockTimeout)));
            continue;
        }
        match writer.run(job.tenant, &[&job.command]).await {
            Ok(mut decisions) => {
                count(stats, 1);
                let decision = decisions.pop().expect("one command has one decision");
                answer(job, decision.map_err(StockError::Refused));
            }
            Err(error) => {
                note_failure(stats, &error, 1);
                lock_timeouts += usize::from(matches!(error, StoreError::LockTimeout));
                answer(job, Err(StockError::Store(error)));
            }
        }
    }
}

fn answer(job: Job, result: Result<Outcome, StockError>) {
    // Whoever asked may have gone; what was committed stays committed.
    drop(job.reply.send(result));
}

fn count(stats: &StockStats, commands: usize) {
    let commands = commands as u64;
    stats.batches.fetch_add(1, Ordering::Relaxed);
    stats.commands.fetch_add(commands, Ordering::Relaxed);
    stats.largest_batch.fetch_max(commands, Ordering::Relaxed);
}

fn note_failure(stats: &StockStats, error: &StoreError, commands: usize) {
    stats.failed_batches.fetch_add(1, Ordering::Relaxed);
    if error.is_deadlock() {
        stats.deadlocks.fetch_add(1, Ordering::Relaxed);
    }
    tracing::warn!(error = error as &dyn std::error::Error, commands, "a stock batch failed");
}

/// The same error for each command of a batch; the cause was logged once.
fn repeat(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(_) | StoreError::Database(_) => StoreError::Unavailable(None),
        StoreError::Overloaded => StoreError::Overloaded,
        StoreError::LockTimeout => StoreError::LockTimeout,
        StoreError::OutcomeUnknown => StoreError::OutcomeUnknown,
        StoreError::Corrupt(what) => StoreError::Corrupt(what),
        StoreError::Constraint { constraint } => StoreError::Constraint { constraint: constraint.clone() },
    }
}
