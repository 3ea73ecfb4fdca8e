//! Sound histories are never accused; each planted fault is named.

use proptest::prelude::*;

use super::super::Verdict;
use super::*;
use crate::interval::Interval;
use crate::row::Movement;

/// A level that applies one update after the other, at an instant inside each call.
struct Atomic {
    level: Level,
    ledger: Vec<Movement>,
}

impl Atomic {
    fn new(stock: i64) -> Self {
        let level = Level { available: 0, reserved: 0, shipped: Some(0), received: Some(0), version: Some(0) };
        let mut atomic = Self { level, ledger: Vec::new() };
        atomic.apply(StockOperation::Receive, stock);
        atomic
    }

    fn apply(&mut self, operation: StockOperation, units: i64) -> Option<i64> {
        let (available, reserved, received) = match operation {
            StockOperation::Reserve if self.level.available < units => return None,
            StockOperation::Reserve => (-units, units, 0),
            StockOperation::Receive => (units, 0, units),
        };
        self.level.available += available;
        self.level.reserved += reserved;
        self.level.received = self.level.received.map(|so_far| so_far + received);
        let version = self.ledger.len() as i64 + 1;
        self.level.version = Some(version);
        self.ledger.push(Movement {
            version,
            available,
            reserved,
            shipped: Some(0),
            received: Some(received),
            available_after: Some(self.level.available),
            reserved_after: Some(self.level.reserved),
        });
        Some(version)
    }
}

/// One planned call: operation, units, start, lead before and trail after its instant.
type Planned = (bool, i64, u64, u64, u64);

fn run(stock: i64, plan: &[Planned]) -> StockHistory {
    let mut atomic = Atomic::new(stock);
    let before = atomic.level;
    let mut order: Vec<_> = plan.iter().collect();
    order.sort_by_key(|(_, _, start, lead, _)| start + lead);
    let calls = order
        .into_iter()
        .map(|&(reserve, units, start, lead, trail)| {
            let operation = if reserve { StockOperation::Reserve } else { StockOperation::Receive };
            let version = atomic.apply(operation, units);
            let outcome = match version {
                Some(_) => Outcome::Accepted { status: 201 },
                None => Outcome::Refused { status: 409 },
            };
            let interval = Interval { call_ns: start, return_ns: start + lead + trail };
            StockCall { interval, operation, units, outcome, version }
        })
        .collect();
    StockHistory { stock, before, calls, after: atomic.level, ledger: Some(atomic.ledger) }
}

/// Ten simultaneous reservations of ten.
fn ten(stock: i64) -> StockHistory {
    run(stock, &[(true, 10, 100, 50, 50); 10])
}

fn reason(history: &StockHistory, demand: StockDemand) -> String {
    let ruling = judge_stock(history, demand, 7);
    assert_eq!(ruling.verdict, Verdict::Violated, "{ruling:?}");
    ruling.evidence.join("\n")
}

#[test]
fn the_guides_two_cases_pass() {
    let ruling = judge_stock(&ten(100), StockDemand::Exactly(10), 7);
    assert_eq!(
        (ruling.verdict, ruling.figure.as_str()),
        (Verdict::Pass, "10 succeeded, 0 refused; 0 left, 100 reserved; 11 movements (skew 7 µs)")
    );
    assert_eq!(judge_stock(&ten(50), StockDemand::Exactly(5), 7).verdict, Verdict::Pass);
}

#[test]
fn one_too_many_is_an_oversell() {
    let mut history = ten(50);
    history.calls[9].outcome = Outcome::Accepted { status: 201 };
    let text = reason(&history, StockDemand::Exactly(5));
    assert!(text.contains("oversold: 60 units were promised, 50 were there"), "{text}");
}

#[test]
fn one_too_few_is_a_refusal_without_cause() {
    let mut history = ten(100);
    history.calls[9].outcome = Outcome::Refused { status: 409 };
    history.calls[9].version = None;
    let text = reason(&history, StockDemand::Exactly(10));
    assert!(text.contains("refused without cause: 9 of 10"), "{text}");
    assert!(text.contains("lost update"), "{text}");
}

#[test]
fn a_level_behind_its_answers_is_a_lost_update() {
    let mut history = ten(100);
    history.after.available += 10;
    history.after.reserved -= 10;
    let text = reason(&history, StockDemand::Exactly(10));
    assert!(
        text.contains("lost update: the answers account for 0 available and 100 reserved, the level shows 10 and 90"),
        "{text}"
    );
    assert!(text.contains("ledger and level disagree"), "{text}");
}

