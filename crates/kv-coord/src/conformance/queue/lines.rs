//! Cases about who is next.

use std::time::Duration;

use super::{LONG, count, drain, job, put, take, take_one, ttl_ms, with_priority};
use crate::conformance::MakeQueue;
use crate::queue::{Job, Priority, ReadyCount};

/// Jobs of one tenant and queue leave in the order in which they came.
pub async fn the_order_within_a_tenant_is_kept(make: MakeQueue<'_>) {
    let queue = make();
    // Names that sort otherwise.
    let names: Vec<_> = (0..40).map(|n| format!("{:02}", (n * 17) % 40)).collect();
    for name in &names {
        put(&queue, &job(1, name)).await;
    }
    let claimed = take(&make(), 32, LONG).await;
    let got: Vec<_> = claimed.iter().map(|claimed| claimed.job.id.to_string()).collect();
    assert_eq!(got, names[..32]);
    assert_eq!(claimed[3].job, job(1, &names[3]), "a job comes out as it went in");
    assert_eq!(drain(&queue).await, names[32..]);
}

/// Of 16 jobs 12 are high, 3 default and 1 low, as long as there are such.
pub async fn high_goes_first_and_low_is_not_forgotten(make: MakeQueue<'_>) {
    let queue = make();
    for n in 0..32 {
        for priority in Priority::ALL {
            put(&queue, &with_priority(priority, job(1, &format!("{}-{n:02}", priority.as_str())))).await;
        }
    }
    let order = drain(&queue).await;
    for part in order[..32].chunks(16) {
        let of = |priority: Priority| part.iter().filter(|id| id.starts_with(priority.as_str())).count();
        assert_eq!(Priority::ALL.map(of), [12, 3, 1], "{part:?}");
    }
    assert_eq!(order[..3], ["high-00", "high-01", "high-02"]);
    assert_eq!(order.len(), 96, "whoever is alone is served at every turn");
    put(&queue, &with_priority(Priority::Low, job(1, "low-alone"))).await;
    assert_eq!(take_one(&queue).await.job.id.as_str(), "low-alone");
}

/// A tenant with a long backlog delays another's single job by two jobs at most.
pub async fn a_backlog_delays_another_tenant_by_two(make: MakeQueue<'_>) {
    let queue = make();
    let backlog: Vec<_> = (0..3_000).map(|n| job(1, &format!("flood-{n:04}"))).collect();
    queue.enqueue_all(&backlog).await.expect("the store should answer");
    for n in 0..5 {
        for _ in 0..n * 3 {
            let claimed = take_one(&queue).await;
            assert_eq!(claimed.job.tenant.get(), 1);
            queue.complete(&claimed.lease).await.expect("the lease is fresh");
        }
        // The last letters of the alphabet, so that the name is no help.
        let name = format!("zz-{n}");
        put(&queue, &job(2, &name)).await;
        let next = take(&make(), 3, LONG).await;
        assert!(next.iter().any(|claimed| claimed.job.id.as_str() == name), "{next:?}");
        for claimed in next {
            queue.complete(&claimed.lease).await.expect("the lease is fresh");
        }
    }
}

/// A paused queue keeps its jobs and takes more; the others go on; who waits is called when the pause ends.
pub async fn a_paused_queue_is_passed_by(make: MakeQueue<'_>) {
    let queue = make();
    queue.pause(Priority::High).await.expect("the store should answer");
    put(&queue, &with_priority(Priority::High, job(1, "h"))).await;
    put(&queue, &job(1, "d")).await;
    assert_eq!(take_one(&make()).await.job.id.as_str(), "d");
    assert!(take(&queue, 1, LONG).await.is_empty());
    let counts = queue.counts().await.expect("the store should answer");
    assert!(counts.ready(Priority::High).is_paused);
    assert!(!counts.ready(Priority::Default).is_paused);
    assert_eq!(counts.ready(Priority::High).depth, 1);
    let waiting = {
        let queue = make();
        tokio::spawn(async move { queue.claim_or_wait(count(1), ttl_ms(LONG), Duration::from_secs(20)).await })
    };
    queue.resume(Priority::High).await.expect("the store should answer");
    let jobs = waiting.await.expect("no panic").expect("the store should answer");
    assert_eq!(jobs[0].job.id.as_str(), "h");
}

/// One call tells the number of jobs in each state and the age of the oldest.
pub async fn counts_say_what_there_is(make: MakeQueue<'_>) {
    let queue = make();
    assert_eq!(queue.counts().await.expect("the store should answer"), crate::queue::QueueCounts::default());
    for n in 0..5 {
        put(&queue, &job(1, &format!("d{n}"))).await;
    }
    put(&queue, &with_priority(Priority::Low, job(2, "l"))).await;
    let later = Job { not_before_ms: u64::MAX, ..job(1, "later") };
    queue.enqueue(&later).await.expect("the store should answer");
    let leased = take(&queue, 2, LONG).await;
    queue.complete(&leased[0].lease).await.expect("the lease is fresh");
    let aged = crate::conformance::eventually("the oldest is 20 ms old", async || {
        let counts = queue.counts().await.expect("the store should answer");
        let old_enough = |age: Duration| age >= Duration::from_millis(20);
        counts.ready(Priority::Default).oldest_age.is_some_and(old_enough).then_some(counts)
    });
    let counts = aged.await;
    assert_eq!(counts.ready(Priority::High), ReadyCount::default());
    assert_eq!(counts.ready(Priority::Default).depth, 3);
    assert_eq!(counts.ready(Priority::Low).depth, 1);
    assert_eq!((counts.delayed, counts.leased, counts.dead, counts.total()), (1, 1, 0, 6));
}
