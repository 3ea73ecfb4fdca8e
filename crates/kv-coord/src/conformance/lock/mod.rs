//! What locks must do.

mod holding;
mod waiting;

use std::time::Duration;

use kv_types::TenantId;

pub use holding::{
    a_detached_lock_is_its_clients, a_dropped_guard_releases, a_lock_ends_by_itself, a_second_release_finds_nothing,
    a_stranger_cannot_release, an_expired_holder_is_replaced, can_acquire_a_lock, can_acquire_after_release,
    cannot_acquire_a_held_lock, renewal_keeps_the_lock, tenants_do_not_block_each_other,
    the_holder_believes_less_than_the_store, work_may_outlast_the_lifetime, work_runs_under_a_lock,
};
pub use waiting::{
    a_dropped_waiter_leaves_the_line, a_full_line_refuses, a_later_holder_may_end_sooner, a_release_hands_over,
    fifty_contenders_never_overlap, futures_dropped_anywhere_leave_nothing_behind, the_overdue_are_passed_over,
    the_wait_is_kept, waiters_are_served_in_the_order_they_came,
};

use super::{MakeLocks, any_tenant};
use crate::lock::{LockGuard, LockInfo, LockService, Resource, Ttl, Wait};

/// Every case, one after another.
pub async fn all(make: MakeLocks<'_>) {
    can_acquire_a_lock(make).await;
    cannot_acquire_a_held_lock(make).await;
    can_acquire_after_release(make).await;
    a_lock_ends_by_itself(make).await;
    work_runs_under_a_lock(make).await;
    tenants_do_not_block_each_other(make).await;
    fifty_contenders_never_overlap(make).await;
    waiters_are_served_in_the_order_they_came(make).await;
    a_release_hands_over(make).await;
    the_wait_is_kept(make).await;
    a_full_line_refuses(make).await;
    a_dropped_waiter_leaves_the_line(make).await;
    the_overdue_are_passed_over(make).await;
    a_later_holder_may_end_sooner(make).await;
    futures_dropped_anywhere_leave_nothing_behind(make).await;
    a_dropped_guard_releases(make).await;
    an_expired_holder_is_replaced(make).await;
    a_stranger_cannot_release(make).await;
    a_second_release_finds_nothing(make).await;
    renewal_keeps_the_lock(make).await;
    work_may_outlast_the_lifetime(make).await;
    a_detached_lock_is_its_clients(make).await;
    the_holder_believes_less_than_the_store(make).await;
}

/// One tenant's `test-resource`, and short words for what cases do with it.
#[derive(Clone)]
struct Scene {
    locks: LockService,
    tenant: TenantId,
    resource: Resource,
}

impl Scene {
    fn new(locks: LockService) -> Self {
        let resource = Resource::parse("test-resource").expect("an allowed name");
        Self { locks, tenant: any_tenant(), resource }
    }

    /// The same resource through another handle.
    fn through(&self, locks: LockService) -> Self {
        Self { locks, ..self.clone() }
    }

    async fn hold(&self, wait: Wait, ttl: Ttl) -> LockGuard {
        self.locks.acquire(self.tenant, &self.resource, wait, ttl).await.expect("the lock should be had")
    }

    async fn info(&self) -> Option<LockInfo> {
        self.locks.exists(self.tenant, &self.resource).await.expect("the store should answer")
    }

    async fn waiters(&self) -> u32 {
        self.info().await.map_or(0, |info| info.waiters)
    }
}

fn ttl_ms(raw: u64) -> Ttl {
    Ttl::from_millis(raw).expect("in range")
}

fn wait_ms(raw: u64) -> Wait {
    Wait::from_millis(raw).expect("in range")
}

/// As the guide's tests have it: wait 5 s, hold 10 s.
const WAIT: Wait = Wait::DEFAULT;
const TTL: Ttl = Ttl::DEFAULT;
/// What a case adds to a time it cannot bound tightly on a busy machine.
const SLACK: Duration = Duration::from_secs(4);
