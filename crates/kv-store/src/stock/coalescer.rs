//! The coalescer: while one batch commits, the next one gathers. No timer; a batch of one when the line is idle.
//!
//! Invariants: one batch of a writer is in flight at a time; a batch has one tenant; its commands are decided in the order in
//! which they came; nobody is answered before the commit. A request only waits on a channel: one that hangs up leaves its
//! command either not begun or wholly done.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt as _;
use kv_types::TenantId;
use tokio::sync::{mpsc, oneshot};

use super::command::{Command, Outcome};
use super::refusal::StockError;
use super::writer::{Batch, Writer};
use crate::StoreError;
use crate::audit_log::Trail;
use crate::conflict::ConflictStats;
use crate::idempotency::Done;
use crate::jobs::Bell;
use crate::session::WriterSession;
use crate::spent::Spent;

/// Commands of one batch at most. Beyond this the transaction's own length costs more than a further commit would.
const MAX_BATCH: usize = 256;
/// Lines of one batch at most, unless its first command alone has more: a long transaction keeps everybody else waiting.
pub(super) const MAX_BATCH_LINES: usize = 2_000;
/// Commands that may wait in a writer's channel, and as many that it has taken out to choose a batch from; the next one is refused
/// as overload.
pub(super) const MAX_WAITING: usize = 4_096;
/// How many commands of a batch that failed may run into the lock limit, or into others each time, one by one before the rest is
/// refused too.
const MAX_LOCK_TIMEOUTS: usize = 2;

/// A command on its way to a writer.
pub(super) struct Job {
    pub(super) tenant: TenantId,
    pub(super) command: Command,
    /// The request that it is done for.
    pub(super) trail: Option<Trail>,
    /// When it was sent.
    pub(super) sent: Instant,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// What came of a command, and where its time went.
pub(super) type Answer = (Result<Done<Outcome>, StockError>, Spent);

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
    /// Serialisation failures and deadlocks that batches met, also those that were run again. The aim is none, ever.
    pub deadlocks: AtomicU64,
    /// Commands that were refused because their lock has been given to somebody else since.
    pub fenced_out: AtomicU64,
}

/// What the writers of a store share.
pub(super) type Shared = (Arc<StockStats>, Arc<ConflictStats>, Bell);

/// A writer's task: ends when every sender is gone and the last command is answered. After a panic it goes on with a new
/// connection; who was waiting in that batch learns that the outcome is unknown.
pub(super) async fn run(mut jobs: mpsc::Receiver<Job>, session: WriterSession, (stats, conflicts, bell): Shared) {
    loop {
        let writer = Writer::new(session.clone(), (Arc::clone(&stats), Arc::clone(&conflicts), bell.clone()));
        let life = serve(&mut jobs, writer, &stats);
        if AssertUnwindSafe(life).catch_unwind().await.is_ok() {
            return;
        }
        tracing::error!("a stock writer panicked and was started again");
    }
}

async fn serve(jobs: &mut mpsc::Receiver<Job>, mut writer: Writer, stats: &StockStats) {
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
            run_batch(&mut writer, batch, stats).await;
        }
    }
}

/// The commands of the tenant that has waited longest, in their order. What does not fit goes behind the other tenants' commands, so
/// that one tenant's flood costs another one batch of waiting. Commands that nobody waits for any more are dropped.
fn next_batch(waiting: &mut VecDeque<Job>) -> Vec<Job> {
    let mut batch: Vec<Job> = Vec::new();
    let (mut others, mut rest) = (VecDeque::new(), VecDeque::new());
    let mut lines = 0;
    for job in waiting.drain(..) {
        if job.reply.is_closed() {
            continue;
        }
        let job_lines = job.command.action.lines();
        if batch.first().is_some_and(|first| first.tenant != job.tenant) {
            others.push_back(job);
        } else if batch.is_empty()
            || (rest.is_empty() && batch.len() < MAX_BATCH && lines + job_lines <= MAX_BATCH_LINES)
        {
            lines += job_lines;
            batch.push(job);
        } else {
            rest.push_back(job);
        }
    }
    others.append(&mut rest);
    *waiting = others;
    batch
}

async fn run_batch(writer: &mut Writer, batch: Vec<Job>, stats: &StockStats) {
    let tenant = batch[0].tenant;
    let commands: Vec<&Command> = batch.iter().map(|job| &job.command).collect();
    let trails: Vec<Option<&Trail>> = batch.iter().map(|job| job.trail.as_ref()).collect();
    let begun = Instant::now();
    let error = match writer.run(tenant, Batch { commands: &commands, trails: &trails }).await {
        Ok(decisions) => {
            count(stats, batch.len());
            for (job, decision) in batch.into_iter().zip(decisions) {
                let spent = writer.spent(begun, job.sent);
                answer(job, decision.map_err(StockError::Refused), spent);
            }
            return;
        }
        Err(error) => error,
    };
    note_failure(stats, &error, batch.len());
    if batch.len() > 1 && !is_hopeless(&error) {
        return run_singly(writer, batch, stats).await;
    }
    refuse_all(batch, error);
}

