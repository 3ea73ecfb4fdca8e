//! The lease lock and the write it guards: clients that crash, pause, hang up and do not hear answers; a server that forgets.
//!
//! The lock's own decisions are those of `src/lock/state.rs`, called and not copied. Modelled beside it: the clients, the
//! network, the store that checks fences, and a server's return under a new epoch.

mod model;
mod step;
mod world;

use kv_coord::lock::Wait;

use self::model::{FENCES, LockModel, Mistake, ONE, SERVED, SKIPPED, STALE, STRANGER, TWICE};
use self::world::Budget;
use super::check::{breaks, holds};

/// Longer than any run.
const PATIENT: Wait = Wait::DEFAULT;

/// Two clients that want the lock twice.
fn two_clients() -> LockModel {
    let budget = Budget { crashes: 1, restarts: 1, losses: 1, hang_ups: 1 };
    LockModel { waits: vec![PATIENT; 2], turns: 2, renewals: 1, budget, mistake: None }
}

/// Three clients that want it once, one of them in a hurry.
fn three_clients() -> LockModel {
    let hurried = Wait::from_millis(50).expect("in range");
    let budget = Budget { crashes: 1, restarts: 0, losses: 1, hang_ups: 1 };
    LockModel { waits: vec![PATIENT, hurried, PATIENT], turns: 1, renewals: 1, budget, mistake: None }
}

#[test]
fn two_clients_and_a_server_that_forgets() {
    holds("lock, two clients", two_clients());
}

#[test]
fn three_clients_in_line() {
    holds("lock, three clients", three_clients());
}

#[test]
fn each_rule_is_missed_when_it_is_off() {
    for (mistake, broken) in [
        (Mistake::NoFenceCheck, STALE),
        (Mistake::NoKeyCheck, TWICE),
        (Mistake::ReleaseWithoutCompare, STRANGER),
        (Mistake::ReleaseWithoutCompare, ONE),
        (Mistake::EpochKept, FENCES),
        (Mistake::BeliefFromTheAnswer, ONE),
        (Mistake::WakeUpsLost, SKIPPED),
        (Mistake::NobodyLooks, SERVED),
    ] {
        let model = LockModel { mistake: Some(mistake), ..two_clients() };
        breaks(&format!("lock, {mistake:?}"), model, broken);
    }
}
