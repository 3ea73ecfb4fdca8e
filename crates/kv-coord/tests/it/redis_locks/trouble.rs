//! Redis that crashes, forgets or does not deliver.

use std::time::{Duration, Instant};

use kv_coord::lock::{AcquireError, ExecuteError, LockLost, LockOptions, Ttl, Wait};
use kv_coord::{CoordError, LockService};
use sandbox::testing::eventually;
use sandbox::{Persistence, RedisOptions};

use super::{PATIENCE, Scene};
use crate::server::{self, CountedEpochs};

/// A waiter looks for itself no sooner than 750 ms after joining, so twelve, one after another, would take 9 s.
const LOOKING_WOULD_TAKE: Duration = Duration::from_secs(7);

#[tokio::test]
async fn a_crash_is_a_typed_error_and_passes() {
    let mut scene = Scene::new().await;
    let before = scene.hold(0, 60_000).await;
    scene.redis.kill().await;
    let begin = Instant::now();
    let refused = scene.acquire(0, 1_000).await;
    assert!(matches!(refused, Err(AcquireError::Backend(CoordError::Unreachable { .. }))), "{refused:?}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    scene.locks.ping().await.expect_err("nobody is there");
    scene.redis.restart().await.expect("the same Redis again");
    // The same service, no help from outside. Nothing was kept, so the lock is free; its number must still be higher.
    let after = eventually(PATIENCE, || scene.acquire(0, 60_000)).await;
    assert!(before.fence() < after.fence());
    assert!(before.fence().epoch() < after.fence().epoch());
}

#[tokio::test]
async fn waiters_outlive_a_crash() {
    let mut scene = Scene::new().await;
    let first = scene.hold(0, 60_000).await;
    let waiting = scene.wait_for_it(&scene.locks);
    scene.until_waiting(1).await;
    scene.redis.kill().await;
    scene.redis.restart().await.expect("the same Redis again");
    let next = waiting.await.expect("the waiter should stand in line again, or find the lock free");
    assert!(first.fence() < next.fence());
}

#[tokio::test]
async fn a_restart_that_kept_its_data_still_begins_an_epoch() {
    // The last second of an append-only file may be missing, and with it the newest numbers.
    let mut scene = Scene::with(RedisOptions::default().persistence(Persistence::AppendOnly)).await;
    let first = scene.hold(0, 60_000).await;
    scene.redis.restart().await.expect("the same Redis again");
    let kept = eventually(PATIENCE, async || scene.info().await.ok().flatten()).await;
    assert_eq!(kept.fence, first.fence(), "the lock itself was kept");
    first.release().await.expect("Redis should answer");
    let second = scene.hold(0, 1_000).await;
    assert!(kept.fence.epoch() < second.fence().epoch());
}

#[tokio::test]
async fn a_flush_never_repeats_a_fence() {
    let scene = Scene::new().await;
    let mut fences = Vec::new();
    for _ in 0..5 {
        for _ in 0..3 {
            let guard = scene.hold(0, 60_000).await;
            fences.push(guard.fence());
            guard.release().await.expect("Redis should answer");
        }
        let _: () = scene.operator().ask(&["FLUSHALL"]);
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

#[tokio::test]
async fn losing_either_half_of_the_counter_is_noticed() {
    let scene = Scene::new().await;
    let mut last = scene.hold(0, 60_000).await.detach();
    for half in ["fence:seq", "fence:epoch"] {
        let _: i64 = scene.operator().ask(&["DEL", half]);
        let outcome = scene.locks.release(scene.tenant, &scene.resource, last.token).await;
        outcome.expect("Redis should answer");
        let next = scene.hold(0, 60_000).await.detach();
        assert!(last.fence < next.fence, "after the loss of {half}");
        last = next;
    }
}

#[tokio::test]
async fn a_release_without_an_epoch_still_serves_the_line_at_once() {
    let scene = Scene::new().await;
    let begin = Instant::now();
    let mut holder = scene.hold(0, 60_000).await;
    for _ in 0..12 {
        let waiting = scene.wait_for_it(&scene.locks);
        scene.until_waiting(1).await;
        let _: i64 = scene.operator().ask(&["DEL", "fence:epoch"]);
        let epoch = holder.fence().epoch();
        holder.release().await.expect("Redis should answer");
        holder = waiting.await.expect("the waiter should be served");
        assert!(epoch < holder.fence().epoch());
    }
    assert!(begin.elapsed() < LOOKING_WOULD_TAKE, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_counter_at_its_end_begins_an_epoch() {
    let scene = Scene::new().await;
    let first = scene.hold(0, 60_000).await.detach();
    scene.locks.release(scene.tenant, &scene.resource, first.token).await.expect("Redis should answer");
    let last_count = ((1u64 << 35) - 1).to_string();
    let _: () = scene.operator().ask(&["SET", "fence:seq", &last_count]);
    let second = scene.hold(0, 60_000).await;
    assert_eq!(first.fence.epoch() + 1, second.fence().epoch());
}

#[tokio::test]
async fn one_epoch_serves_all_processes_of_one_redis() {
    let scene = Scene::new().await;
    let epochs = CountedEpochs::default();
    for _ in 0..4 {
        let locks = LockService::redis(&server::settings(&scene.redis.url()), epochs.source()).expect("fine");
        let asking: Vec<_> = (0..8).map(|_| scene.take_a_turn(&locks)).collect();
        for waiter in asking {
            waiter.await.expect("served");
        }
    }
    assert_eq!(epochs.drawn(), 1);
}

#[tokio::test]
async fn without_an_epoch_no_lock_is_granted() {
    let scene = Scene::new().await;
    let broken = |_run_id: String| async { Err("the database is away".into()) };
    let locks = LockService::redis(&server::settings(&scene.redis.url()), broken).expect("fine");
    let refused = scene.acquire_through(&locks, 0, 1_000).await;
    let Err(AcquireError::Backend(error @ CoordError::Epoch(_))) = refused else {
        panic!("expected an error about the epoch: {refused:?}");
    };
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("the database is away"));
    assert_eq!(scene.info().await.expect("Redis should answer"), None);
}

#[tokio::test]
async fn a_flush_does_not_strand_those_in_line() {
    let scene = Scene::new().await;
    let _lost = scene.hold(0, 60_000).await;
    let waiting: Vec<_> = (0..3).map(|_| scene.take_a_turn(&scene.locks)).collect();
    scene.until_waiting(3).await;
    let _: () = scene.operator().ask(&["FLUSHALL"]);
    for waiter in waiting {
        waiter.await.expect("served");
    }
}

#[tokio::test]
async fn a_broken_subscription_delays_and_does_not_lose() {
    let scene = Scene::new().await;
    let holder = scene.hold(0, 60_000).await;
    let waiting: Vec<_> = (0..3).map(|_| scene.take_a_turn(&scene.locks)).collect();
    scene.until_waiting(3).await;
    let killed: i64 = scene.operator().ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(killed, 1, "one subscription per process");
    holder.release().await.expect("Redis should answer");
    for waiter in waiting {
        waiter.await.expect("served");
    }
}

#[tokio::test]
async fn turns_are_told_and_not_found_by_looking() {
    let scene = Scene::new().await;
    let other_process = server::locks(&scene.redis.url());
    let begin = Instant::now();
    let mut holder = scene.hold(0, 60_000).await;
    for _ in 0..12 {
        let waiting = scene.wait_for_it(&other_process);
        scene.until_waiting(1).await;
        holder.release().await.expect("Redis should answer");
        holder = waiting.await.expect("served");
    }
    assert!(begin.elapsed() < LOOKING_WOULD_TAKE, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn work_stops_before_the_lock_can_be_anothers_when_redis_falls_silent() {
    let scene = Scene::new().await;
    let ttl = Duration::from_millis(900);
    let options = LockOptions { wait: Wait::NONE, ttl: Ttl::from_millis(900).expect("in range") };
    let begin = Instant::now();
    let work = scene.locks.execute_with_lock(scene.tenant, &scene.resource, options, async |_held| {
        scene.redis.kill().await;
        std::future::pending::<()>().await;
    });
    let lost = work.await;
    assert!(matches!(lost, Err(ExecuteError::LockLost(LockLost::Unrenewed))), "{lost:?}");
    // The kill itself takes time, in which the lock may have been renewed once; from the kill on it was not.
    assert!(begin.elapsed() < ttl * 3, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_service_may_start_before_its_redis() {
    let mut scene = Scene::new().await;
    scene.redis.stop().await;
    let locks = server::locks(&scene.redis.url());
    let refused = scene.acquire_through(&locks, 0, 1_000).await;
    assert!(matches!(refused, Err(AcquireError::Backend(CoordError::Unreachable { .. }))), "{refused:?}");
    scene.redis.restart().await.expect("the same Redis again");
    eventually(PATIENCE, || scene.acquire_through(&locks, 0, 60_000))
        .await
        .release()
        .await
        .expect("Redis should answer");
}
