//! The lease lock and the write it guards: clients that crash, pause, hang up and do not hear answers; a server that forgets.
//!
//! The lock's own decisions are those of `src/lock/state.rs`, called and not copied. Modelled beside it: the clients, the
//! network, the store that checks fences, and a server's return under a new epoch.

mod model;
mod step;
mod world;

use kv_coord::lock::Wait;

use self::model::{FENCES, LockModel, Mistake, ONE, SERVED, SKIPPED, STALE, STRANGER, TWICE, Work};
use self::world::Budget;
use super::check::{breaks, holds};

/// Longer than any run.
const PATIENT: Wait = Wait::DEFAULT;

const NOTHING: Budget = Budget { crashes: 0, restarts: 0, losses: 0, hang_ups: 0 };
const EVERYTHING: Budget = Budget { crashes: 1, restarts: 1, losses: 1, hang_ups: 1 };

/// Two clients, one turn each, with a renewal and every mishap once.
fn two_clients() -> LockModel {
    let work = Work::GuardedWrite;
    LockModel { waits: vec![PATIENT; 2], turns: 1, renewals: 1, work, budget: EVERYTHING, mistake: None }
}

/// Two clients that come back, and nothing goes wrong but time.
fn two_turns() -> LockModel {
    LockModel { turns: 2, renewals: 0, budget: NOTHING, ..two_clients() }
}

/// Three clients for the sake of the line alone, all of them patient.
fn three_clients() -> LockModel {
    LockModel { waits: vec![PATIENT; 3], work: Work::Nothing, budget: NOTHING, renewals: 0, ..two_clients() }
}

/// The same line, one of the three in a hurry, with a crash, a lost letter and a client that hangs up.
fn a_hurried_client() -> LockModel {
    let hurried = Wait::from_millis(50).expect("in range");
    let budget = Budget { restarts: 0, ..EVERYTHING };
    LockModel { waits: vec![PATIENT, hurried, PATIENT], renewals: 1, budget, ..three_clients() }
}

#[test]
fn two_clients_and_every_mishap() {
    holds("lock, two clients", two_clients());
}

#[test]
fn two_clients_that_come_back() {
    holds("lock, two turns", two_turns());
}

#[test]
fn three_clients_in_line() {
    holds("lock, three clients", three_clients());
}

#[test]
fn three_clients_one_in_a_hurry() {
    holds("lock, one in a hurry", a_hurried_client());
}

#[test]
fn each_rule_is_missed_when_it_is_off() {
    for (mistake, broken) in [
        (Mistake::NoFenceCheck, STALE),
        (Mistake::NoKeyCheck, TWICE),
        (Mistake::ReleaseWithoutCompare, STRANGER),
        (Mistake::EpochKept, FENCES),
        (Mistake::BeliefFromTheAnswer, ONE),
        (Mistake::WakeUpsLost, SKIPPED),
        (Mistake::NobodyLooks, SERVED),
        (Mistake::NobodyLeaves, SERVED),
    ] {
        let right = match mistake {
            // Only in a line of three can one be passed over.
            Mistake::NobodyLeaves => a_hurried_client(),
            _ => LockModel { turns: 2, ..two_clients() },
        };
        breaks(&format!("lock, {mistake:?}"), LockModel { mistake: Some(mistake), ..right }, broken);
    }
}
