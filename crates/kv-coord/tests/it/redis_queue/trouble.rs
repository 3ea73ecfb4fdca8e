//! Redis that crashes, forgets or does not deliver.

use std::time::{Duration, Instant};

use kv_coord::queue::{ClaimCount, Enqueued, Job, LeaseError, LeaseTtl, Priority, Queues, Reason, Stage, Verdict};
use kv_coord::{CoordError, JobQueue};
use sandbox::testing::eventually;
use sandbox::{Persistence, Redis, RedisOptions};

use super::{Scene, job, take};
use crate::server::{self, CountedEpochs, Operator};

const PATIENCE: Duration = Duration::from_secs(20);

fn is_lost<T>(outcome: &Result<T, LeaseError>) -> bool {
    matches!(outcome, Err(LeaseError::Lost { .. }))
}

#[tokio::test]
async fn after_a_flush_the_queue_is_empty_and_an_old_lease_is_refused() {
    let scene = Scene::new().await;
    for n in 0..3 {
        scene.queue.enqueue(&job(1, &format!("{n}"))).await.expect("Redis should answer");
    }
    let old = take(&scene.queue, 2, 60_000).await;
    let _: () = scene.operator().ask(&["FLUSHALL"]);
    assert_eq!(scene.queue.counts().await.expect("Redis should answer").total(), 0);
    assert!(is_lost(&scene.queue.complete(&old[0].lease).await));
    // Whoever has the truth pushes all again; the same job is leased again, by the same count of leases as before.
    for n in 0..3 {
        let outcome = scene.queue.enqueue(&job(1, &format!("{n}"))).await.expect("Redis should answer");
        assert_eq!(outcome, Enqueued::New(Stage::Ready));
    }
    let new = take(&scene.queue, 2, 60_000).await;
    for (old, new) in old.iter().zip(&new) {
        assert_eq!(old.job, new.job);
        assert!(old.lease.fence < new.lease.fence);
        assert!(is_lost(&scene.queue.complete(&old.lease).await));
        assert!(is_lost(&scene.queue.give_back(&old.lease).await));
        let poison = Verdict::Poison { reason: Reason::new("old") };
        assert!(is_lost(&scene.queue.fail(&old.lease, &poison).await));
        scene.queue.complete(&new.lease).await.expect("the lease is fresh");
    }
}

/// Whoever has the truth asks for the name of the queue's life, to know when all has to be pushed again.
#[tokio::test]
async fn a_flush_and_a_restart_give_the_queue_another_name() {
    let options = RedisOptions::default().persistence(Persistence::AppendOnly);
    let mut redis = Redis::start(options).await.expect("a Redis");
    let queue = server::queue(&redis.url(), None);
    let first = queue.incarnation().await.expect("Redis should answer");
    assert_eq!(server::queue(&redis.url(), None).incarnation().await.expect("Redis should answer"), first);
    queue.enqueue(&job(1, "a")).await.expect("Redis should answer");
    assert_eq!(queue.incarnation().await.expect("Redis should answer"), first);
    let _: () = Operator::of(&redis.url(), super::QUEUE_DB).ask(&["FLUSHALL"]);
    let second = queue.incarnation().await.expect("Redis should answer");
    redis.restart().await.expect("the same Redis again");
    // Its data is there again, but who knows whether all of it is.
    let third = eventually(PATIENCE, async || queue.incarnation().await.ok()).await;
    assert!(first != second && second != third && first != third);
    let in_process = |epoch| JobQueue::in_process(kv_coord::lock::Epoch::new(epoch).expect("in range"));
    let (one, other) = (in_process(1), in_process(1));
    let names = [one.incarnation().await.ok(), one.incarnation().await.ok(), other.incarnation().await.ok()];
    assert!(names[0].is_some() && names[0] == names[1] && names[0] != names[2]);
}

