//! What every back end must do: suites of cases, each an `async fn` that panics when the back end does not.
//!
//! A case is given a function that returns a handle. Several handles of one back end stand for several processes, so the
//! function returns a clone in process and a new connection for Redis. Cases choose tenants at random and may share a server.

use std::time::Duration;

use kv_types::TenantId;
use rand::RngExt;
use tokio::time::{Instant, sleep};

use crate::lock::LockService;
use crate::queue::JobQueue;
use crate::rate_limit::RateLimiter;

pub mod lock;
pub mod queue;
pub mod rate_limit;

/// Gives a handle on the same locks.
pub type MakeLocks<'a> = &'a (dyn Fn() -> LockService + Sync);
/// Gives a handle on the same limits.
pub type MakeLimiter<'a> = &'a (dyn Fn() -> RateLimiter + Sync);
/// Gives a handle on the same queue, which is the case's own.
pub type MakeQueue<'a> = &'a (dyn Fn() -> JobQueue + Sync);

/// Long enough for anything on a busy machine; only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tenant no other case uses.
pub(crate) fn any_tenant() -> TenantId {
    TenantId::new(rand::rng().random_range(1..i64::MAX)).expect("the range begins at 1")
}

/// Asks until `found` gives something.
pub(crate) async fn eventually<T>(what: &str, found: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found().await {
            return value;
        }
        assert!(Instant::now() < deadline, "it never came about that {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Runs a list of cases as tests of their own: `conformance_tests!(module, make, case, case, ..)`, where `make` is an
/// expression for the function a case is given.
#[macro_export]
macro_rules! conformance_tests {
    ($suite:ident, $make:expr, [$($case:ident),* $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let make = $make;
                $crate::conformance::$suite::$case(&make).await;
            }
        )*
    };
}

/// All cases of the locks, each a test.
#[macro_export]
macro_rules! lock_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            lock,
            $make,
            [
                can_acquire_a_lock,
                cannot_acquire_a_held_lock,
                can_acquire_after_release,
                a_lock_ends_by_itself,
                work_runs_under_a_lock,
                tenants_do_not_block_each_other,
                fifty_contenders_never_overlap,
                waiters_are_served_in_the_order_they_came,
                a_release_hands_over,
                the_wait_is_kept,
                a_full_line_refuses,
                a_dropped_waiter_leaves_the_line,
                the_overdue_are_passed_over,
                a_later_holder_may_end_sooner,
                futures_dropped_anywhere_leave_nothing_behind,
                a_dropped_guard_releases,
                an_expired_holder_is_replaced,
                a_stranger_cannot_release,
                a_second_release_finds_nothing,
                renewal_keeps_the_lock,
                work_may_outlast_the_lifetime,
                a_detached_lock_is_its_clients,
                the_holder_believes_less_than_the_store,
            ]
        );
    };
}

/// All cases of the limits, each a test.
#[macro_export]
macro_rules! rate_limit_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            rate_limit,
            $make,
            [
                sixty_of_seventy_in_a_row,
                sixty_of_seventy_at_once,
                tenants_have_their_own_limits,
                all_policies_or_none,
                hammering_does_not_prolong_a_refusal,
                no_real_window_holds_more_than_the_limit,
                numbers_for_headers_are_consistent,
                large_limits_are_exact_within_a_window,
                only_failures_count_when_only_failures_are_recorded,
                nothing_to_check_is_allowed,
            ]
        );
    };
}

/// All cases of the queue, each a test with a queue of its own.
#[macro_export]
macro_rules! queue_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            queue,
            $make,
            [
                the_order_within_a_tenant_is_kept,
                high_goes_first_and_low_is_not_forgotten,
                a_backlog_delays_another_tenant_by_two,
                a_paused_queue_is_passed_by,
                counts_say_what_there_is,
                a_lease_that_is_over_frees_its_job,
                a_stale_word_changes_nothing,
                a_heartbeat_keeps_the_lease,
                work_that_nobody_else_had_is_done_even_late,
                a_job_given_back_was_not_tried,
                a_claim_nobody_waits_for_is_given_back,
                a_waiter_is_called,
                a_waiter_sees_a_lease_end,
                one_id_is_one_job,
                what_is_put_off_was_not_tried,
                a_unique_key_is_free_after_its_job,
                a_delayed_job_waits_for_its_time,
                what_failed_is_tried_again_later,
                no_attempt_left_is_death,
                poison_is_death_at_once,
                a_dead_letter_is_replayed,
                a_kind_is_replayed,
                a_crowd_shares_the_work,
            ]
        );
    };
}

/// Runs all cases of the locks, one after another.
pub async fn lock(make: MakeLocks<'_>) {
    lock::all(make).await;
}

/// Runs all cases of the limits, one after another.
pub async fn rate_limit(make: MakeLimiter<'_>) {
    rate_limit::all(make).await;
}
