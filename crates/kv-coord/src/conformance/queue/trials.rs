//! Cases about jobs that are late, fail, die and come again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{LONG, count, drain, id, job, kind, put, take, take_one, ttl_ms};
use crate::conformance::{MakeQueue, eventually};
use crate::queue::{
    Enqueued, FailOutcome, Job, JobLimits, JobQueue, Lease, Priority, Reason, Replayed, Stage, UniqueKey, Verdict,
};

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

fn retry(delay_ms: u64) -> Verdict {
    Verdict::Retry { delay_ms, reason: Reason::new("the other side was away") }
}

async fn fail(queue: &JobQueue, lease: &Lease, verdict: &Verdict) -> FailOutcome {
    queue.fail(lease, verdict).await.expect("the lease is fresh")
}

async fn enqueue(queue: &JobQueue, job: &Job) -> Enqueued {
    queue.enqueue(job).await.expect("the store should answer")
}

fn unique(name: &str, key: &str) -> Job {
    Job { unique: Some(UniqueKey::parse(key).expect("allowed")), ..job(1, name) }
}

/// A job that is pushed again while it is anywhere stays one job.
pub async fn one_id_is_one_job(make: MakeQueue<'_>) {
    let queue = make();
    let twice = [job(1, "a"), job(1, "a"), job(1, "b")];
    let outcomes = queue.enqueue_all(&twice).await.expect("the store should answer");
    let (new, known) = (Enqueued::New(Stage::Ready), Enqueued::Known(Stage::Ready));
    assert_eq!(outcomes, [new.clone(), known, new.clone()]);
    let lease = take_one(&queue).await.lease;
    assert_eq!(enqueue(&make(), &job(1, "a")).await, Enqueued::Known(Stage::Leased));
    fail(&queue, &lease, &retry(60_000)).await;
    assert_eq!(enqueue(&queue, &job(1, "a")).await, Enqueued::Known(Stage::Delayed));
    let lease = take_one(&queue).await.lease;
    fail(&queue, &lease, &Verdict::Poison { reason: Reason::new("no") }).await;
    assert_eq!(enqueue(&queue, &job(1, "b")).await, Enqueued::Known(Stage::Dead));
    assert_eq!(queue.counts().await.expect("the store should answer").total(), 2);
    put(&queue, &job(1, "c")).await;
    assert_eq!(drain(&queue).await, ["c"]);
    assert_eq!(enqueue(&queue, &job(1, "c")).await, new, "what is done is forgotten");
}

/// A job that is put off was not tried, however often that happens.
pub async fn what_is_put_off_was_not_tried(make: MakeQueue<'_>) {
    let queue = make();
    let limits = JobLimits::new(2, 1).expect("in range");
    put(&queue, &Job { limits, ..job(1, "a") }).await;
    for _ in 0..5 {
        let claimed = take_one(&queue).await;
        assert_eq!(claimed.attempt, 1);
        assert_eq!(fail(&queue, &claimed.lease, &Verdict::PutOff { delay_ms: 0 }).await, FailOutcome::Retried);
    }
    assert_eq!(fail(&queue, &take_one(&queue).await.lease, &retry(0)).await, FailOutcome::Retried);
    let last = take_one(&queue).await;
    assert_eq!(last.attempt, 2);
    assert_eq!(fail(&queue, &last.lease, &Verdict::PutOff { delay_ms: 0 }).await, FailOutcome::Retried);
    assert_eq!(fail(&queue, &take_one(&queue).await.lease, &retry(0)).await, FailOutcome::Dead);
}

/// A unique key is its job's until that is done or dead, for its tenant and kind alone.
pub async fn a_unique_key_is_free_after_its_job(make: MakeQueue<'_>) {
    let queue = make();
    let taken = |holder: &str| Enqueued::NotUnique { holder: id(holder) };
    put(&queue, &unique("a", "k")).await;
    assert_eq!(enqueue(&queue, &unique("b", "k")).await, taken("a"));
    put(&queue, &unique("c", "other")).await;
    put(&queue, &Job { tenant: super::tenant(2), ..unique("d", "k") }).await;
    put(&queue, &Job { kind: kind("other"), ..unique("e", "k") }).await;
    let lease = eventually("a is claimed", async || {
        let claimed = take(&queue, 1, LONG).await.pop()?;
        (claimed.job.id.as_str() == "a").then_some(claimed.lease)
    });
    let lease = lease.await;
    assert_eq!(enqueue(&queue, &unique("b", "k")).await, taken("a"), "also while it is worked on");
    queue.complete(&lease).await.expect("the lease is fresh");
    put(&queue, &unique("b", "k")).await;
    let limits = JobLimits::new(1, 1).expect("in range");
    drain(&queue).await;
    put(&queue, &Job { limits, ..unique("f", "k") }).await;
    assert_eq!(fail(&queue, &take_one(&queue).await.lease, &retry(0)).await, FailOutcome::Dead);
    put(&queue, &unique("g", "k")).await;
    let replayed = queue.replay(&id("f")).await.expect("the store should answer");
    assert_eq!(replayed, Replayed { replayed: 0, not_unique: 1 }, "g has the key now");
    queue.complete(&take_one(&queue).await.lease).await.expect("the lease is fresh");
    let replayed = queue.replay(&id("f")).await.expect("the store should answer");
    assert_eq!(replayed, Replayed { replayed: 1, not_unique: 0 });
    assert_eq!(enqueue(&queue, &unique("h", "k")).await, taken("f"));
}