/// Who has not heard what it was given asks again and is given the same, and the jobs have suffered nothing.
#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_answered_again() {
    let scene = Scene::new().await;
    let mut settings = server::settings(&scene.redis.url());
    settings.queue_timeout = Duration::from_millis(300);
    let queue = JobQueue::redis(&settings, server::epochs()).expect("fine");
    for name in ["a", "b", "c"] {
        scene.queue.enqueue(&job(1, name)).await.expect("Redis should answer");
    }
    // So that there is an epoch, and the connection stands.
    let warm = take(&queue, 1, 60_000).await;
    let _: String = scene.operator().ask(&["CLIENT", "PAUSE", "1500", "ALL"]);
    let (two, ttl) = (ClaimCount::new(2).expect("in range"), LeaseTtl::DEFAULT);
    assert!(queue.claim(two, ttl).await.expect_err("nobody answers").is_unreachable());
    // It was heard all the same, only late.
    let leased = async || scene.queue.counts().await.is_ok_and(|counts| counts.leased == 3);
    eventually(PATIENCE, leased).await;
    let taken = queue.claim(two, ttl).await.expect("Redis answers again");
    let seen: Vec<_> = taken.iter().map(|taken| (taken.job.id.as_str(), taken.attempt, taken.losses)).collect();
    assert_eq!(seen, [("b", 1, 0), ("c", 1, 0)]);
    for taken in warm.iter().chain(&taken) {
        queue.complete(&taken.lease).await.expect("the lease is good");
    }
    assert!(queue.claim(two, ttl).await.expect("an answer").is_empty(), "nothing is handed out twice");
}

/// One record that somebody spoiled costs no other job anything.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_parked_and_spoils_no_claim() {
    let scene = Scene::new().await;
    for name in ["a", "b", "c", "d"] {
        scene.queue.enqueue(&job(1, name)).await.expect("Redis should answer");
    }
    // The first reads as a record of this form, but of a tenant that cannot be; the second does not read at all.
    let _: i64 = scene.operator().ask(&["HSET", "jobq:jobs", "a", "1|0|default|test|5|3||x"]);
    let _: i64 = scene.operator().ask(&["HSET", "jobq:jobs", "b", "nothing"]);
    let taken = take(&scene.queue, 4, 60_000).await;
    let names: Vec<&str> = taken.iter().map(|taken| taken.job.id.as_str()).collect();
    assert_eq!(names, ["c", "d"]);
    let counts = scene.queue.counts().await.expect("Redis should answer");
    assert_eq!((counts.ready(Priority::Default).depth, counts.leased, counts.dead), (0, 2, 1));
    assert!(scene.queue.dead_letters().await.expect("the others are shown").is_empty());
    // What does not read at all is forgotten, so that its owner can push it again.
    let again = scene.queue.enqueue(&job(1, "b")).await.expect("Redis should answer");
    assert_eq!(again, Enqueued::New(Stage::Ready));
}

/// A worker of some queues leaves the others' jobs alone.
#[tokio::test]
async fn a_claim_takes_from_the_queues_it_names() {
    let scene = Scene::new().await;
    let low = Job { priority: Priority::Low, ..job(1, "low") };
    scene.queue.enqueue_all(&[low, job(1, "default")]).await.expect("Redis should answer");
    let high_and_low = Queues::of([Priority::High, Priority::Low]).expect("two");
    let (two, ttl) = (ClaimCount::new(2).expect("in range"), LeaseTtl::DEFAULT);
    let taken = scene.queue.claim_or_wait_from(high_and_low, two, ttl, Duration::ZERO).await.expect("an answer");
    assert_eq!(taken.iter().map(|taken| taken.job.id.as_str()).collect::<Vec<_>>(), ["low"]);
    assert_eq!(scene.queue.counts().await.expect("Redis should answer").ready(Priority::Default).depth, 1);
}

