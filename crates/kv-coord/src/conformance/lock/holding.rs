//! Cases about one holder at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{SLACK, Scene, TTL, WAIT, ttl_ms};
use crate::conformance::{MakeLocks, any_tenant, eventually};
use crate::lock::{AcquireError, LockLost, LockOptions, ReleaseOutcome, RenewError, Token, Wait};

/// A free lock is had and then exists.
pub async fn can_acquire_a_lock(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    assert_eq!(scene.info().await, None);
    let guard = scene.hold(WAIT, TTL).await;
    let info = scene.info().await.expect("a held lock exists");
    assert_eq!(info.fence, guard.fence());
    assert_eq!(info.waiters, 0);
    assert!(info.ttl_ms <= TTL.as_millis());
}

/// A held lock is refused at once to who will not wait.
pub async fn cannot_acquire_a_held_lock(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let _first = scene.hold(WAIT, TTL).await;
    let second = make().acquire(scene.tenant, &scene.resource, Wait::NONE, TTL).await;
    let Err(AcquireError::Busy { holder_ttl, position }) = second else {
        panic!("the second holder should have been refused: {second:?}");
    };
    assert!(!holder_ttl.is_zero());
    assert!(holder_ttl <= TTL.get());
    assert_eq!(position, 0);
}

/// A released lock is free.
pub async fn can_acquire_after_release(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let first = scene.hold(WAIT, TTL).await;
    let first_fence = first.fence();
    let outcome = first.release().await.expect("the store should answer");
    assert_eq!(outcome, ReleaseOutcome::Released { handed_to: None });
    assert_eq!(scene.info().await, None);
    let second = scene.hold(Wait::NONE, TTL).await;
    assert!(first_fence < second.fence());
}

/// A lock nobody releases ends after its lifetime, not before.
pub async fn a_lock_ends_by_itself(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let asked_at = Instant::now();
    let first = scene.hold(WAIT, ttl_ms(200)).await.detach();
    eventually("the lock ends", async || scene.info().await.is_none().then_some(())).await;
    assert!(asked_at.elapsed() >= Duration::from_millis(199), "it ended too early");
    let second = scene.hold(Wait::NONE, TTL).await;
    assert!(first.fence < second.fence());
}

/// Work runs under the lock and its value comes back.
pub async fn work_runs_under_a_lock(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let executed = Arc::new(AtomicBool::new(false));
    let options = LockOptions { wait: WAIT, ttl: TTL };
    let result = scene.locks.execute_with_lock(scene.tenant, &scene.resource, options, async |held| {
        let info = scene.info().await.expect("the lock is held while work runs");
        assert_eq!(info.fence, held.fence());
        assert!(held.remaining() <= TTL.get());
        executed.store(true, Ordering::Relaxed);
        "success"
    });
    assert_eq!(result.await.expect("the work should be done"), "success");
    assert!(executed.load(Ordering::Relaxed));
    assert_eq!(scene.info().await, None, "the lock is released with the work");
}

/// One tenant's lock is nothing to another tenant.
pub async fn tenants_do_not_block_each_other(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let _first = scene.hold(WAIT, TTL).await;
    let other = Scene { tenant: any_tenant(), ..scene.clone() };
    assert_eq!(other.info().await, None);
    let _second = other.hold(Wait::NONE, TTL).await;
}

/// A guard that goes out of scope gives the lock back.
pub async fn a_dropped_guard_releases(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    drop(scene.hold(WAIT, TTL).await);
    eventually("the lock is given back", async || scene.info().await.is_none().then_some(())).await;
}

/// Who waits gets the lock when the holder's lifetime ends, and the late holder can neither renew nor release it.
pub async fn an_expired_holder_is_replaced(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let begin = Instant::now();
    let mut first = scene.hold(WAIT, ttl_ms(200)).await;
    let second = scene.through(make()).hold(WAIT, TTL).await;
    assert!(begin.elapsed() >= Duration::from_millis(199), "two held the lock");
    assert!(begin.elapsed() < Duration::from_millis(200) + SLACK);
    assert!(first.fence() < second.fence());
    assert!(first.remaining().is_zero());
    let renewed = first.renew(TTL).await;
    assert!(matches!(renewed, Err(RenewError::Lost(LockLost::NotOwner))), "{renewed:?}");
    assert_eq!(first.release().await.expect("the store should answer"), ReleaseOutcome::NotOwner);
    assert_eq!(scene.info().await.map(|info| info.fence), Some(second.fence()));
}

