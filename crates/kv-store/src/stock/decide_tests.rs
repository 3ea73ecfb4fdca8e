//! The decisions against an oracle: random commands on random boards.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kv_types::order::{OrderLine, OrderStatus, PlaceOrder, ReturnGoods};
use kv_types::stock::{
    Adjust, AdjustLine, AdjustTo, MovementKind, PartLine, Receive, ReceiveLine, ReservationStatus, Reserve,
    ReserveLine, TransferLine, TransferStock,
};
use kv_types::{
    AdjustmentId, CustomerId, OrderId, ProductId, Quantity, ReceiptId, ReservationId, TransferId, Ttl, UserId,
    WarehouseId,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::board::{Board, Level, ProductFacts, WarehouseFacts};
use super::command::{Action, Command, Outcome};
use super::decide::decide;
use super::ending::expire_due;
use super::entry::Movement;
use super::refusal::Refusal;

pub(super) const PRODUCTS: u128 = 3;
pub(super) const WAREHOUSES: u128 = 2;

pub(super) fn product(number: u128) -> ProductId {
    ProductId::from_uuid(Uuid::from_u128(100 + number))
}

pub(super) fn warehouse(number: u128) -> WarehouseId {
    WarehouseId::from_uuid(Uuid::from_u128(200 + number))
}

pub(super) fn user() -> UserId {
    UserId::from_uuid(Uuid::from_u128(1))
}

fn customer() -> CustomerId {
    CustomerId::from_uuid(Uuid::from_u128(2))
}

fn reservation(number: usize) -> ReservationId {
    ReservationId::from_uuid(Uuid::from_u128(1_000 + number as u128))
}

fn units(raw: i64) -> Quantity {
    Quantity::parse(raw).unwrap()
}

pub(super) fn board(stock: &[i64]) -> Board {
    let mut board = Board::default();
    let keys = (0..PRODUCTS).flat_map(|p| (0..WAREHOUSES).map(move |w| (product(p), warehouse(w))));
    for (key, &quantity) in keys.zip(stock) {
        board
            .levels
            .insert(key, Level { quantity, received: quantity, version: 1, locked_version: 1, ..Level::default() });
    }
    for number in 0..PRODUCTS {
        let facts = ProductFacts { price_minor: 100, currency: "EUR".to_owned(), active: true };
        board.products.insert(product(number), facts);
    }
    for (number, priority) in [(0, 20), (1, 10)] {
        board.warehouses.insert(warehouse(number), WarehouseFacts { priority, active: true });
    }
    board.customers.insert(customer());
    board
}

/// What a test's command does; ends name an earlier reservation by number.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Reserve(Vec<(u128, Option<u128>, i64)>),
    Receive(Vec<(u128, u128, i64)>),
    Adjust(Vec<(u128, u128, AdjustTo)>),
    Transfer(u128, Vec<(u128, i64)>),
    Release(usize),
    Ship(usize),
    ShipPart(usize, Vec<(u128, u128, i64)>),
    Extend(usize, i64),
    Order(Vec<(u128, i64)>, bool),
    Confirm(usize),
    Fulfill(usize, Option<Vec<(u128, i64)>>),
    Return(usize, Vec<(u128, u128, i64)>),
    Close(usize),
    Cancel(usize),
}

fn adjust_to() -> impl Strategy<Value = AdjustTo> {
    prop_oneof![
        (-20..20_i64).prop_map(AdjustTo::Delta),
        (0..40_i64, 0..40_i64).prop_map(|(to, expected)| AdjustTo::Set { to, expected }),
    ]
}

fn products() -> impl Strategy<Value = Vec<(u128, i64)>> {
    proptest::collection::vec((0..PRODUCTS, 1..12_i64), 1..4)
}

fn levels() -> impl Strategy<Value = Vec<(u128, u128, i64)>> {
    proptest::collection::vec((0..PRODUCTS, 0..WAREHOUSES, 1..5_i64), 1..3)
}

fn parts(lines: &[(u128, u128, i64)]) -> Vec<PartLine> {
    let part =
        |&(p, w, n): &(u128, u128, i64)| PartLine { product: product(p), warehouse: warehouse(w), quantity: units(n) };
    lines.iter().map(part).collect()
}