#[tokio::test]
async fn losing_either_half_of_the_counter_is_noticed() {
    let scene = Scene::new().await;
    scene.queue.enqueue(&job(1, "a")).await.expect("Redis should answer");
    let mut last = take(&scene.queue, 1, 60_000).await.remove(0).lease;
    for half in ["jobq:seq", "jobq:epoch"] {
        let _: i64 = scene.operator().ask(&["DEL", half]);
        scene.queue.give_back(&last).await.expect("the lease is fresh");
        let next = take(&scene.queue, 1, 60_000).await.remove(0).lease;
        assert!(last.fence < next.fence, "after the loss of {half}");
        last = next;
    }
}

#[tokio::test]
async fn a_restart_that_kept_its_data_still_begins_an_epoch() {
    let options = RedisOptions::default().persistence(Persistence::AppendOnly);
    let mut redis = Redis::start(options).await.expect("a Redis");
    let queue = server::queue(&redis.url(), None);
    for name in ["a", "b"] {
        queue.enqueue(&job(1, name)).await.expect("Redis should answer");
    }
    let before = take(&queue, 1, 60_000).await.remove(0).lease;
    redis.restart().await.expect("the same Redis again");
    // What was kept goes on: the lease is good, and numbers grow.
    let complete = async || queue.complete(&before).await.is_ok().then_some(());
    eventually(PATIENCE, complete).await;
    let after = take(&queue, 1, 60_000).await.remove(0).lease;
    assert!(before.fence.epoch() < after.fence.epoch());
}

#[tokio::test]
async fn a_crash_is_a_typed_error_and_passes() {
    let mut redis = Redis::start(RedisOptions::default()).await.expect("a Redis");
    let mut settings = server::settings(&redis.url());
    settings.queue_timeout = Duration::from_millis(500);
    let queue = JobQueue::redis(&settings, server::epochs()).expect("fine");
    let pushed = async || queue.enqueue(&job(1, "a")).await.is_ok();
    eventually(PATIENCE, pushed).await;
    let lease = take(&queue, 1, 60_000).await.remove(0).lease;
    redis.kill().await;
    let begin = Instant::now();
    let (one, ttl) = (ClaimCount::ONE, LeaseTtl::DEFAULT);
    let all = [
        queue.enqueue(&job(1, "b")).await.map(drop),
        queue.claim(one, ttl).await.map(drop),
        queue.claim_or_wait(one, ttl, Duration::from_secs(30)).await.map(drop),
        queue.counts().await.map(drop),
        queue.pause(Priority::High).await,
    ];
    for outcome in all {
        assert!(matches!(outcome, Err(CoordError::Unreachable { .. })), "{outcome:?}");
    }
    let unheard = queue.complete(&lease).await;
    assert!(matches!(unheard, Err(LeaseError::Backend(CoordError::Unreachable { .. }))), "{unheard:?}");
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    redis.restart().await.expect("the same Redis again");
    let pushed = async || queue.enqueue(&job(1, "b")).await.is_ok();
    eventually(PATIENCE, pushed).await;
    assert!(is_lost(&queue.complete(&lease).await), "it came back empty");
    assert_eq!(take(&queue, 1, 60_000).await.remove(0).job, job(1, "b"));
}

#[tokio::test]
async fn a_broken_subscription_delays_and_does_not_lose() {
    let scene = Scene::new().await;
    let waiting = tokio::spawn({
        let queue = scene.queue.clone();
        async move { queue.claim_or_wait(ClaimCount::ONE, LeaseTtl::DEFAULT, Duration::from_secs(30)).await }
    });
    let killed = async || {
        let killed: i64 = scene.operator().ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        (killed == 1).then_some(())
    };
    eventually(PATIENCE, killed).await;
    scene.queue.enqueue(&job(1, "a")).await.expect("Redis should answer");
    let jobs = waiting.await.expect("no panic").expect("Redis should answer");
    assert_eq!(jobs.len(), 1);
}

