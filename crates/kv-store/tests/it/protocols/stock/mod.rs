//! One stock level and those who want its units: clients that ask again, answers that are lost, reservations whose time is over.
//!
//! The decisions on stock are those of `src/stock/decide.rs`, and what is over ends by `src/stock/ending.rs`, both called and not
//! copied. Modelled beside them: idempotency keys, kept in the transaction of the effect, when a batch looks for what is over, and
//! the sweeper's two transactions.

mod model;
mod step;
mod world;

use self::model::{
    CONSERVED, ENDS_ONCE, End, Mistake, NOT_CONFIRMED, ONE_ANSWER, ONE_EFFECT, Plan, SETTLED, StockModel,
};
use self::world::Budget;
use super::check::{breaks, holds};

/// Two units, wanted by two clients who ask for three.
fn two_clients() -> StockModel {
    let plans = vec![Plan { units: 1, end: End::Confirm }, Plan { units: 2, end: End::Release }];
    StockModel { units: 2, plans, budget: Budget { crashes: 1, losses: 2, impatience: 1 }, mistake: None }
}

/// Two units, wanted by three clients who ask for four.
fn three_clients() -> StockModel {
    let mut plans = two_clients().plans;
    plans.push(Plan { units: 1, end: End::Confirm });
    StockModel { plans, budget: Budget { crashes: 0, losses: 1, impatience: 0 }, ..two_clients() }
}

#[test]
fn two_clients_who_ask_again() {
    holds("stock, two clients", two_clients());
}

#[test]
fn three_clients_and_too_few_units() {
    holds("stock, three clients", three_clients());
}

#[test]
fn each_rule_is_missed_when_it_is_off() {
    for (mistake, broken) in [
        (Mistake::NoKeys, ONE_EFFECT),
        (Mistake::NoKeys, ONE_ANSWER),
        (Mistake::NoRowLock, CONSERVED),
        (Mistake::ExpiryIgnoredOnConfirm, NOT_CONFIRMED),
        (Mistake::SweepsBlindly, ENDS_ONCE),
        (Mistake::NoSweeper, SETTLED),
    ] {
        let model = StockModel { mistake: Some(mistake), ..two_clients() };
        breaks(&format!("stock, {mistake:?}"), model, broken);
    }
}