fn order_lines(lines: &[(u128, i64)]) -> Vec<OrderLine> {
    lines.iter().map(|&(p, n)| OrderLine { product: product(p), quantity: units(n) }).collect()
}

fn order(number: usize) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(9_000 + number as u128))
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let line = (0..PRODUCTS, proptest::option::of(0..WAREHOUSES), 1..30_i64);
    prop_oneof![
        4 => proptest::collection::vec(line, 1..5).prop_map(Step::Reserve),
        1 => proptest::collection::vec((0..PRODUCTS, 0..WAREHOUSES, 1..30_i64), 1..4).prop_map(Step::Receive),
        1 => proptest::collection::vec((0..PRODUCTS, 0..WAREHOUSES, adjust_to()), 1..4).prop_map(Step::Adjust),
        1 => (0..WAREHOUSES, proptest::collection::vec((0..PRODUCTS, 1..30_i64), 1..4))
            .prop_map(|(from, lines)| Step::Transfer(from, lines)),
        2 => (0..20_usize).prop_map(Step::Release),
        2 => (0..20_usize).prop_map(Step::Ship),
        1 => (0..20_usize, levels()).prop_map(|(earlier, lines)| Step::ShipPart(earlier, lines)),
        1 => (0..20_usize, 1..9_i64).prop_map(|(earlier, seconds)| Step::Extend(earlier, seconds)),
        3 => (products(), proptest::bool::ANY).prop_map(|(lines, is_partial)| Step::Order(lines, is_partial)),
        3 => (0..20_usize).prop_map(Step::Confirm),
        3 => (0..20_usize, proptest::option::of(products())).prop_map(|(earlier, lines)| Step::Fulfill(earlier, lines)),
        2 => (0..20_usize, levels()).prop_map(|(earlier, lines)| Step::Return(earlier, lines)),
        2 => (0..20_usize).prop_map(Step::Close),
        1 => (0..20_usize).prop_map(Step::Cancel),
    ]
}

pub(super) fn command(number: usize, step: &Step) -> Command {
    let action = match step {
        Step::Reserve(lines) => {
            let lines = lines
                .iter()
                .map(|&(p, w, n)| ReserveLine { product: product(p), warehouse: w.map(warehouse), quantity: units(n) })
                .collect();
            // Every third reservation has a life.
            let ttl = number.is_multiple_of(3).then(|| Ttl::parse(4).unwrap());
            Action::Reserve(reservation(number), Reserve { lines, reference: None, ttl })
        }
        Step::Receive(lines) => {
            let lines = lines
                .iter()
                .map(|&(p, w, n)| ReceiveLine { product: product(p), warehouse: warehouse(w), quantity: units(n) })
                .collect();
            let id = ReceiptId::from_uuid(Uuid::from_u128(5_000 + number as u128));
            Action::Receive(id, Receive { lines, reference: None })
        }
        Step::Adjust(lines) => {
            let lines = lines
                .iter()
                .map(|&(p, w, to)| AdjustLine { product: product(p), warehouse: warehouse(w), to })
                .collect();
            let id = AdjustmentId::from_uuid(Uuid::from_u128(6_000 + number as u128));
            Action::Adjust(id, Adjust { lines, reason: "count".to_owned(), reference: None })
        }
        Step::Transfer(from, lines) => {
            let lines = lines.iter().map(|&(p, n)| TransferLine { product: product(p), quantity: units(n) }).collect();
            let id = TransferId::from_uuid(Uuid::from_u128(7_000 + number as u128));
            let (from, to) = (warehouse(*from), warehouse(1 - *from));
            Action::Transfer(id, TransferStock { from, to, lines, reference: None })
        }
        Step::Release(earlier) => Action::Release(reservation(*earlier)),
        Step::Ship(earlier) => Action::Ship(reservation(*earlier)),
        Step::ShipPart(earlier, lines) => Action::ShipPart(reservation(*earlier), parts(lines)),
        Step::Extend(earlier, seconds) => Action::Extend(reservation(*earlier), Ttl::parse(*seconds).unwrap()),
        Step::Order(lines, allow_partial) => {
            // Every other order has a life.
            let ttl = number.is_multiple_of(2).then(|| Ttl::parse(5).unwrap());
            let (lines, allow_partial) = (order_lines(lines), *allow_partial);
            let wish = PlaceOrder { customer: customer(), lines, reference: None, ttl, allow_partial };
            Action::PlaceOrder(order(number), reservation(number), wish)
        }
        Step::Confirm(earlier) => Action::ConfirmOrder(order(*earlier)),
        Step::Fulfill(earlier, lines) => Action::FulfillOrder(order(*earlier), lines.as_deref().map(order_lines)),
        Step::Return(earlier, lines) => {
            Action::ReturnOrder(order(*earlier), ReturnGoods { lines: parts(lines), reason: "broken".to_owned() })
        }
        Step::Close(earlier) => Action::CloseOrder(order(*earlier)),
        Step::Cancel(earlier) => Action::CancelOrder(order(*earlier)),
    };
    Command { actor: user(), fence: None, once: None, expected: kv_types::Expected::Any, action }
}

