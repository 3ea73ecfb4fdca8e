//! Cases about the line.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use rand::RngExt;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout};

use super::{SLACK, Scene, TTL, WAIT, ttl_ms, wait_ms};
use crate::conformance::{MakeLocks, eventually};
use crate::lock::{AcquireError, Fence, QUEUE_CAP, ReleaseOutcome};

#[derive(Clone, Copy, Debug)]
struct Held {
    from: Instant,
    to: Instant,
    fence: Fence,
}

/// Fifty at once, through three handles: every one is served, no two at a time, under growing fences.
pub async fn fifty_contenders_never_overlap(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let handles = [scene.clone(), scene.through(make()), scene.through(make())];
    let mut contenders = JoinSet::new();
    for n in 0..50 {
        let scene = handles[n % handles.len()].clone();
        contenders.spawn(async move {
            let guard = scene.hold(wait_ms(60_000), ttl_ms(30_000)).await;
            let from = Instant::now();
            for _ in 0..10 {
                yield_now().await;
            }
            let held = Held { from, to: Instant::now(), fence: guard.fence() };
            let outcome = guard.release().await.expect("the store should answer");
            assert!(matches!(outcome, ReleaseOutcome::Released { .. }), "{outcome:?}");
            held
        });
    }
    let mut history = contenders.join_all().await;
    assert_eq!(history.len(), 50);
    history.sort_by_key(|held| held.from);
    for pair in history.windows(2) {
        assert!(pair[0].to <= pair[1].from, "two held the lock at once: {pair:?}");
        assert!(pair[0].fence < pair[1].fence, "a later holder has a smaller fence: {pair:?}");
    }
}

/// First come, first served.
pub async fn waiters_are_served_in_the_order_they_came(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let handles = [scene.clone(), scene.through(make())];
    let holder = scene.hold(WAIT, ttl_ms(60_000)).await;
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut waiters = JoinSet::new();
    for n in 0..10 {
        let (waiter, served) = (handles[n % handles.len()].clone(), Arc::clone(&served));
        waiters.spawn(async move {
            let guard = waiter.hold(wait_ms(60_000), TTL).await;
            served.lock().expect("no holder panics").push(n);
            guard.release().await.expect("the store should answer");
        });
        eventually("the waiter stands in line", async || (scene.waiters().await as usize == n + 1).then_some(())).await;
    }
    holder.release().await.expect("the store should answer");
    waiters.join_all().await;
    assert_eq!(*served.lock().expect("no holder panics"), (0..10).collect::<Vec<_>>());
}

/// A release names the fence of who has the lock now.
pub async fn a_release_hands_over(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let holder = scene.hold(WAIT, TTL).await;
    let waiter = scene.through(make());
    let waiting = tokio::spawn(async move { waiter.hold(WAIT, TTL).await });
    eventually("the waiter stands in line", async || (scene.waiters().await == 1).then_some(())).await;
    let outcome = holder.release().await.expect("the store should answer");
    let next = waiting.await.expect("the waiter should not panic");
    assert_eq!(outcome, ReleaseOutcome::Released { handed_to: Some(next.fence()) });
    let info = scene.info().await.expect("held by the waiter");
    assert!(info.ttl_ms > 5_000, "the waiter has its whole lifetime, not the short one of an unconfirmed grant");
}

/// Who waits in vain is told so when the time is up, not earlier and not much later.
pub async fn the_wait_is_kept(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let _holder = scene.hold(WAIT, TTL).await;
    let begin = Instant::now();
    let refused = scene.locks.acquire(scene.tenant, &scene.resource, wait_ms(300), TTL).await;
    let waited = begin.elapsed();
    assert!(matches!(refused, Err(AcquireError::Busy { position: 0, .. })), "{refused:?}");
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
    assert!(waited < Duration::from_millis(300) + SLACK, "{waited:?}");
    assert_eq!(scene.waiters().await, 0, "who gave up does not stand in line");
}

/// The line has a bound.
pub async fn a_full_line_refuses(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let holder = scene.hold(WAIT, ttl_ms(60_000)).await;
    let mut waiters = JoinSet::new();
    for _ in 0..QUEUE_CAP {
        let scene = scene.clone();
        waiters.spawn(async move { scene.hold(wait_ms(60_000), TTL).await });
    }
    eventually("the line is full", async || (scene.waiters().await == QUEUE_CAP).then_some(())).await;
    let refused = make().acquire(scene.tenant, &scene.resource, WAIT, TTL).await;
    assert!(matches!(refused, Err(AcquireError::QueueFull { waiters }) if waiters == QUEUE_CAP), "{refused:?}");
    waiters.shutdown().await;
    eventually("the line is empty", async || (scene.waiters().await == 0).then_some(())).await;
    holder.release().await.expect("the store should answer");
}

