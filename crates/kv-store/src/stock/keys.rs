//! The decisions of commands that carry an idempotency key: done before, done earlier in this batch, or to be done now. Pure.
//!
//! Invariant: of the commands of a batch with one key at most one has an effect, and its answer is kept with it.

use kv_types::OrderId;

use super::board::{Board, NewAnswer};
use super::command::{Command, Outcome};
use super::decide::decide;
use super::refusal::Refusal;
use crate::idempotency::{Answer, Done, Kept, KeyFault, Once};

/// What a batch knows of a key.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// Its row.
    Row(Kept),
    /// The number, in the batch, of the command that has just used it, and what that one asked.
    Here(usize, [u8; 32]),
}

/// What came of one command of a batch, before the batch is written.
#[derive(Debug)]
pub(crate) enum Decision {
    /// It is done now.
    Now(Outcome),
    /// It had been done.
    Before(Answer),
    /// It is done by the command with this number.
    With(usize),
}

/// Decides the command with this number in its batch.
pub(crate) fn decide_once(board: &mut Board, number: usize, command: &Command) -> Result<Decision, Refusal> {
    let Some(once) = &command.once else { return decide(board, command).map(Decision::Now) };
    if let Some(earlier) = look_up(board, once)? {
        return Ok(earlier);
    }
    let outcome = decide(board, command)?;
    let mut orders = Vec::new();
    orders_of(&outcome, &mut orders);
    let (asked, answer) = (once.asked.clone(), (once.encode)(&outcome));
    let earlier = board.keys.insert(asked.key.clone(), Known::Here(number, asked.fingerprint));
    if matches!(earlier, Some(Known::Row(Kept::Expired))) {
        board.effects.expired_keys.push(asked.key.clone());
    }
    board.effects.answers.push(NewAnswer { asked, answer, orders });
    Ok(Decision::Now(outcome))
}

fn orders_of(outcome: &Outcome, orders: &mut Vec<OrderId>) {
    match outcome {
        Outcome::Order(order) => orders.push(order.id),
        Outcome::Group(outcomes) => outcomes.iter().for_each(|outcome| orders_of(outcome, orders)),
        _ => {}
    }
}

fn look_up(board: &Board, once: &Once<Outcome>) -> Result<Option<Decision>, Refusal> {
    match board.keys.get(&once.asked.key) {
        None => Ok(None),
        Some(Known::Row(kept)) => {
            let answer = kept.judge(&once.asked).map_err(Refusal::Key)?;
            Ok(answer.cloned().map(Decision::Before))
        }
        Some(Known::Here(number, fingerprint)) if *fingerprint == once.asked.fingerprint => {
            Ok(Some(Decision::With(*number)))
        }
        Some(Known::Here(..)) => Err(Refusal::Key(KeyFault::Reused)),
    }
}

/// What each command is answered once its batch is written. An answer that waited for another command's is made of that one's
/// result, which by now has its order's number.
pub(crate) fn settle(
    commands: &[&Command],
    decisions: Vec<Result<Decision, Refusal>>,
) -> Vec<Result<Done<Outcome>, Refusal>> {
    let shared: Vec<Option<Answer>> =
        commands.iter().zip(&decisions).map(|(command, decision)| share(command, decision, &decisions)).collect();
    decisions
        .into_iter()
        .zip(shared)
        .map(|(decision, shared)| {
            decision.map(|decision| match (decision, shared) {
                (Decision::Now(outcome), _) => Done::Now(outcome),
                (Decision::Before(answer), _) | (Decision::With(_), Some(answer)) => Done::Before(answer),
                (Decision::With(_), None) => unreachable!("a repeat follows a command of its batch that was done"),
            })
        })
        .collect()
}

fn share(
    command: &Command,
    decision: &Result<Decision, Refusal>,
    decisions: &[Result<Decision, Refusal>],
) -> Option<Answer> {
    let (Ok(Decision::With(number)), Some(once)) = (decision, &command.once) else { return None };
    let Some(Ok(Decision::Now(outcome))) = decisions.get(*number) else { return None };
    Some((once.encode)(outcome))
}