/// Every movement replayed from the first board must give the last one, version by version.
fn replay(before: &Board, after: &Board) {
    let mut levels: BTreeMap<_, _> = before.levels.clone();
    for movement in &after.effects.movements {
        let level = levels.get_mut(&movement.key).unwrap();
        let n = movement.units;
        let (quantity, reserved, shipped, received) = match movement.kind {
            MovementKind::Received | MovementKind::Adjusted | MovementKind::TransferredIn => (n, 0, 0, n),
            MovementKind::TransferredOut => (-n, 0, 0, -n),
            MovementKind::Reserved => (-n, n, 0, 0),
            MovementKind::Released | MovementKind::Expired => (n, -n, 0, 0),
            MovementKind::Shipped => (0, -n, n, 0),
            MovementKind::Returned => (n, 0, -n, 0),
        };
        level.quantity += quantity;
        level.reserved += reserved;
        level.shipped += shipped;
        level.received += received;
        level.version += 1;
        assert_eq!(movement.version, level.version, "a gap in the ledger");
        assert_eq!((movement.quantity_after, movement.reserved_after), (level.quantity, level.reserved));
        assert!(
            level.quantity >= -level.backorder_limit && level.quantity + level.reserved >= 0 && level.reserved >= 0
        );
        assert_eq!(level.quantity + level.reserved + level.shipped, level.received);
    }
    for (key, level) in &mut levels {
        level.last_hash =
            after.effects.movements.iter().rfind(|movement| movement.key == *key).map(|movement| movement.hash);
    }
    assert_eq!(levels, after.levels);
}

/// What is held is what pending reservations hold; each is what its movements say, and nothing comes back that has not left.
fn assert_reservations_agree(board: &Board) {
    let held: i64 = board
        .reservations
        .values()
        .map(|held| match held.status {
            ReservationStatus::Pending => held.items.iter().map(|item| item.quantity - item.fulfilled_quantity).sum(),
            _ => 0,
        })
        .sum();
    assert_eq!(held, board.levels.values().map(|level| level.reserved).sum::<i64>());
    for held in board.reservations.values() {
        for item in &held.items {
            let of = |kind: MovementKind| -> i64 {
                let is_it = |movement: &&Movement| {
                    movement.kind == kind
                        && movement.cause.reservation == Some(held.id)
                        && movement.key == (item.product_id, item.warehouse_id)
                };
                board.effects.movements.iter().filter(is_it).map(|movement| movement.units).sum()
            };
            assert_eq!(
                (of(MovementKind::Shipped), of(MovementKind::Returned)),
                (item.fulfilled_quantity, item.returned_quantity)
            );
            assert!(item.returned_quantity <= item.fulfilled_quantity && item.fulfilled_quantity <= item.quantity);
            let ended = of(MovementKind::Released) + of(MovementKind::Expired);
            let left =
                if held.status == ReservationStatus::Pending { 0 } else { item.quantity - item.fulfilled_quantity };
            assert_eq!(ended, left, "{held:?}");
        }
    }
    for order in board.orders.values() {
        let held = &board.reservations[&order.reservation_id.unwrap()];
        let wanted = match order.status {
            OrderStatus::Pending | OrderStatus::Confirmed | OrderStatus::PartiallyFulfilled => {
                ReservationStatus::Pending
            }
            OrderStatus::Fulfilled => ReservationStatus::Fulfilled,
            OrderStatus::Cancelled => ReservationStatus::Released,
            OrderStatus::Expired => ReservationStatus::Expired,
        };
        assert_eq!(held.status, wanted, "{order:?}");
        let shipped =
            |status| order.items.iter().map(|item| item.fulfilled_quantity).sum::<i64>() > 0 || status != order.status;
        assert!(shipped(OrderStatus::PartiallyFulfilled), "{order:?}");
    }
}

