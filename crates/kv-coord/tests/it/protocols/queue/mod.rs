//! From the outbox to the effect: rows in PostgreSQL, a list with leases in Redis that may be flushed, workers that crash.
//!
//! Modelled throughout: there is no queue in this crate yet. Its scripts and transactions should be the steps of `step.rs`.
//! Absent on purpose: retries of a handler that fails, delays, dead letters, priorities, fairness between tenants; none of them
//! decides whether a job is lost or done twice.

mod model;
mod step;
mod world;

use self::model::{COMMITTED, DRAINED, Mistake, OLD_ACK, ONCE, QueueModel};
use self::world::Budget;
use super::check::{breaks, holds};

fn two_jobs() -> QueueModel {
    let budget = Budget { worker_crashes: 1, relay_crashes: 1, flushes: 1, lost_acks: 1, early_expiries: 1 };
    QueueModel { jobs: 2, workers: 2, budget, mistake: None }
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
        let model = QueueModel { mistake: Some(mistake), ..two_jobs() };
        breaks(&format!("queue, {mistake:?}"), model, broken);
    }
}
