//! What an operator sees and may do.

use std::time::{Duration, Instant};

use kv_coord::CoordError;
use kv_coord::lock::{AcquireError, ExecuteError, LockLost, LockOptions, ReleaseOutcome, Ttl, Wait};
use sandbox::testing::eventually;

use super::{PATIENCE, Scene};

const KEY: &str = "lock:tenant:1:stock:product-123";

#[tokio::test]
async fn held_locks_are_listed_under_their_documented_names_and_nothing_else_is() {
    let scene = Scene::new().await;
    let guard = scene.hold(0, 10_000).await;
    let waiting = scene.wait_for_it(&scene.locks);
    scene.until_waiting(1).await;
    let mut operator = scene.operator();
    assert_eq!(operator.keys("lock:*"), [KEY]);
    let seconds: i64 = operator.ask(&["TTL", KEY]);
    assert!((1..=10).contains(&seconds), "{seconds}");
    let value: String = operator.ask(&["GET", KEY]);
    let fence = guard.fence().to_string();
    assert_eq!(value.split('|').take(2).collect::<Vec<_>>(), [guard.token().to_string(), fence]);
    for companion in ["lockq:tenant:1:stock:product-123", "lockd:tenant:1:stock:product-123"] {
        let lives_ms: i64 = operator.ask(&["PTTL", companion]);
        assert!((1..=36_000).contains(&lives_ms), "{companion}: {lives_ms}");
    }
    guard.release().await.expect("Redis should answer");
    let next = waiting.await.expect("the waiter should not panic");
    next.release().await.expect("Redis should answer");
    assert_eq!(operator.keys("lock*"), Vec::<String>::new());
}

#[tokio::test]
async fn work_stops_when_its_lock_is_deleted_behind_its_back() {
    let scene = Scene::new().await;
    let options = LockOptions { wait: Wait::NONE, ttl: Ttl::from_millis(600).expect("in range") };
    let work = scene.locks.execute_with_lock(scene.tenant, &scene.resource, options, async |_held| {
        let deleted: i64 = scene.operator().ask(&["DEL", KEY]);
        assert_eq!(deleted, 1);
        std::future::pending::<()>().await;
    });
    let lost = work.await;
    assert!(matches!(lost, Err(ExecuteError::LockLost(LockLost::Expired))), "{lost:?}");
}

#[tokio::test]
async fn work_stops_when_another_got_its_lock() {
    let scene = Scene::new().await;
    let options = LockOptions { wait: Wait::NONE, ttl: Ttl::from_millis(600).expect("in range") };
    let work = scene.locks.execute_with_lock(scene.tenant, &scene.resource, options, async |held| {
        let _: i64 = scene.operator().ask(&["DEL", KEY]);
        let other = scene.hold(0, 60_000).await;
        assert!(held.fence() < other.fence());
        std::mem::forget(other);
        std::future::pending::<()>().await;
    });
    let lost = work.await;
    assert!(matches!(lost, Err(ExecuteError::LockLost(LockLost::NotOwner))), "{lost:?}");
    let info = scene.info().await.expect("Redis should answer");
    assert!(info.is_some(), "the loser must not take the other's lock with it");
}

#[tokio::test]
async fn deleting_a_stuck_lock_serves_its_line() {
    let scene = Scene::new().await;
    let stuck = scene.hold(0, 300_000).await;
    let waiting = scene.wait_for_it(&scene.locks);
    scene.until_waiting(1).await;
    let _: i64 = scene.operator().ask(&["DEL", KEY]);
    let next = waiting.await.expect("the waiter should find the lock free");
    assert!(stuck.fence() < next.fence());
    assert_eq!(stuck.release().await.expect("Redis should answer"), ReleaseOutcome::NotOwner);
}

#[tokio::test]
async fn a_lock_set_by_hand_is_respected() {
    let scene = Scene::new().await;
    let mut operator = scene.operator();
    let _: () = operator.ask(&["SET", KEY, "maintenance", "PX", "400"]);
    let refused = scene.acquire(0, 1_000).await;
    assert!(matches!(refused, Err(AcquireError::Busy { .. })), "{refused:?}");
    scene.hold(10_000, 1_000).await.release().await.expect("Redis should answer");
}

#[tokio::test]
async fn a_key_of_another_type_is_one_clear_error() {
    let scene = Scene::new().await;
    let _: i64 = scene.operator().ask(&["SADD", KEY, "x"]);
    let refused = scene.acquire(0, 1_000).await;
    let Err(AcquireError::Backend(error @ CoordError::Refused { .. })) = refused else {
        panic!("expected a refusal: {refused:?}");
    };
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(source.contains("WRONGTYPE"), "{source}");
}

#[tokio::test]
async fn the_overdue_are_pruned() {
    let scene = Scene::new().await;
    let mut operator = scene.operator();
    let _guard = scene.hold(0, 300_000).await;
    // What is left of a waiter whose process died: nobody listens on its channel any more, its deadline has passed.
    let dead = "00000000000000000000000000000000|lockw:nobody|1000";
    let _: i64 = operator.ask(&["RPUSH", "lockq:tenant:1:stock:product-123", dead]);
    let _: i64 = operator.ask(&["ZADD", "lockd:tenant:1:stock:product-123", "1", dead]);
    let waiting = scene.wait_for_it(&scene.locks);
    scene.until_waiting(1).await;
    waiting.abort();
    let line_gone = async || scene.operator().keys("lockq*").is_empty();
    eventually(PATIENCE, line_gone).await;
}

#[tokio::test]
async fn the_dead_are_passed_over() {
    let scene = Scene::new().await;
    let mut operator = scene.operator();
    let guard = scene.hold(0, 300_000).await;
    for n in 0..5 {
        // Still within their deadline, but nobody listens on their channel.
        let dead = format!("{n:032x}|lockw:nobody|1000");
        let _: i64 = operator.ask(&["RPUSH", "lockq:tenant:1:stock:product-123", &dead]);
        let _: i64 = operator.ask(&["ZADD", "lockd:tenant:1:stock:product-123", "99999999999999", &dead]);
    }
    let waiting = scene.wait_for_it(&scene.locks);
    scene.until_waiting(6).await;
    let outcome = guard.release().await.expect("Redis should answer");
    let next = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("in time").expect("no panic");
    assert_eq!(outcome, ReleaseOutcome::Released { handed_to: Some(next.fence()) });
}

#[tokio::test]
async fn a_long_line_of_the_dead_is_passed_over_in_one_look() {
    let scene = Scene::new().await;
    let mut operator = scene.operator();
    let guard = scene.hold(0, 300_000).await;
    // More than one call of a script looks at, six times over.
    for n in 0..200 {
        let dead = format!("{n:032x}|lockw:nobody|1000");
        let _: i64 = operator.ask(&["RPUSH", "lockq:tenant:1:stock:product-123", &dead]);
        let _: i64 = operator.ask(&["ZADD", "lockd:tenant:1:stock:product-123", "99999999999999", &dead]);
    }
    let waiting = scene.wait_for_it(&scene.locks);
    scene.until_waiting(201).await;
    let begin = Instant::now();
    guard.release().await.expect("Redis should answer");
    let _next = waiting.await.expect("the waiter should not panic");
    // Looks under a holder are at least 750 ms apart, and one at that pace for every 32 dead would take 4.5 s.
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}
