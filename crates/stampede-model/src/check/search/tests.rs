//! Both searches, with every choice of facts, against every order.

use proptest::prelude::*;

use super::*;
use crate::check::models::counter::{Counter, CounterOp};
use crate::check::models::lock::{Lock, LockOp};
use crate::check::models::register::{Register, RegisterOp};
use crate::check::models::stock::{Seen, Stock, StockOp};

const AMPLE: Budget = Budget { steps: 10_000_000, bytes: 64 << 20 };
const METHODS: [Method; 3] = [Method::Raced, Method::Deep, Method::Frontier];

fn every_choice_of_facts() -> impl Iterator<Item = Facts> {
    let truths = [false, true];
    truths.into_iter().flat_map(move |no_ops| {
        truths
            .into_iter()
            .flat_map(move |symmetry| truths.into_iter().map(move |commuting| Facts { no_ops, symmetry, commuting }))
    })
}

/// Calls with times that often touch; about every sixth need not have taken effect.
fn calls<O: Clone + std::fmt::Debug + 'static>(op: impl Strategy<Value = O> + 'static) -> BoxedStrategy<Vec<Call<O>>> {
    let times = (0..14_u64, 0..6_u64, 0..12_u32);
    prop::collection::vec((times, op), 1..=7)
        .prop_map(|calls| {
            let made = calls.into_iter().enumerate().map(|(id, ((call_ns, length, kind), op))| {
                let (duty, return_ns) = match kind {
                    0 => (Duty::May, u64::MAX),
                    1 => (Duty::May, call_ns + length),
                    _ => (Duty::Must, call_ns + length),
                };
                Call { id: id as u64, call_ns, return_ns, duty, op }
            });
            made.collect()
        })
        .boxed()
}

fn stock_op() -> impl Strategy<Value = StockOp> {
    let seen = (prop::option::weighted(0.3, 0..4_i64), prop::option::weighted(0.2, 0..3_i64))
        .prop_map(|(available, version)| Seen { available, reserved: None, version });
    prop_oneof![
        (-2..3_i64, seen.clone()).prop_map(|(available, seen)| StockOp::Change { available, reserved: 0, seen }),
        (1..3_i64).prop_map(|units| StockOp::Insufficient { units }),
        seen.prop_map(|seen| StockOp::Read { seen }),
    ]
}

fn lock_op() -> impl Strategy<Value = LockOp> {
    prop_oneof![
        3 => (0..3_u32).prop_map(LockOp::Acquire),
        3 => (0..3_u32).prop_map(LockOp::Release),
        1 => (0..3_u32).prop_map(LockOp::Renew),
        1 => Just(LockOp::Busy),
        1 => (0..3_u32).prop_map(LockOp::NotOwner),
        1 => any::<bool>().prop_map(LockOp::Exists),
    ]
}

fn register_op() -> impl Strategy<Value = RegisterOp> {
    prop_oneof![
        (0..3_u32).prop_map(RegisterOp::Read),
        (0..3_u32).prop_map(RegisterOp::Write),
        (0..3_u32, 0..3_u32).prop_map(|(from, to)| RegisterOp::Swap(from, to)),
        (0..3_u32).prop_map(RegisterOp::Conflict),
    ]
}

fn counter_op() -> impl Strategy<Value = CounterOp> {
    prop_oneof![
        (-1..3_i64, prop::option::weighted(0.4, 0..5_i64)).prop_map(|(by, seen)| CounterOp::Add { by, seen }),
        (0..5_i64).prop_map(CounterOp::Read),
    ]
}

