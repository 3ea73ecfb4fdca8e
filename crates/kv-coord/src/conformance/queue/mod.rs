//! What a job queue must do. Each case has a queue of its own, since a queue has one order for all tenants.

mod crowd;
mod leases;
mod lines;
mod trials;

use std::time::Duration;

use kv_types::TenantId;

pub use crowd::a_crowd_shares_the_work;
pub use leases::{
    a_claim_nobody_waits_for_is_given_back, a_heartbeat_keeps_the_lease, a_job_given_back_was_not_tried,
    a_lease_that_is_over_frees_its_job, a_stale_word_changes_nothing, a_waiter_is_called, a_waiter_sees_a_lease_end,
    work_that_nobody_else_had_is_done_even_late,
};
pub use lines::{
    a_backlog_delays_another_tenant_by_two, a_paused_queue_is_passed_by, counts_say_what_there_is,
    high_goes_first_and_low_is_not_forgotten, the_order_within_a_tenant_is_kept,
};
pub use trials::{
    a_dead_letter_is_replayed, a_delayed_job_waits_for_its_time, a_kind_is_replayed,
    a_unique_key_is_free_after_its_job, no_attempt_left_is_death, one_id_is_one_job, poison_is_death_at_once,
    what_failed_is_tried_again_later, what_is_put_off_was_not_tried,
};

use crate::queue::{
    ClaimCount, ClaimedJob, Enqueued, Job, JobId, JobQueue, Kind, LeaseTtl, PayloadRef, Priority, Stage,
};

/// A lease no case waits for the end of.
const LONG: u64 = 60_000;
/// What a case adds to a time it cannot bound tightly on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

fn ttl_ms(raw: u64) -> LeaseTtl {
    LeaseTtl::from_millis(raw).expect("in range")
}

fn count(raw: u32) -> ClaimCount {
    ClaimCount::new(raw).expect("in range")
}

fn tenant(raw: i64) -> TenantId {
    TenantId::new(raw).expect("positive")
}

fn id(raw: &str) -> JobId {
    JobId::parse(raw).expect("allowed")
}

fn kind(raw: &str) -> Kind {
    Kind::parse(raw).expect("allowed")
}

/// A job of the default queue.
fn job(whose: i64, name: &str) -> Job {
    let payload = PayloadRef::parse(&format!("outbox|{name}\nä")).expect("short");
    Job::new(id(name), tenant(whose), kind("test"), payload)
}

fn with_priority(priority: Priority, job: Job) -> Job {
    Job { priority, ..job }
}

async fn put(queue: &JobQueue, job: &Job) {
    let outcome = queue.enqueue(job).await.expect("the store should answer");
    assert_eq!(outcome, Enqueued::New(Stage::Ready), "{job:?}");
}

/// Claims up to that many.
async fn take(queue: &JobQueue, jobs: u32, ttl: u64) -> Vec<ClaimedJob> {
    queue.claim(count(jobs), ttl_ms(ttl)).await.expect("the store should answer")
}

/// Claims one that must be there.
async fn take_one(queue: &JobQueue) -> ClaimedJob {
    take(queue, 1, LONG).await.pop().expect("a job should be ready")
}

/// Claims and completes all that is ready, one at a time; gives the ids.
async fn drain(queue: &JobQueue) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(claimed) = take(queue, 1, LONG).await.pop() {
        queue.complete(&claimed.lease).await.expect("the lease is fresh");
        ids.push(claimed.job.id.to_string());
    }
    ids
}
