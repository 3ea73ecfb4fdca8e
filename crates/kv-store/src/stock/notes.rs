//! What a batch leaves in the audit log: an entry for each thing that a command changed for a request, in the batch's own transaction
//! and by one statement. Pure.
//!
//! A command that changed nothing, such as the release of what was released, leaves none, whatever else its batch did.

use kv_types::stock::StockLevel;

use super::board::Board;
use super::command::{Command, Outcome};
use super::keys::{self, Decision};
use super::refusal::Refusal;
use crate::audit_log::Trail;

/// Decides the command with this number in its batch, and notes what it changed.
pub(crate) fn decide_noted(
    board: &mut Board,
    number: usize,
    (command, trail): (&Command, Option<&Trail>),
) -> Result<Decision, Refusal> {
    let before = board.changes();
    let decision = keys::decide_once(board, number, command)?;
    if let (Some(trail), Decision::Now(outcome)) = (trail, &decision)
        && board.changes() != before
    {
        note(board, trail, outcome);
    }
    Ok(decision)
}

fn note(board: &mut Board, trail: &Trail, outcome: &Outcome) {
    let (kind, id) = match outcome {
        Outcome::Reservation(reservation) => ("reservation", reservation.id.to_string()),
        Outcome::Receipt(receipt) => ("stock_receipt", receipt.id.to_string()),
        Outcome::Adjustment(adjustment) => ("stock_adjustment", adjustment.id.to_string()),
        Outcome::Transfer(transfer) => ("stock_transfer", transfer.id.to_string()),
        Outcome::Order(order) => ("order", order.id.to_string()),
        Outcome::Level(StockLevel { product_id, warehouse_id, .. }) => {
            ("stock_level", format!("{product_id}/{warehouse_id}"))
        }
        Outcome::Group(outcomes) => return outcomes.iter().for_each(|outcome| note(board, trail, outcome)),
    };
    board.effects.entries.push(trail.done_to(kind, id));
}