proptest! {
    #[test]
    fn units_are_conserved_and_refusals_write_nothing(
        stock in proptest::collection::vec(0..60_i64, (PRODUCTS * WAREHOUSES) as usize),
        limits in proptest::collection::vec(prop_oneof![3 => Just(0), 1 => 1..20_i64], (PRODUCTS * WAREHOUSES) as usize),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut first = board(&stock);
        for (level, limit) in first.levels.values_mut().zip(limits) {
            level.backorder_limit = limit;
        }
        let mut board = board(&stock);
        board.levels = first.levels.clone();
        for (number, step) in steps.iter().enumerate() {
            // A second goes by, and what is due is given back before the decision, as it is when a batch is loaded.
            board.now = Timestamp::from_second(number as i64).unwrap();
            expire_due(&mut board);
            let movements = board.effects.movements.len();
            let levels = board.levels.clone();
            let decision = decide(&mut board, &command(number, step));
            match decision {
                Err(refusal) => {
                    prop_assert_eq!(board.effects.movements.len(), movements, "{:?} wrote", refusal);
                    prop_assert_eq!(&board.levels, &levels);
                    if let Refusal::Short(short) | Refusal::Exceeds(short) = refusal {
                        prop_assert!(!short.is_empty());
                        prop_assert!(short.iter().all(|line| line.requested > line.available));
                    }
                }
                // As a later batch would load it.
                Ok(Outcome::Reservation(held)) => drop(board.reservations.insert(held.id, held)),
                Ok(Outcome::Order(order)) => {
                    if let Some(held) = board.effects.reservations.iter().find(|held| held.order_id == Some(order.id)) {
                        board.reservations.entry(held.id).or_insert_with(|| held.clone());
                    }
                    board.orders.insert(order.id, order);
                }
                Ok(_) => {}
            }
        }
        replay(&first, &board);
        assert_reservations_agree(&board);
    }

    /// A line without a warehouse is refused only when all warehouses together have too little.
    #[test]
    fn a_free_line_is_never_refused_falsely(stock in proptest::collection::vec(0..40_i64, 2), wanted in 1..90_i64) {
        let mut board = board(&stock);
        let total: i64 = stock.iter().sum();
        let decision = decide(&mut board, &command(0, &Step::Reserve(vec![(0, None, wanted)])));
        prop_assert_eq!(decision.is_ok(), wanted <= total);
    }
}

#[test]
fn every_unknown_id_of_an_order_is_named() {
    let mut board = board(&[10]);
    board.customers.clear();
    let decision = decide(&mut board, &command(0, &Step::Order(vec![(0, 1), (77, 1), (78, 1)], false)));
    let Err(Refusal::Unknown(unknown)) = decision else { panic!("{decision:?}") };
    let lines: Vec<_> = unknown.iter().map(|reference| reference.line).collect();
    assert_eq!(lines, [None, Some(1), Some(2)]);
}

#[test]
fn an_inactive_warehouse_gives_nothing_and_may_not_be_named() {
    let mut board = board(&[5, 7]);
    board.warehouses.insert(warehouse(1), WarehouseFacts { priority: 1, active: false });
    let decision = decide(&mut board, &command(0, &Step::Reserve(vec![(0, None, 6)])));
    let Err(Refusal::Short(short)) = decision else { panic!("{decision:?}") };
    assert_eq!(short[0].available, 5);
    let decision = decide(&mut board, &command(1, &Step::Reserve(vec![(0, Some(1), 1)])));
    assert!(matches!(decision, Err(Refusal::Inactive(_))), "{decision:?}");
}

