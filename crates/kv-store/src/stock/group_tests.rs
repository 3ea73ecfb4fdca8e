//! Groups against their actions decided one by one: random groups on random boards.

use proptest::prelude::*;

use kv_types::Expected;

use super::board::Board;
use super::command::{Action, Command, Outcome};
use super::decide::decide;
use super::decide_tests::{PRODUCTS, Step, WAREHOUSES, board, command, step, user};
use super::refusal::Refusal;

fn group(actions: &[Action]) -> Command {
    Command { actor: user(), fence: None, once: None, expected: Expected::Any, action: Action::Group(actions.to_vec()) }
}

/// What is made: groups end nothing.
fn makes() -> impl Strategy<Value = Vec<Action>> {
    let makes = step().prop_filter("an end", |step| {
        matches!(step, Step::Reserve(_) | Step::Receive(_) | Step::Adjust(_) | Step::Transfer(..) | Step::Order(..))
    });
    proptest::collection::vec(makes, 1..12)
        .prop_map(|steps| steps.iter().enumerate().map(|(number, step)| command(number, step).action).collect())
}

/// Everything that would be written, and what it would be decided on.
fn seen(board: &Board) -> String {
    format!("{:?} {:?} {}", board.levels, board.effects, board.gave_less)
}

proptest! {
    #[test]
    fn a_group_is_all_of_its_actions_or_none(
        stock in proptest::collection::vec(0..60_i64, (PRODUCTS * WAREHOUSES) as usize),
        before in makes(),
        actions in makes(),
    ) {
        let mut together = board(&stock);
        decide(&mut together, &group(&before)).ok();
        let first = seen(&together);
        let mut singly = board(&stock);
        decide(&mut singly, &group(&before)).ok();
        let mut refused = Vec::new();
        for (place, action) in actions.iter().enumerate() {
            let single = Command { actor: user(), fence: None, once: None, expected: Expected::Any, action: action.clone() };
            if let Err(refusal) = decide(&mut singly, &single) {
                refused.push((place, refusal));
            }
        }
        match decide(&mut together, &group(&actions)) {
            Ok(Outcome::Group(outcomes)) => {
                prop_assert!(refused.is_empty());
                prop_assert_eq!(outcomes.len(), actions.len());
                prop_assert_eq!(seen(&together), seen(&singly), "each action sees what those before it did");
            }
            Err(Refusal::Group(told)) => {
                prop_assert_eq!(told, refused, "every action that cannot be had is named");
                prop_assert_eq!(seen(&together), first, "a refused group leaves the board as it was");
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
