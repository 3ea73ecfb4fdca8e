//! Commands with keys in one batch: whatever their order, a key has one effect, and all who asked for it are told the same.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use kv_types::stock::{Reserve, ReserveLine};
use kv_types::{IdempotencyKey, ProductId, Quantity, ReservationId, TenantId, UserId, WarehouseId};
use proptest::prelude::*;
use uuid::Uuid;

use super::board::{Board, Level, ProductFacts, WarehouseFacts};
use super::command::{Action, Command, Outcome};
use super::keys::{Decision, Known, decide_once, settle};
use super::refusal::Refusal;
use crate::idempotency::{Answer, Asked, Done, Kept, KeyFault, Once, UnderWay};

const LEVEL: (ProductId, WarehouseId) =
    (ProductId::from_uuid(Uuid::from_u128(100)), WarehouseId::from_uuid(Uuid::from_u128(200)));

/// One request: which key, if any, and how many units.
#[derive(Clone, Copy, Debug)]
struct Ask {
    key: Option<u8>,
    units: i64,
}

fn ask() -> impl Strategy<Value = Ask> {
    (proptest::option::weighted(0.8, 0..3_u8), 1..4_i64).prop_map(|(key, units)| Ask { key, units })
}

fn board(units: i64) -> Board {
    let mut board = Board { now: Timestamp::UNIX_EPOCH, ..Board::default() };
    let level = Level { quantity: units, received: units, version: 1, locked_version: 1, ..Level::default() };
    board.levels.insert(LEVEL, level);
    board.products.insert(LEVEL.0, ProductFacts { price_minor: 1, currency: "EUR".to_owned(), active: true });
    board.warehouses.insert(LEVEL.1, WarehouseFacts { priority: 1, active: true });
    board
}

fn key(number: u8) -> IdempotencyKey {
    format!("key-{number}").parse().unwrap()
}

fn encode(outcome: &Outcome) -> Answer {
    Answer { head: "201".to_owned(), body: format!("{outcome:?}").into_bytes(), numbers_at: Vec::new() }
}

fn command(number: usize, ask: Ask) -> Command {
    let once = ask.key.map(|of| Once {
        // The units are all that one request differs from another in.
        asked: Asked { key: key(of), fingerprint: [ask.units as u8; 32], line: "POST /x".to_owned() },
        encode: Arc::new(encode),
        presence: UnderWay::default().enter(TenantId::new(1).unwrap(), key(of)),
    });
    let line =
        ReserveLine { product: LEVEL.0, warehouse: Some(LEVEL.1), quantity: Quantity::parse(ask.units).unwrap() };
    let id = ReservationId::from_uuid(Uuid::from_u128(1_000 + number as u128));
    let action = Action::Reserve(id, Reserve { lines: vec![line], reference: None, ttl: None });
    Command {
        actor: UserId::from_uuid(Uuid::from_u128(1)),
        fence: None,
        once,
        expected: kv_types::Expected::Any,
        action,
    }
}

fn decide_all(board: &mut Board, commands: &[Command]) -> Vec<Result<Done<Outcome>, Refusal>> {
    let decisions = commands.iter().enumerate().map(|(number, command)| decide_once(board, number, command)).collect();
    settle(&commands.iter().collect::<Vec<_>>(), decisions)
}

proptest! {
    #[test]
    fn a_key_has_one_effect_in_any_order(stock in 0..12_i64, asks in proptest::collection::vec(ask(), 1..16)) {
        let mut board = board(stock);
        let commands: Vec<Command> = asks.iter().enumerate().map(|(number, ask)| command(number, *ask)).collect();
        let answers = decide_all(&mut board, &commands);

        let mut left = stock;
        // What each key stands for: how many units, and what was answered.
        let mut used: HashMap<u8, (i64, Vec<u8>)> = HashMap::new();
        for (ask, answer) in asks.iter().zip(answers) {
            let known = ask.key.and_then(|key| used.get(&key).cloned());
            match (known, answer) {
                (Some((units, body)), Ok(Done::Before(again))) => {
                    prop_assert_eq!(units, ask.units);
                    prop_assert_eq!(body, again.body);
                }
                (Some((units, _)), Err(Refusal::Key(KeyFault::Reused))) => prop_assert_ne!(units, ask.units),
                (None, Ok(Done::Now(outcome))) => {
                    left -= ask.units;
                    if let Some(key) = ask.key {
                        used.insert(key, (ask.units, encode(&outcome).body));
                    }
                }
                (None, Err(Refusal::Short(_))) => prop_assert!(ask.units > left),
                (known, answer) => prop_assert!(false, "{ask:?} with {known:?}: {answer:?}"),
            }
        }
        prop_assert_eq!(board.levels[&LEVEL].quantity, left);
        // Kept is what had an effect, each with the answer that was given.
        let kept: HashMap<String, Vec<u8>> =
            board.effects.answers.iter().map(|new| (new.asked.key.to_string(), new.answer.body.clone())).collect();
        prop_assert_eq!(board.effects.answers.len(), kept.len(), "a key was kept twice");
        let wanted: HashMap<String, Vec<u8>> =
            used.into_iter().map(|(number, (_, body))| (key(number).to_string(), body)).collect();
        prop_assert_eq!(kept, wanted);
    }
}

#[test]
fn what_the_rows_say_comes_first() {
    let answer = Answer { head: "201".to_owned(), body: b"then".to_vec(), numbers_at: Vec::new() };
    let mut board = board(10);
    let kept = Kept::Answer { fingerprint: vec![2; 32], answer: answer.clone() };
    for (number, kept) in [kept, Kept::Void, Kept::Expired].into_iter().enumerate() {
        board.keys.insert(key(number as u8), Known::Row(kept));
    }
    let mut decide = |key: u8, units| decide_once(&mut board, 0, &command(0, Ask { key: Some(key), units }));
    assert!(matches!(decide(0, 2), Ok(Decision::Before(then)) if then == answer));
    assert!(matches!(decide(0, 3), Err(Refusal::Key(KeyFault::Reused))));
    assert!(matches!(decide(1, 1), Err(Refusal::Key(KeyFault::Void))));
    assert!(matches!(decide(2, 1), Ok(Decision::Now(_))));
    assert!(matches!(decide(2, 1), Ok(Decision::With(0))), "once, although it had expired before");
    assert_eq!(board.effects.expired_keys, [key(2)]);
    assert_eq!((board.effects.movements.len(), board.levels[&LEVEL].quantity), (1, 9));
}
