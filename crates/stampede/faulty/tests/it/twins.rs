//! One try to see each bug from outside, and the promise that the tries see it in a faulty server and never in a sound one.

use stampede_faulty::{Area, Bug, all};

use crate::client::{block_on, start};
use crate::{limit, lock, orders, queue, register, stock, tenants};

/// Tries in which a bug must be seen once.
const TRIES: u64 = 40;
/// Tries in which a sound server must show nothing.
const SOUND_TRIES: u64 = 8;

macro_rules! probes {
    ($($id:literal => $probe:path,)+) => {
        /// Whether one try shows the bug.
        async fn seen(id: &str, url: &str) -> bool {
            match id {
                $($id => $probe(url).await,)+
                _ => panic!("{id} is never looked for"),
            }
        }
    };
}

probes! {
    "lost-update" => stock::units_vanish,
    "check-outside-lock" => stock::more_is_reserved_than_there_is,
    "off-by-one-last-unit" => stock::the_last_unit_is_refused,
    "sold-one-too-many" => stock::a_unit_is_sold_that_is_not_there,
    "refused-while-free" => stock::a_released_unit_is_refused,
    "adjustment-unchecked" => stock::an_adjustment_goes_below_zero,
    "refund-twice" => stock::a_second_release_passes,
    "ended-outside-lock" => stock::a_reservation_ends_twice,
    "reservation-never-expires" => stock::units_never_come_back,
    "expired-reservation-confirmed" => stock::a_confirmation_passes_too_late,
    "movement-missing" => stock::the_ledger_has_gaps,
    "stale-replica-read" => stock::a_receipt_is_not_read,
    "unsorted-locking" => orders::two_orders_deadlock,
    "lines-checked-apart" => orders::two_lines_take_more_than_there_is,
    "partial-order" => orders::a_refused_order_takes_units,
    "lines-locked-in-turn" => orders::orders_overtake_each_other,
    "snapshot-torn" => orders::a_snapshot_shows_half_an_order,
    "double-grant" => lock::two_hold_it,
    "lock-released-by-non-owner" => lock::a_stranger_releases,
    "lock-lost-at-expiry" => lock::a_write_passes_after_expiry,
    "fencing-ignored" => lock::a_write_passes_after_release,
    "fence-repeated" => lock::fences_do_not_rise,
    "cross-tenant-lock" => lock::another_tenant_is_kept_out,
    "lock-never-expires" => lock::nobody_gets_it_after_its_time,
    "lease-cut-short" => lock::somebody_gets_it_before_its_time,
    "renewal-without-owner" => lock::a_former_holder_renews,
    "check-then-hit-limiter" => limit::too_many_pass_at_once,
    "limiter-per-process" => limit::too_many_pass_over_two_connections,
    "window-key-without-expiry" => limit::nothing_passes_in_the_next_window,
    "remaining-racing" => limit::two_calls_have_the_same_remaining,
    "limit-off-by-one" => limit::one_too_many_passes,
    "refused-calls-counted" => limit::who_keeps_asking_never_passes,
    "limit-per-tenant" => limit::another_user_is_refused,
    "tenant-predicate-missing" => tenants::a_search_finds_foreign_rows,
    "cache-without-tenant" => tenants::a_foreign_product_is_shown,
    "foreign-id-in-error-text" => tenants::an_error_tells_of_a_foreign_row,
    "tenant-of-connection" => tenants::a_list_shows_foreign_rows,
    "foreign-id-patched" => tenants::a_foreign_product_is_changed,
    "idempotency-without-body-check" => orders::another_body_gets_the_first_answer,
    "idempotency-after-effect" => orders::one_key_makes_two_orders_at_once,
    "replay-rebuilt" => orders::a_replay_has_another_id,
    "idempotency-per-process" => orders::one_key_makes_two_orders_over_two_connections,
    "job-acked-before-effect" => queue::a_crash_loses_a_job,
    "job-lost-at-crash" => queue::two_crashes_lose_a_job,
    "lease-never-ends" => queue::a_crash_leaves_a_job_reserved,
    "effect-not-idempotent" => queue::a_crash_doubles_a_job,
    "outbox-by-last-id" => queue::jobs_asked_for_at_once_are_lost,
    "flush-not-refilled" => queue::a_flush_loses_jobs,
    "counter-lost-update" => register::increments_vanish,
    "cas-not-atomic" => register::two_set_the_same_value,
    "register-cached-read" => register::a_value_read_before_is_read_again,
    "write-acked-early" => register::a_write_is_not_read,
}

fn tries_to_see(bug: &Bug) -> Option<u64> {
    let server = start(Some(bug), 1);
    block_on(async {
        for tries in 1..=TRIES {
            if seen(bug.id, &server.url()).await {
                return Some(tries);
            }
        }
        None
    })
}

fn shown_by_a_sound_server(bug: &Bug) -> bool {
    let server = start(None, 2);
    block_on(async {
        for _ in 0..SOUND_TRIES {
            if seen(bug.id, &server.url()).await {
                return true;
            }
        }
        false
    })
}

fn each_is_seen_and_its_twin_is_sound(area: Area) {
    let bugs: Vec<&Bug> = all().iter().filter(|bug| bug.area == area).collect();
    assert!(!bugs.is_empty());
    for bug in bugs {
        let tries = tries_to_see(bug);
        assert!(tries.is_some(), "{} was not seen in {TRIES} tries", bug.id);
        assert!(!shown_by_a_sound_server(bug), "the sound server shows {}", bug.id);
    }
}

#[test]
fn bugs_of_stock_are_seen() {
    each_is_seen_and_its_twin_is_sound(Area::Stock);
}

#[test]
fn bugs_of_orders_are_seen() {
    each_is_seen_and_its_twin_is_sound(Area::Orders);
}

#[test]
fn bugs_of_locks_are_seen() {
    each_is_seen_and_its_twin_is_sound(Area::Lock);
}

#[test]
fn bugs_of_limits_are_seen() {
    each_is_seen_and_its_twin_is_sound(Area::Limit);
}

#[test]
fn bugs_of_tenants_are_seen() {
    each_is_seen_and_its_twin_is_sound(Area::Tenants);
}

#[test]
fn bugs_of_idempotency_are_seen() {
    each_is_seen_and_its_twin_is_sound(Area::Idempotency);
}

#[test]
fn bugs_of_the_queue_are_seen() {
    each_is_seen_and_its_twin_is_sound(Area::Queue);
}

#[test]
fn bugs_of_registers_are_seen() {
    each_is_seen_and_its_twin_is_sound(Area::Register);
}