#[test]
fn a_total_of_two_currencies_is_refused() {
    let mut board = board(&[5, 0, 5]);
    board.products.get_mut(&product(1)).unwrap().currency = "USD".to_owned();
    let decision = decide(&mut board, &command(0, &Step::Order(vec![(0, 1), (1, 1)], false)));
    assert!(matches!(decision, Err(Refusal::MixedCurrency)), "{decision:?}");
}

fn adjust(board: &mut Board, lines: &[(u128, AdjustTo)]) -> Result<Vec<i64>, Refusal> {
    let lines = lines.iter().map(|&(p, to)| (p, 0, to)).collect();
    match decide(board, &command(0, &Step::Adjust(lines)))? {
        Outcome::Adjustment(booked) => Ok(booked.items.iter().map(|item| item.delta).collect()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_count_is_booked_only_against_the_quantity_it_expects() {
    let mut board = board(&[10, 0, 4]);
    let set = |to, expected| AdjustTo::Set { to, expected };
    let refused = adjust(&mut board, &[(0, set(7, 10)), (1, set(9, 5)), (0, set(1, 10))]);
    let Err(Refusal::Mismatched(lines)) = refused else { panic!("{refused:?}") };
    let seen: Vec<_> = lines.iter().map(|line| (line.line, line.expected, line.available)).collect();
    assert_eq!(seen, [(1, 5, 4), (2, 10, 7)]);
    // The second line of a level is judged after the first; a count that finds what was expected is a movement too.
    assert_eq!(adjust(&mut board, &[(0, set(7, 10)), (0, AdjustTo::Delta(-7)), (1, set(4, 4))]).unwrap(), [-3, -7, 0]);
    assert_eq!(board.levels[&(product(0), warehouse(0))].quantity, 0);
    assert_eq!(board.levels[&(product(1), warehouse(0))].version, 2);
}

/// Held units that are gone: the level owes them, as far as it may, and never has less than nothing on its shelf.
#[test]
fn a_loss_of_held_units_is_booked_down_to_the_limit_and_to_an_empty_shelf() {
    let key = (product(0), warehouse(0));
    let with = |limit: i64| {
        let mut board = board(&[10]);
        decide(&mut board, &command(1, &Step::Reserve(vec![(0, Some(0), 8)]))).unwrap();
        board.levels.get_mut(&key).unwrap().backorder_limit = limit;
        board
    };
    for (limit, removable) in [(0, 2), (5, 7), (8, 10), (100, 10)] {
        let mut board = with(limit);
        let refused = adjust(&mut board, &[(0, AdjustTo::Delta(-1)), (0, AdjustTo::Delta(-removable))]);
        let Err(Refusal::BelowZero(short)) = refused else { panic!("{limit}: {refused:?}") };
        assert_eq!((short[0].line, short[0].requested, short[0].available), (1, removable, removable - 1));
        assert_eq!(adjust(&mut board, &[(0, AdjustTo::Delta(-removable))]).unwrap(), [-removable]);
        let level = &board.levels[&key];
        assert_eq!((level.quantity, level.on_hand()), (2 - removable, 10 - removable));
        let refused = adjust(&mut board, &[(0, AdjustTo::Delta(-1))]);
        assert!(matches!(refused, Err(Refusal::BelowZero(_))), "{refused:?}");
    }
}

#[test]
fn what_is_not_available_can_be_neither_taken_off_nor_moved() {
    let mut board = board(&[10, 0]);
    decide(&mut board, &command(1, &Step::Reserve(vec![(0, Some(0), 4)]))).unwrap();
    let refused = adjust(&mut board, &[(0, AdjustTo::Delta(-4)), (0, AdjustTo::Delta(-3))]);
    let Err(Refusal::BelowZero(short)) = refused else { panic!("{refused:?}") };
    assert_eq!((short.len(), short[0].line, short[0].requested, short[0].available), (1, 1, 3, 2));
    let refused = decide(&mut board, &command(2, &Step::Transfer(0, vec![(0, 3), (0, 4)])));
    let Err(Refusal::Short(short)) = refused else { panic!("{refused:?}") };
    assert_eq!((short[0].line, short[0].requested, short[0].available), (0, 7, 6));
    decide(&mut board, &command(3, &Step::Transfer(0, vec![(0, 2), (0, 4)]))).unwrap();
    assert_eq!(board.effects.movements.len(), 3, "lines of one product are one move");
}