/// Without PostgreSQL each command would fail alike, and what may have been committed must not be done twice.
fn is_hopeless(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::OutcomeUnknown | StoreError::Corrupt(_))
}

/// Answers every command with the same error; its cause was logged, and goes to the last of them.
fn refuse_all(batch: Vec<Job>, error: StoreError) {
    let mut batch = batch.into_iter();
    let last = batch.next_back();
    for job in batch {
        let spent = Spent { queue: job.sent.elapsed(), ..Spent::default() };
        answer(job, Err(StockError::Store(repeat(&error))), spent);
    }
    if let Some(job) = last {
        let spent = Spent { queue: job.sent.elapsed(), ..Spent::default() };
        answer(job, Err(StockError::Store(error)), spent);
    }
}

/// After a failed batch: each command alone, so that one that cannot succeed does not take the others with it.
async fn run_singly(writer: &mut Writer, batch: Vec<Job>, stats: &StockStats) {
    let mut lock_timeouts = 0;
    let mut jobs = batch.into_iter();
    while let Some(job) = jobs.next() {
        if job.reply.is_closed() {
            continue;
        }
        if lock_timeouts >= MAX_LOCK_TIMEOUTS {
            let spent = Spent { queue: job.sent.elapsed(), ..Spent::default() };
            answer(job, Err(StockError::Store(StoreError::LockTimeout)), spent);
            continue;
        }
        let begun = Instant::now();
        let alone = Batch { commands: &[&job.command], trails: &[job.trail.as_ref()] };
        match writer.run(job.tenant, alone).await {
            Ok(mut decisions) => {
                count(stats, 1);
                let decision = decisions.pop().expect("one command has one decision");
                let spent = writer.spent(begun, job.sent);
                answer(job, decision.map_err(StockError::Refused), spent);
            }
            Err(error) => {
                note_failure(stats, &error, 1);
                lock_timeouts += usize::from(matches!(
                    error,
                    StoreError::LockTimeout | StoreError::Key(_) | StoreError::Conflict { .. }
                ));
                let is_gone = matches!(error, StoreError::Unavailable(_) | StoreError::OutcomeUnknown);
                let spent = writer.spent(begun, job.sent);
                answer(job, Err(StockError::Store(error)), spent);
                if is_gone {
                    // The others were not begun.
                    return refuse_all(jobs.collect(), StoreError::Unavailable(None));
                }
            }
        }
    }
}

fn answer(job: Job, result: Result<Done<Outcome>, StockError>, spent: Spent) {
    let Job { command, reply, .. } = job;
    // Its key is no longer under way once its caller knows.
    drop(command);
    // Whoever asked may have gone; what was committed stays committed.
    drop(reply.send((result, spent)));
}

fn count(stats: &StockStats, commands: usize) {
    let commands = commands as u64;
    stats.batches.fetch_add(1, Ordering::Relaxed);
    stats.commands.fetch_add(commands, Ordering::Relaxed);
    stats.largest_batch.fetch_max(commands, Ordering::Relaxed);
}

fn note_failure(stats: &StockStats, error: &StoreError, commands: usize) {
    stats.failed_batches.fetch_add(1, Ordering::Relaxed);
    if error.conflict().is_some() {
        stats.deadlocks.fetch_add(1, Ordering::Relaxed);
    }
    tracing::warn!(error = error as &dyn std::error::Error, commands, "a stock batch failed");
}

/// The same error once more, without its cause.
fn repeat(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(_) => StoreError::Unavailable(None),
        StoreError::Database(_) => StoreError::Corrupt("the answer to a batch"),
        StoreError::Overloaded => StoreError::Overloaded,
        StoreError::LockTimeout => StoreError::LockTimeout,
        StoreError::Conflict { kind, .. } => StoreError::Conflict { kind: *kind, source: None },
        StoreError::OutcomeUnknown => StoreError::OutcomeUnknown,
        StoreError::Undecided => StoreError::Undecided,
        StoreError::Key(fault) => StoreError::Key(*fault),
        StoreError::Corrupt(what) => StoreError::Corrupt(what),
        StoreError::TooSlow => StoreError::TooSlow,
        StoreError::Constraint { constraint } => StoreError::Constraint { constraint: constraint.clone() },
    }
}