#[test]
fn a_version_told_twice_is_a_lost_update() {
    let mut history = ten(100);
    history.calls[4].version = history.calls[3].version;
    assert!(reason(&history, StockDemand::Exactly(10)).contains("lost update: two answers name version"));
}

#[test]
fn versions_against_real_time_are_out_of_order() {
    let mut history = run(10, &[(true, 1, 0, 1, 1), (true, 1, 100, 1, 1)]);
    history.ledger = None;
    let (first, second) = (history.calls[0].version, history.calls[1].version);
    history.calls[0].version = second;
    history.calls[1].version = first;
    assert!(
        reason(&history, StockDemand::AsStockAllows).contains("out of order: version 3 had answered before version 2")
    );
}

#[test]
fn a_hole_and_a_wrong_line_in_the_ledger_are_named() {
    let mut hole = ten(100);
    hole.ledger.as_mut().unwrap().remove(5);
    let text = reason(&hole, StockDemand::Exactly(10));
    assert!(text.contains("ledger: version 6 expected, 7 found"), "{text}");
    let mut wrong = ten(100);
    wrong.ledger.as_mut().unwrap()[5].available = -9;
    let text = reason(&wrong, StockDemand::Exactly(10));
    assert!(text.contains("ledger: movement 6 makes or loses units"), "{text}");
}

#[test]
fn units_made_from_nothing_are_named() {
    let mut history = ten(100);
    history.ledger = None;
    history.after.received = Some(90);
    assert!(reason(&history, StockDemand::Exactly(10)).contains("units not conserved: 90 received"));
}

#[test]
fn an_unresolved_call_is_no_pass_and_hides_nothing_more_than_itself() {
    let mut history = ten(100);
    history.calls[2].outcome = Outcome::NoAnswer { cause: "timeout".into() };
    history.calls[2].version = None;
    assert_eq!(judge_stock(&history, StockDemand::Exactly(10), 7).verdict, Verdict::Unknown);
    history.after.available += 20;
    history.after.reserved -= 20;
    assert!(reason(&history, StockDemand::Exactly(10)).contains("lost update"));
}

#[test]
fn a_server_error_is_no_success() {
    let mut history = ten(100);
    history.calls[2].outcome = Outcome::Unexpected { status: 500, body: "deadlock".into() };
    assert!(reason(&history, StockDemand::Exactly(10)).contains("500, neither expected nor a refusal: deadlock"));
}

#[test]
fn a_refusal_after_the_stock_was_surely_there_is_found_by_the_bounds() {
    let mut history = run(0, &[(false, 5, 0, 5, 5), (true, 5, 100, 5, 5)]);
    history.calls[1].outcome = Outcome::Refused { status: 409 };
    assert!(reason(&history, StockDemand::AsStockAllows).contains("was refused with 409 while at least 5 were left"));
}

#[test]
fn a_success_before_the_receipt_was_even_asked_is_found_by_the_bounds() {
    let mut history = run(0, &[(true, 5, 0, 5, 5), (false, 5, 100, 5, 5)]);
    history.calls[0].outcome = Outcome::Accepted { status: 201 };
    assert!(
        reason(&history, StockDemand::AsStockAllows)
            .contains("oversold: a reservation of 5 succeeded when at most 0 were left")
    );
}

proptest! {
    #[test]
    fn an_atomic_level_is_never_accused(
        stock in 0_i64..60,
        plan in prop::collection::vec((any::<bool>(), 1_i64..8, 0_u64..300, 0_u64..80, 0_u64..80), 0..60),
    ) {
        let ruling = judge_stock(&run(stock, &plan), StockDemand::AsStockAllows, 0);
        prop_assert_eq!(ruling.verdict, Verdict::Pass, "{:?}", ruling);
    }

    #[test]
    fn a_dropped_update_is_always_found(
        plan in prop::collection::vec((any::<bool>(), 1_i64..8, 0_u64..300, 0_u64..80, 0_u64..80), 1..60),
        victim in any::<prop::sample::Index>(),
        with_ledger in any::<bool>(),
    ) {
        let mut history = run(500, &plan);
        let victim = victim.get(&history.calls).clone();
        let units = victim.units;
        match victim.operation {
            StockOperation::Reserve => { history.after.available += units; history.after.reserved -= units; }
            StockOperation::Receive => history.after.available -= units,
        }
        if !with_ledger { history.ledger = None; }
        let ruling = judge_stock(&history, StockDemand::AsStockAllows, 0);
        prop_assert_eq!(ruling.verdict, Verdict::Violated, "{:?}", ruling);
    }
}