/// A token that is not the holder's releases and renews nothing.
pub async fn a_stranger_cannot_release(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let guard = scene.hold(WAIT, TTL).await;
    let stranger: Token = "0123456789abcdef0123456789abcdef".parse().expect("a token");
    let outcome = scene.locks.release(scene.tenant, &scene.resource, stranger).await;
    assert_eq!(outcome.expect("the store should answer"), ReleaseOutcome::NotOwner);
    let renewed = scene.locks.renew(scene.tenant, &scene.resource, stranger, TTL).await;
    assert!(matches!(renewed, Err(RenewError::Lost(LockLost::NotOwner))), "{renewed:?}");
    assert_eq!(scene.info().await.map(|info| info.fence), Some(guard.fence()));
}

/// Releasing what is gone says so.
pub async fn a_second_release_finds_nothing(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let guard = scene.hold(WAIT, TTL).await;
    let token = guard.token();
    guard.release().await.expect("the store should answer");
    let again = scene.locks.release(scene.tenant, &scene.resource, token).await;
    assert_eq!(again.expect("the store should answer"), ReleaseOutcome::Expired);
    let renewed = scene.locks.renew(scene.tenant, &scene.resource, token, TTL).await;
    assert!(matches!(renewed, Err(RenewError::Lost(LockLost::Expired))), "{renewed:?}");
}

/// A renewed lock lives on past its first lifetime, under the same fence.
pub async fn renewal_keeps_the_lock(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let first_ttl = ttl_ms(500);
    let begin = Instant::now();
    let mut guard = scene.hold(WAIT, first_ttl).await;
    let fence = guard.fence();
    guard.renew(TTL).await.expect("it is still held");
    assert!(guard.remaining() > first_ttl.get());
    eventually("the first lifetime has passed", async || (begin.elapsed() > first_ttl.get()).then_some(())).await;
    assert_eq!(scene.info().await.map(|info| info.fence), Some(fence));
    let other = scene.locks.acquire(scene.tenant, &scene.resource, Wait::NONE, TTL).await;
    assert!(matches!(other, Err(AcquireError::Busy { .. })), "{other:?}");
}

/// Work that takes several lifetimes keeps its lock by renewal.
pub async fn work_may_outlast_the_lifetime(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let options = LockOptions { wait: WAIT, ttl: ttl_ms(1_000) };
    let result = scene.locks.execute_with_lock(scene.tenant, &scene.resource, options, async |held| {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(2_500) {
            let info = scene.info().await.expect("the lock is held while work runs");
            assert_eq!(info.fence, held.fence());
            assert!(!held.remaining().is_zero());
            // The work: it only has to last.
            sleep(Duration::from_millis(50)).await;
        }
        7
    });
    assert_eq!(result.await.expect("the lock should have been kept"), 7);
}

/// A lock handed to a client outlives the guard and obeys its token.
pub async fn a_detached_lock_is_its_clients(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let grant = scene.hold(WAIT, TTL).await.detach();
    let elsewhere = make();
    let longer = ttl_ms(60_000);
    elsewhere.renew(scene.tenant, &scene.resource, grant.token, longer).await.expect("the token holds it");
    let info = scene.info().await.expect("it outlives the guard");
    assert_eq!(info.fence, grant.fence);
    assert!(info.ttl_ms > TTL.as_millis());
    let outcome = elsewhere.release(scene.tenant, &scene.resource, grant.token).await;
    assert_eq!(outcome.expect("the store should answer"), ReleaseOutcome::Released { handed_to: None });
    assert_eq!(scene.info().await, None);
}

/// The holder stops believing before the store forgets.
pub async fn the_holder_believes_less_than_the_store(make: MakeLocks<'_>) {
    let scene = Scene::new(make());
    let guard = scene.hold(WAIT, TTL).await;
    assert!(guard.remaining() <= TTL.believed());
    let info = scene.info().await.expect("held");
    // Asked after the store, so nothing that happened between the two readings can favour this.
    assert!(guard.remaining() < Duration::from_millis(info.ttl_ms));
}