/// Who hangs up is not served, and those behind move up.
pub async fn a_dropped_waiter_leaves_the_line(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let holder = scene.hold(WAIT, ttl_ms(60_000)).await;
    let waits = |scene: Scene| tokio::spawn(async move { scene.hold(wait_ms(60_000), TTL).await });
    let first = waits(scene.clone());
    eventually("the first stands in line", async || (scene.waiters().await == 1).then_some(())).await;
    let second = waits(scene.through(make()));
    eventually("the second stands in line", async || (scene.waiters().await == 2).then_some(())).await;
    first.abort();
    eventually("the first has left", async || (scene.waiters().await == 1).then_some(())).await;
    holder.release().await.expect("the store should answer");
    let served = timeout(SLACK, second).await.expect("the second should be served");
    let guard = served.expect("the waiter should not panic");
    assert_eq!(scene.info().await.map(|info| info.fence), Some(guard.fence()));
}

/// Waiters that stand still until their time is over hold nobody up, however many they are, and learn in the end that they
/// waited in vain.
pub async fn the_overdue_are_passed_over(make: MakeLocks<'_>) {
    const STILL: u32 = 40;
    const PATIENCE_MS: u64 = 3_000;
    let scene = Scene::new(make());
    let holder = scene.hold(WAIT, ttl_ms(60_000)).await;
    let join = |_| scene.locks.acquire(scene.tenant, &scene.resource, wait_ms(PATIENCE_MS), ttl_ms(60_000));
    let mut still = pin!(join_all((0..STILL).map(join)));
    tokio::select! {
        served = still.as_mut() => panic!("they should wait: {served:?}"),
        () = eventually("all stand in line", async || (scene.waiters().await == STILL).then_some(())) => {}
    }
    let behind = scene.through(make());
    let waiting = tokio::spawn(async move { behind.hold(wait_ms(60_000), TTL).await });
    eventually("one stands behind them", async || (scene.waiters().await == STILL + 1).then_some(())).await;
    // From here on nobody polls them, as if their process had been stopped.
    sleep(Duration::from_millis(PATIENCE_MS + 500)).await;
    let outcome = holder.release().await.expect("the store should answer");
    let next = timeout(SLACK, waiting).await.expect("in time").expect("the waiter should not panic");
    assert_eq!(outcome, ReleaseOutcome::Released { handed_to: Some(next.fence()) });
    for late in still.await {
        assert!(matches!(late, Err(AcquireError::Busy { .. })), "{late:?}");
    }
    let info = scene.info().await.expect("held by the one behind");
    assert_eq!((info.fence, info.waiters), (next.fence(), 0));
}

/// Who began to wait under a holder with much time notices when a later one, with little, goes without a word.
pub async fn a_later_holder_may_end_sooner(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let first = scene.hold(WAIT, ttl_ms(60_000)).await;
    let brief = scene.through(make());
    let ending = tokio::spawn(async move { brief.hold(wait_ms(60_000), ttl_ms(200)).await.detach() });
    eventually("the brief one stands in line", async || (scene.waiters().await == 1).then_some(())).await;
    let last = scene.through(make());
    let waiting = tokio::spawn(async move { last.hold(wait_ms(60_000), TTL).await });
    eventually("the last stands in line", async || (scene.waiters().await == 2).then_some(())).await;
    first.release().await.expect("the store should answer");
    let ended = ending.await.expect("the waiter should not panic");
    let next = timeout(SLACK, waiting).await.expect("in time").expect("the waiter should not panic");
    assert!(ended.fence < next.fence());
}

/// Futures dropped after any number of steps, while the lock changes hands: it never jams and nobody stays in line.
pub async fn futures_dropped_anywhere_leave_nothing_behind(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    for round in 0..60 {
        let holder = scene.hold(wait_ms(20_000), ttl_ms(60_000)).await;
        let mut droppers = JoinSet::new();
        for _ in 0..4 {
            let scene = scene.clone();
            let patience = Duration::from_micros(rand::rng().random_range(0..3_000));
            droppers.spawn(async move {
                let acquiring = scene.locks.acquire(scene.tenant, &scene.resource, wait_ms(60_000), ttl_ms(60_000));
                drop(timeout(patience, acquiring).await);
            });
        }
        if round % 2 == 0 {
            // Also a future that is polled once and then forgotten.
            let acquiring = scene.locks.acquire(scene.tenant, &scene.resource, WAIT, ttl_ms(60_000));
            drop(pin!(acquiring).as_mut().now_or_never());
        }
        yield_now().await;
        holder.release().await.expect("the store should answer");
        droppers.join_all().await;
    }
    // Far sooner than any lifetime involved.
    let last = scene.hold(wait_ms(20_000), TTL).await;
    eventually("nobody stays in line", async || (scene.waiters().await == 0).then_some(())).await;
    assert_eq!(scene.info().await.map(|info| info.fence), Some(last.fence()));
}
