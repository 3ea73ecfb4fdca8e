//! What the scripts answer, read.

use std::time::Duration;

use kv_types::TenantId;

use crate::error::CoordError;
use crate::lock::Fence;
use crate::queue::counts::{QueueCounts, ReadyCount};
use crate::queue::job::{Job, JobId, JobLimits, Kind, PayloadRef, Priority, UniqueKey};
use crate::queue::outcome::{ClaimedJob, DeadLetter, Enqueued, Lease, Reason, Stage};

/// What was not understood.
pub(super) fn unexpected(script: &'static str, answer: &impl std::fmt::Debug) -> CoordError {
    CoordError::Answer { script, answer: format!("{answer:?}").chars().take(200).collect() }
}

/// `{word, detail}` of one enqueued job.
pub(super) fn enqueued(row: &(String, String)) -> Option<Enqueued> {
    let (word, detail) = row;
    match word.as_str() {
        "NEW" => Some(Enqueued::New(Stage::from_name(detail)?)),
        "KNOWN" => Some(Enqueued::Known(Stage::from_name(detail)?)),
        "NOT_UNIQUE" => Some(Enqueued::NotUnique { holder: JobId::parse(detail).ok()? }),
        "FULL" => Some(Enqueued::Full),
        _ => None,
    }
}

/// `{id, fence, attempt, losses, deadline, record}`.
pub(super) fn claimed(row: &[String]) -> Option<ClaimedJob> {
    let [id, fence, attempt, losses, deadline_ms, record] = row else { return None };
    let job = job(id, record)?;
    let lease = Lease { id: job.id.clone(), fence: Fence::from_minted(fence.parse().ok()?)? };
    Some(ClaimedJob {
        job,
        lease,
        attempt: attempt.parse().ok()?,
        losses: losses.parse().ok()?,
        deadline_ms: deadline_ms.parse().ok()?,
    })
}

/// `{id, died_ms, attempts, reason, record}`.
pub(super) fn dead_letter(row: &[String]) -> Option<DeadLetter> {
    let [id, died_ms, attempts, reason, record] = row else { return None };
    Some(DeadLetter {
        job: job(id, record)?,
        reason: Reason::new(reason),
        attempts: attempts.parse().ok()?,
        died_ms: died_ms.parse().ok()?,
    })
}

/// Three numbers for each queue, then three for all.
pub(super) fn counts(numbers: &[i64]) -> Option<QueueCounts> {
    let [ready @ .., delayed, leased, dead] = numbers else { return None };
    let mut queues = [ReadyCount::default(); 3];
    if ready.len() != 3 * queues.len() {
        return None;
    }
    for (queue, of_queue) in queues.iter_mut().zip(ready.chunks_exact(3)) {
        queue.depth = u64::try_from(of_queue[0]).ok()?;
        queue.oldest_age = u64::try_from(of_queue[1]).ok().map(Duration::from_millis);
        queue.is_paused = of_queue[2] == 1;
    }
    let rest = [delayed, leased, dead].map(|&number| u64::try_from(number).ok());
    let [Some(delayed), Some(leased), Some(dead)] = rest else { return None };
    Some(QueueCounts::new(queues, (delayed, leased, dead)))
}

/// `enqueued_ms|tenant|queue|kind|attempts_max|losses_max|unique|payload`.
fn job(id: &str, record: &str) -> Option<Job> {
    let mut parts = record.splitn(8, '|').skip(1);
    let mut part = || parts.next();
    let tenant = TenantId::new(part()?.parse().ok()?)?;
    let priority = Priority::from_name(part()?)?;
    let kind = Kind::parse(part()?).ok()?;
    let limits = JobLimits::new(part()?.parse().ok()?, part()?.parse().ok()?).ok()?;
    let unique = match part()? {
        "" => None,
        key => Some(UniqueKey::parse(key).ok()?),
    };
    let payload = PayloadRef::parse(part()?).ok()?;
    // Its time has come, or it would not be here.
    Some(Job { id: JobId::parse(id).ok()?, tenant, kind, payload, priority, not_before_ms: 0, unique, limits })
}
