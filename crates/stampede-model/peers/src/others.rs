//! Our models as other people's checkers want them.

use std::marker::PhantomData;
use std::time::Duration;

use porcupine_rs::{CheckResult, Model, Operation};
use stampede_model::check::search::SequentialModel;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use crate::cases::Said;
use crate::histories::By;

/// What both of them demand of a model.
pub trait Plain: SequentialModel<State: Send + Sync, Op: Send + Sync> + Default + Clone + Send + Sync {}
impl<L: SequentialModel<State: Send + Sync, Op: Send + Sync> + Default + Clone + Send + Sync> Plain for L {}

/// One of our models for porcupine-rs.
#[derive(Clone)]
struct Ours<L>(PhantomData<L>);

impl<L: Plain> Model for Ours<L> {
    type State = L::State;
    type Op = L::Op;
    type Metadata = ();

    fn init() -> L::State {
        L::default().initial()
    }

    fn step(state: &L::State, op: &L::Op) -> (bool, L::State) {
        L::default().step(state, op).map_or_else(|| (false, state.clone()), |next| (true, next))
    }
}

/// The history, ready for porcupine-rs.
pub fn porcupine<L: Plain>(history: &[By<L::Op>]) -> impl Fn(Duration) -> Said + use<L> {
    let operations: Vec<Operation<Ours<L>>> = history
        .iter()
        .map(|(client, call)| Operation {
            client_id: Some(*client),
            call_time: call.call_ns as i64,
            return_time: i64::try_from(call.return_ns).unwrap_or(i64::MAX),
            op: call.op.clone(),
            metadata: None,
        })
        .collect();
    move |within| match porcupine_rs::check_operations_timeout(&operations, within) {
        CheckResult::Ok => Said::Valid,
        CheckResult::Illegal => Said::Violating,
        CheckResult::Unknown => Said::Time,
    }
}

/// One of our objects for stateright.
#[derive(Clone)]
struct Object<L: SequentialModel> {
    model: L,
    state: L::State,
}

impl<L: SequentialModel> SequentialSpec for Object<L> {
    type Op = L::Op;
    /// The answer is part of our operations.
    type Ret = ();

    fn invoke(&mut self, op: &L::Op) {
        if let Some(state) = self.model.step(&self.state, op) {
            self.state = state;
        }
    }

    fn is_valid_step(&mut self, op: &L::Op, (): &()) -> bool {
        self.model.step(&self.state, op).map(|state| self.state = state).is_some()
    }
}

/// The history, ready for stateright.
pub fn stateright<L: Plain>(history: &[By<L::Op>]) -> impl Fn() -> Said + use<L> {
    let model = L::default();
    let state = model.initial();
    let mut tester = LinearizabilityTester::new(Object { model, state });
    let mut events: Vec<(u64, bool, u32, L::Op)> = Vec::new();
    for (client, call) in history {
        events.push((call.call_ns, false, *client, call.op.clone()));
        events.push((call.return_ns, true, *client, call.op.clone()));
    }
    events.sort_by_key(|(time_ns, is_return, ..)| (*time_ns, *is_return));
    let mut is_told = true;
    for (_, is_return, client, op) in events {
        is_told &= if is_return { tester.on_return(client, ()).is_ok() } else { tester.on_invoke(client, op).is_ok() };
    }
    move || match (is_told, tester.is_consistent()) {
        (false, _) => Said::Refused,
        (true, true) => Said::Valid,
        (true, false) => Said::Violating,
    }
}

#[cfg(test)]
mod tests {
    use stampede_model::check::models::counter::{Counter, CounterOp};
    use stampede_model::check::models::lock::{Lock, LockOp};
    use stampede_model::check::models::register::{Register, RegisterOp};
    use stampede_model::check::models::stock::{Seen, Stock, StockOp};
    use stampede_model::check::search::{Budget, Call, Duty, Outcome, Settings, solve};

    use super::*;
    use crate::random::Random;

    const HISTORIES: u64 = 3_000;

    /// Ours and porcupine-rs agree on random histories of `op`s, of which some have an order and some have none.
    fn agree<L: Plain>(op: impl Fn(&mut Random) -> L::Op) {
        let model = L::default();
        let (mut valid, mut violating) = (0, 0);
        for seed in 0..HISTORIES {
            let mut random = Random::of(seed);
            let calls: Vec<By<L::Op>> = (0..=random.below(12))
                .map(|id| {
                    let call_ns = random.below(40);
                    let return_ns = call_ns + random.below(16);
                    (id as u32, Call { id, call_ns, return_ns, duty: Duty::Must, op: op(&mut random) })
                })
                .collect();
            let ours: Vec<Call<L::Op>> = calls.iter().map(|(_, call)| call.clone()).collect();
            let ours = solve(&model, ours, Settings::within(Budget::default())).outcome;
            let said = porcupine::<L>(&calls)(Duration::from_mins(1));
            match (&ours, said) {
                (Outcome::Explained, Said::Valid) => valid += 1,
                (Outcome::Impossible(_), Said::Violating) => violating += 1,
                other => panic!("seed {seed}: {other:?} of {calls:?}"),
            }
        }
        assert!(valid > 100 && violating > 100, "{valid} valid, {violating} violating");
    }

    #[test]
    fn a_level_is_judged_alike() {
        agree::<Stock>(|random| {
            let seen = Seen { available: random.happens(30).then(|| random.below(4) as i64), ..Seen::default() };
            match random.below(4) {
                0 => StockOp::Insufficient { units: 1 + random.below(3) as i64 },
                1 => StockOp::Read { seen },
                _ => StockOp::Change { available: random.below(5) as i64 - 2, reserved: 0, seen },
            }
        });
    }

    #[test]
    fn a_lock_is_judged_alike() {
        agree::<Lock>(|random| {
            let token = random.below(3) as u32;
            match random.below(8) {
                0..3 => LockOp::Acquire(token),
                3..5 => LockOp::Release(token),
                5 => LockOp::Busy,
                6 => LockOp::NotOwner(token),
                _ => LockOp::Exists(token == 0),
            }
        });
    }

    #[test]
    fn a_register_is_judged_alike() {
        agree::<Register>(|random| {
            let (one, two) = (random.below(3) as u32, random.below(3) as u32);
            match random.below(6) {
                0..2 => RegisterOp::Read(one),
                2..4 => RegisterOp::Write(one),
                4 => RegisterOp::Swap(one, two),
                _ => RegisterOp::Conflict(one),
            }
        });
    }

    #[test]
    fn a_counter_is_judged_alike() {
        agree::<Counter>(|random| match random.below(3) {
            0 => CounterOp::Read(random.below(4) as i64),
            _ => CounterOp::Add {
                by: 1 + random.below(2) as i64,
                seen: random.happens(20).then(|| random.below(6) as i64),
            },
        });
    }
}