/// A job is not handed out before its time, and who waits for work gets it then.
pub async fn a_delayed_job_waits_for_its_time(make: MakeQueue<'_>) {
    let queue = make();
    let at_ms = unix_ms() + 400;
    let delayed = Job { not_before_ms: at_ms, ..job(1, "later") };
    assert_eq!(enqueue(&queue, &delayed).await, Enqueued::New(Stage::Delayed));
    assert!(take(&queue, 1, LONG).await.is_empty());
    let counts = queue.counts().await.expect("the store should answer");
    assert_eq!((counts.delayed, counts.ready(Priority::Default).depth), (1, 0));
    let jobs = queue.claim_or_wait(count(1), ttl_ms(LONG), Duration::from_secs(20)).await;
    let job = &jobs.expect("the store should answer")[0].job;
    assert_eq!((job.id.as_str(), job.not_before_ms), ("later", 0));
    assert!(at_ms <= unix_ms(), "it came too early");
}

/// A job that failed is tried again after its pause, as the next attempt.
pub async fn what_failed_is_tried_again_later(make: MakeQueue<'_>) {
    let queue = make();
    put(&queue, &job(1, "a")).await;
    let first = take_one(&queue).await;
    let begin = Instant::now();
    assert_eq!(fail(&queue, &first.lease, &retry(250)).await, FailOutcome::Retried);
    assert!(take(&queue, 1, LONG).await.is_empty());
    let second = eventually("the pause is over", async || take(&queue, 1, LONG).await.pop()).await;
    assert!(begin.elapsed() >= Duration::from_millis(249), "it came too early");
    assert_eq!((second.attempt, second.losses), (2, 0));
    assert_eq!(fail(&queue, &second.lease, &retry(0)).await, FailOutcome::Retried);
    assert_eq!(take_one(&queue).await.attempt, 3);
}

/// After its last attempt a job is dead, and says why.
pub async fn no_attempt_left_is_death(make: MakeQueue<'_>) {
    let queue = make();
    let limits = JobLimits::new(3, 2).expect("in range");
    put(&queue, &Job { limits, ..job(1, "a") }).await;
    for _ in 0..2 {
        assert_eq!(fail(&queue, &take_one(&queue).await.lease, &retry(0)).await, FailOutcome::Retried);
    }
    assert_eq!(fail(&queue, &take_one(&queue).await.lease, &retry(0)).await, FailOutcome::Dead);
    let letters = queue.dead_letters().await.expect("the store should answer");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].job, Job { limits, ..job(1, "a") });
    assert_eq!((letters[0].reason.as_str(), letters[0].attempts), ("the other side was away", 3));
    // Lost leases have a bound of their own.
    put(&queue, &Job { limits, ..job(1, "b") }).await;
    for _ in 0..2 {
        eventually("b is claimed", async || take(&queue, 1, 100).await.pop()).await;
    }
    let letters = eventually("b is dead", async || {
        assert!(take(&queue, 1, LONG).await.is_empty());
        Some(queue.dead_letters().await.expect("the store should answer")).filter(|letters| letters.len() == 2)
    });
    assert_eq!(letters.await[0].reason.as_str(), "2 of 2 attempts ended with their lease");
}

/// What no attempt can mend is dead at once.
pub async fn poison_is_death_at_once(make: MakeQueue<'_>) {
    let queue = make();
    put(&queue, &job(1, "a")).await;
    let poison = Verdict::Poison { reason: Reason::new(&"é".repeat(400)) };
    assert_eq!(fail(&queue, &take_one(&queue).await.lease, &poison).await, FailOutcome::Dead);
    let letters = queue.dead_letters().await.expect("the store should answer");
    assert_eq!(letters[0].reason.as_str(), "é".repeat(256), "a reason is cut");
    assert_eq!(queue.counts().await.expect("the store should answer").dead, 1);
    assert!(take(&queue, 1, LONG).await.is_empty());
}

/// A dead letter comes to life with all its attempts.
pub async fn a_dead_letter_is_replayed(make: MakeQueue<'_>) {
    let queue = make();
    put(&queue, &job(1, "a")).await;
    fail(&queue, &take_one(&queue).await.lease, &Verdict::Poison { reason: Reason::new("no") }).await;
    let nothing = queue.replay(&id("other")).await.expect("the store should answer");
    assert_eq!(nothing, Replayed::default());
    let replayed = make().replay(&id("a")).await.expect("the store should answer");
    assert_eq!(replayed, Replayed { replayed: 1, not_unique: 0 });
    assert!(queue.dead_letters().await.expect("the store should answer").is_empty());
    let again = take_one(&queue).await;
    assert_eq!((again.job, again.attempt, again.losses), (job(1, "a"), 1, 0));
}

/// All dead letters of a kind are replayed, however many, in the order in which they died; others stay.
pub async fn a_kind_is_replayed(make: MakeQueue<'_>) {
    let queue = make();
    let names: Vec<_> = (0..250).map(|n| format!("{n:03}")).collect();
    let mut jobs: Vec<_> = names.iter().map(|name| job(1, name)).collect();
    jobs.push(Job { kind: kind("other"), ..job(1, "other") });
    queue.enqueue_all(&jobs).await.expect("the store should answer");
    while let Some(claimed) = take(&queue, 1, LONG).await.pop() {
        fail(&queue, &claimed.lease, &Verdict::Poison { reason: Reason::new("no") }).await;
    }
    let replayed = queue.replay_kind(&kind("test")).await.expect("the store should answer");
    assert_eq!(replayed, Replayed { replayed: 250, not_unique: 0 });
    assert_eq!(queue.counts().await.expect("the store should answer").dead, 1);
    assert_eq!(drain(&queue).await, names);
}
