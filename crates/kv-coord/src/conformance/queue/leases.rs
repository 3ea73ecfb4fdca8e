//! Cases about whose a job is.

use std::time::Duration;

use tokio::time::Instant;

use super::{LONG, SLACK, count, drain, job, put, take, take_one, ttl_ms};
use crate::conformance::{MakeQueue, eventually};
use crate::queue::{Lease, LeaseError, Priority, Reason, Verdict};

fn is_lost<T: std::fmt::Debug>(outcome: &Result<T, LeaseError>, lease: &Lease) -> bool {
    matches!(outcome, Err(LeaseError::Lost { lease: shown }) if shown == lease)
}

/// A worker that says nothing loses its job when the lease is over, not before; the next attempt is counted.
pub async fn a_lease_that_is_over_frees_its_job(make: MakeQueue<'_>) {
    let queue = make();
    put(&queue, &job(1, "a")).await;
    let begin = Instant::now();
    let first = take(&queue, 1, 200).await.remove(0);
    assert_eq!((first.attempt, first.losses), (1, 0));
    let second = eventually("the job is free again", async || take(&queue, 1, LONG).await.pop()).await;
    assert!(begin.elapsed() >= Duration::from_millis(199), "two had the job");
    assert_eq!((second.attempt, second.losses), (2, 1));
    assert!(first.lease.fence < second.lease.fence);
    assert_eq!(first.job, second.job);
}

/// Who has lost a lease can do nothing with it, whatever the job is doing now.
pub async fn a_stale_word_changes_nothing(make: MakeQueue<'_>) {
    let queue = make();
    put(&queue, &job(1, "a")).await;
    let stale = take(&queue, 1, 100).await.remove(0).lease;
    let fresh = eventually("the job is free again", async || take(&queue, 1, LONG).await.pop()).await.lease;
    let refuse_all = async || {
        let counts = queue.counts().await.expect("the store should answer");
        let retry = Verdict::Retry { delay_ms: 0, reason: Reason::new("stale") };
        let poison = Verdict::Poison { reason: Reason::new("stale") };
        assert!(is_lost(&queue.heartbeat(&stale, ttl_ms(LONG)).await, &stale));
        assert!(is_lost(&queue.fail(&stale, &retry).await, &stale));
        assert!(is_lost(&queue.fail(&stale, &poison).await, &stale));
        assert!(is_lost(&queue.give_back(&stale).await, &stale));
        assert!(is_lost(&queue.complete(&stale).await, &stale));
        let after = queue.counts().await.expect("the store should answer");
        assert_eq!((counts.leased, counts.delayed, counts.dead), (after.leased, after.delayed, after.dead));
        assert_eq!(counts.ready(Priority::Default).depth, after.ready(Priority::Default).depth);
    };
    refuse_all().await;
    queue.give_back(&fresh).await.expect("the lease is fresh");
    refuse_all().await;
    queue.complete(&take_one(&queue).await.lease).await.expect("the lease is fresh");
    refuse_all().await;
    put(&queue, &job(1, "a")).await;
    refuse_all().await;
}

/// A lease with heartbeats outlives its first lifetime.
pub async fn a_heartbeat_keeps_the_lease(make: MakeQueue<'_>) {
    let queue = make();
    put(&queue, &job(1, "a")).await;
    let begin = Instant::now();
    let claimed = take(&queue, 1, 1_000).await.remove(0);
    let end_ms = queue.heartbeat(&claimed.lease, ttl_ms(LONG)).await.expect("the lease is fresh");
    assert!(claimed.deadline_ms < end_ms);
    eventually("the first lifetime is over", async || (begin.elapsed().as_millis() > 1_100).then_some(())).await;
    assert!(take(&queue, 1, LONG).await.is_empty(), "two had the job");
    queue.complete(&claimed.lease).await.expect("the lease is kept");
    assert_eq!(queue.counts().await.expect("the store should answer").total(), 0);
}

