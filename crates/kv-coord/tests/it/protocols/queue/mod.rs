//! From the outbox to the effect: rows in PostgreSQL, a list with leases in Redis that may be flushed, workers that crash.
//!
//! Redis is the product's own rule ([`kv_coord::queue::rule`]); the outbox, the relay and the workers are modelled beside it.
//! Absent on purpose: retries of a handler that fails, delays, dead letters, priorities, fairness between tenants; none of them
//! decides whether a job is lost or done twice.

mod model;
mod step;
mod world;

use self::model::{COMMITTED, DRAINED, Mistake, OLD_ACK, ONCE, QueueModel};
use self::world::Budget;
use super::check::{breaks, holds};

/// One job that nearly everything happens to.
fn one_job() -> QueueModel {
    let budget = Budget { worker_crashes: 2, relay_crashes: 1, flushes: 1, early_expiries: 2 };
    QueueModel { jobs: 1, workers: 2, budget, mistake: None }
}

/// Two jobs, which may be committed and relayed in any order.
fn two_jobs() -> QueueModel {
    let budget = Budget { worker_crashes: 1, relay_crashes: 0, flushes: 1, early_expiries: 1 };
    QueueModel { jobs: 2, budget, ..one_job() }
}

#[test]
fn one_job_and_every_mishap() {
    holds("queue, one job", one_job());
}

#[test]
fn two_jobs_two_workers_and_a_flush() {
    holds("queue, two jobs", two_jobs());
}

#[test]
fn each_rule_is_missed_when_it_is_off() {
    for (mistake, broken) in [
        (Mistake::DeletedBeforePush, DRAINED),
        (Mistake::RelayRemembersTheLastRow, DRAINED),
        (Mistake::PushedBeforeCommit, COMMITTED),
        (Mistake::NoSweep, DRAINED),
        (Mistake::AckBeforeEffect, DRAINED),
        (Mistake::NoJobDone, ONCE),
        (Mistake::AckWithoutCompare, OLD_ACK),
        (Mistake::TokensFromACounter, OLD_ACK),
        (Mistake::NoReaper, DRAINED),
    ] {
        let jobs = if mistake == Mistake::RelayRemembersTheLastRow { 2 } else { 1 };
        breaks(&format!("queue, {mistake:?}"), QueueModel { jobs, mistake: Some(mistake), ..one_job() }, broken);
    }
}