#[tokio::test]
async fn one_epoch_serves_all_processes_of_one_redis() {
    let scene = Scene::new().await;
    let epochs = CountedEpochs::default();
    let mut fences = Vec::new();
    for n in 0..4 {
        scene.queue.enqueue(&job(1, &format!("{n}"))).await.expect("Redis should answer");
        let queue = JobQueue::redis(&server::settings(&scene.redis.url()), epochs.source()).expect("fine");
        fences.extend(take(&queue, 1, 60_000).await.iter().map(|claimed| claimed.lease.fence));
    }
    assert_eq!(epochs.drawn(), 1);
    assert!(fences.len() == 4 && fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

/// A server that is full takes no more and can be worked off all the same; what waits for a retry, is due or over goes its way.
#[tokio::test]
async fn a_redis_without_memory_takes_nothing_more_and_can_be_emptied() {
    let scene = Scene::new().await;
    let mut operator = scene.operator();
    for n in 0..6 {
        scene.queue.enqueue(&job(1, &format!("{n}"))).await.expect("Redis should answer");
    }
    let claimed = take(&scene.queue, 4, 60_000).await;
    let short = take(&scene.queue, 1, 100).await;
    let put_off = Verdict::Retry { delay_ms: 100, reason: Reason::new("later") };
    scene.queue.fail(&claimed[3].lease, &put_off).await.expect("the lease is fresh");
    // Some are due and some are over when the memory is gone.
    let due = async || operator_time_ms(&mut scene.operator()) >= short[0].deadline_ms + 100;
    eventually(PATIENCE, async || due().await.then_some(())).await;
    let _: () = operator.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = scene.queue.enqueue(&job(1, "x")).await;
    assert!(matches!(refused, Err(CoordError::Refused { .. })), "{refused:?}");
    super::lists::check(&mut operator);
    scene.queue.heartbeat(&claimed[0].lease, LeaseTtl::DEFAULT).await.expect("the lease is fresh");
    scene.queue.give_back(&claimed[0].lease).await.expect("the lease is fresh");
    scene.queue.fail(&claimed[1].lease, &put_off).await.expect("the lease is fresh");
    scene.queue.complete(&claimed[2].lease).await.expect("the lease is fresh");
    super::lists::check(&mut operator);
    let mut done = std::collections::BTreeSet::new();
    while done.len() < 5 {
        let jobs = scene.queue.claim_or_wait(ClaimCount::ONE, LeaseTtl::DEFAULT, PATIENCE).await;
        for job in jobs.expect("a full server hands out what it has") {
            scene.queue.complete(&job.lease).await.expect("the lease is fresh");
            done.insert(job.job.id.to_string());
        }
        super::lists::check(&mut operator);
    }
    assert_eq!(done.iter().map(String::as_str).collect::<Vec<_>>(), ["0", "1", "3", "4", "5"]);
    let refused = scene.queue.enqueue(&job(1, "x")).await;
    assert!(matches!(refused, Err(CoordError::Refused { .. })), "{refused:?}");
    let _: () = operator.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(scene.queue.counts().await.expect("Redis should answer").total(), 0);
}

fn operator_time_ms(operator: &mut Operator) -> u64 {
    let (seconds, micros): (u64, u64) = operator.ask(&["TIME"]);
    seconds * 1_000 + micros / 1_000
}

#[tokio::test]
async fn two_tags_are_two_queues() {
    let scene = Scene::new().await;
    let url = scene.redis.url();
    let (one, other) = (server::any_tag(), server::any_tag());
    let (mine, theirs) = (server::queue(&url, Some(&one)), server::queue(&url, Some(&other)));
    mine.enqueue(&job(1, "a")).await.expect("Redis should answer");
    assert!(take(&theirs, 1, 60_000).await.is_empty());
    assert!(take(&scene.queue, 1, 60_000).await.is_empty());
    let length: i64 = scene.operator().ask(&["LLEN", &format!("{{{one}}}:queue:default")]);
    assert_eq!(length, 1);
    assert_eq!(take(&mine, 1, 60_000).await.len(), 1);
}