/// Work that took too long is still done, if nobody looked in between.
pub async fn work_that_nobody_else_had_is_done_even_late(make: MakeQueue<'_>) {
    let queue = make();
    put(&queue, &job(1, "a")).await;
    let begin = Instant::now();
    let late = take(&queue, 1, 100).await.remove(0).lease;
    eventually("the lease is over", async || (begin.elapsed().as_millis() > 150).then_some(())).await;
    assert!(is_lost(&queue.heartbeat(&late, ttl_ms(LONG)).await, &late), "it is over");
    queue.complete(&late).await.expect("nobody else had the job");
    assert!(take(&queue, 1, LONG).await.is_empty());
}

/// A job given back stands in front, and was not tried.
pub async fn a_job_given_back_was_not_tried(make: MakeQueue<'_>) {
    let queue = make();
    for name in ["a", "b", "c"] {
        put(&queue, &job(1, name)).await;
    }
    let both = take(&queue, 2, LONG).await;
    for claimed in both {
        queue.give_back(&claimed.lease).await.expect("the lease is fresh");
    }
    let again = take_one(&queue).await;
    assert_eq!((again.job.id.as_str(), again.attempt, again.losses), ("a", 1, 0));
    assert_eq!(drain(&queue).await, ["b", "c"]);
}

/// A claim whose caller went away leaves no lease behind, wherever it was.
pub async fn a_claim_nobody_waits_for_is_given_back(make: MakeQueue<'_>) {
    let queue = make();
    for n in 0..20 {
        put(&queue, &job(1, &format!("{n:02}"))).await;
    }
    for n in 0..60u64 {
        let claim = queue.claim(count(2), ttl_ms(LONG));
        // Some are dropped before anything is sent, some on the way, some get their jobs.
        let claimed = tokio::time::timeout(Duration::from_micros(20 * n), claim).await;
        if let Ok(claimed) = claimed {
            for claimed in claimed.expect("the store should answer") {
                queue.give_back(&claimed.lease).await.expect("the lease is fresh");
            }
        }
    }
    eventually("every lease is given back", async || {
        let counts = queue.counts().await.expect("the store should answer");
        (counts.leased == 0 && counts.ready(Priority::Default).depth == 20).then_some(())
    })
    .await;
    assert_eq!(take_one(&queue).await.attempt, 1, "none was an attempt");
}

/// Who waits for work gets it when it comes, and does not find it by looking.
pub async fn a_waiter_is_called(make: MakeQueue<'_>) {
    let (queue, other) = (make(), make());
    let begin = Instant::now();
    // Looking takes three quarters of a second at least, so this many would take 15 s.
    for n in 0..20 {
        let waiting = tokio::spawn({
            let other = other.clone();
            async move { other.claim_or_wait(count(1), ttl_ms(LONG), Duration::from_secs(20)).await }
        });
        // The waiter must have looked and found nothing, or nothing is shown.
        let spawned = Instant::now();
        eventually("the waiter has looked", async || (spawned.elapsed().as_millis() > 20).then_some(())).await;
        put(&queue, &job(1, &format!("{n:02}"))).await;
        let jobs = waiting.await.expect("no panic").expect("the store should answer");
        assert_eq!(jobs.len(), 1);
        queue.complete(&jobs[0].lease).await.expect("the lease is fresh");
    }
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    let begin = Instant::now();
    let nothing = queue.claim_or_wait(count(1), ttl_ms(LONG), Duration::from_millis(150)).await;
    assert!(nothing.expect("the store should answer").is_empty());
    assert!((Duration::from_millis(149)..SLACK).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

/// Who waits for work looks when a lease is over.
pub async fn a_waiter_sees_a_lease_end(make: MakeQueue<'_>) {
    let queue = make();
    put(&queue, &job(1, "a")).await;
    let lost = take(&queue, 1, 300).await.remove(0);
    let jobs = queue.claim_or_wait(count(1), ttl_ms(LONG), Duration::from_secs(20)).await;
    let jobs = jobs.expect("the store should answer");
    assert_eq!(jobs[0].job.id, lost.job.id);
    assert_eq!(jobs[0].losses, 1);
}