/// The answer of `calls` by every method and with every choice of facts is that of all orders, and the place is the same.
fn agrees<L: SequentialModel>(model: &L, calls: &[Call<L::Op>]) -> Result<(), TestCaseError> {
    let is_explained = brute::is_explained(model, calls);
    let mut first = None;
    for facts in every_choice_of_facts() {
        for method in METHODS {
            let settings = Settings { facts, method, budget: AMPLE };
            let outcome = solve(model, calls.to_vec(), settings).outcome;
            prop_assert_eq!(outcome == Outcome::Explained, is_explained, "{:?} {:?} {:?}", facts, method, outcome);
            let expected = first.get_or_insert_with(|| outcome.clone());
            prop_assert_eq!(&outcome, &*expected, "{:?} {:?}", facts, method);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_level_is_searched_like_by_every_order(calls in calls(stock_op()), initial in 0..3_i64) {
        agrees(&Stock { initial }, &calls)?;
    }

    #[test]
    fn a_lock_is_searched_like_by_every_order(calls in calls(lock_op())) {
        agrees(&Lock::default(), &calls)?;
    }

    #[test]
    fn a_register_is_searched_like_by_every_order(calls in calls(register_op())) {
        agrees(&Register::default(), &calls)?;
    }

    #[test]
    fn a_counter_is_searched_like_by_every_order(calls in calls(counter_op())) {
        agrees(&Counter { initial: 0 }, &calls)?;
    }
}

/// What the calls answered when each took effect at a point of its own: a history that has an order.
fn answered(shape: &[(u64, u64, u64, i64)], initial: i64) -> Vec<Call<StockOp>> {
    let mut level = initial;
    let mut points: Vec<usize> = (0..shape.len()).collect();
    points.sort_by_key(|at| (shape[*at].0 + shape[*at].1, *at));
    let mut calls = Vec::new();
    for at in points {
        let (call_ns, before, after, delta) = shape[at];
        let seen = Seen { available: Some(level), ..Seen::default() };
        let op = match delta {
            0 => StockOp::Read { seen },
            _ if level + delta < 0 => StockOp::Insufficient { units: -delta },
            _ => {
                level += delta;
                StockOp::Change { available: delta, reserved: 0, seen: Seen::default() }
            }
        };
        calls.push(Call { id: at as u64, call_ns, return_ns: call_ns + before + after, duty: Duty::Must, op });
    }
    // Nothing is pending any more: every order ends with this level.
    let seen = Seen { available: Some(level), ..Seen::default() };
    calls.push(Call { id: 1_000, call_ns: 10_000, return_ns: 10_001, duty: Duty::Must, op: StockOp::Read { seen } });
    calls
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_happened_is_accepted_and_one_unit_too_many_at_the_end_is_not(
        shape in prop::collection::vec((0..300_u64, 0..20_u64, 0..20_u64, -2..3_i64), 1..120),
        initial in 0..6_i64,
    ) {
        let mut calls = answered(&shape, initial);
        let model = Stock { initial };
        for method in METHODS {
            let settings = Settings { facts: Facts::ALL, method, budget: AMPLE };
            prop_assert_eq!(solve(&model, calls.clone(), settings).outcome, Outcome::Explained, "{:?}", method);
        }
        let last = calls.last_mut().map(|call| &mut call.op);
        let Some(StockOp::Read { seen: Seen { available: Some(available), .. } }) = last else { unreachable!() };
        *available += 1;
        let right = *available - 1;
        for method in METHODS {
            let settings = Settings { facts: Facts::ALL, method, budget: AMPLE };
            let outcome = solve(&model, calls.clone(), settings).outcome;
            let Outcome::Impossible(Impossible { operation, states, .. }) = outcome else {
                return Err(TestCaseError::fail(format!("{method:?} {outcome:?}")));
            };
            prop_assert_eq!((operation, states.len(), states[0].available), (1_000, 1, right), "{:?}", method);
        }
    }
}

fn must<O>(id: u64, (call_ns, return_ns): (u64, u64), op: O) -> Call<O> {
    Call { id, call_ns, return_ns, duty: Duty::Must, op }
}

#[test]
fn the_first_impossible_return_is_named_with_what_could_have_been() {
    let calls = vec![
        must(0, (0, 10), LockOp::Acquire(0)),
        must(1, (20, 50), LockOp::Release(0)),
        must(2, (30, 40), LockOp::Acquire(1)),
        must(3, (60, 70), LockOp::Acquire(2)),
        must(4, (65, 80), LockOp::Busy),
    ];
    for method in METHODS {
        let settings = Settings { facts: Facts::ALL, method, budget: AMPLE };
        let outcome = solve(&Lock::default(), calls.clone(), settings).outcome;
        let impossible = Impossible { operation: 3, explained: 3, pending: vec![3, 4], states: vec![Some(1)] };
        assert_eq!(outcome, Outcome::Impossible(impossible), "{method:?}");
    }
}

/// Adds of different sizes that are all pending at once, and a read that none of their sums makes.
fn hard(clients: u32) -> Vec<Call<CounterOp>> {
    let add = |client: u32| must(client.into(), (0, 100), CounterOp::Add { by: 2 << client, seen: None });
    let mut calls: Vec<_> = (0..clients).map(add).collect();
    calls.push(must(1_000, (1, 99), CounterOp::Read(1)));
    calls
}

#[test]
fn a_search_ends_with_its_budget_and_says_by_which() {
    let solve_hard =
        |method, budget| solve(&Counter { initial: 0 }, hard(40), Settings { facts: Facts::ALL, method, budget });
    for method in METHODS {
        let few = solve_hard(method, Budget { steps: 50_000, bytes: 1 << 30 });
        assert_eq!(few.outcome, Outcome::Unknown(GivenUp::Steps), "{method:?}");
        assert!((50_000..51_000).contains(&few.spent.steps), "{method:?} {few:?}");
        let small = solve_hard(method, Budget { steps: u64::MAX, bytes: 1 << 20 });
        assert_eq!(small.outcome, Outcome::Unknown(GivenUp::Bytes), "{method:?}");
        assert!(small.spent.bytes < 32 << 20, "{method:?} {small:?}");
    }
    let some = Budget { steps: 200_000, ..AMPLE };
    assert_eq!(solve_hard(Method::Raced, some), solve_hard(Method::Raced, some));
}

#[test]
fn crowds_are_searched_up_to_a_bound() {
    let crowd = |clients: u64| -> Vec<Call<CounterOp>> {
        let add = |id| must(id, (0, 1_000 + id), CounterOp::Add { by: 1, seen: None });
        let mut calls: Vec<_> = (0..clients).map(add).collect();
        calls.push(must(9_999, (5_000, 5_001), CounterOp::Read(clients as i64)));
        calls
    };
    let outcome = |clients| solve(&Counter { initial: 0 }, crowd(clients), Settings::within(AMPLE)).outcome;
    for clients in [64, 65, 128, 129, 512] {
        assert_eq!(outcome(clients), Outcome::Explained, "{clients}");
    }
    assert_eq!(outcome(513), Outcome::Unknown(GivenUp::Crowd));
}
