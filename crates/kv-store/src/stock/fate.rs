//! What became of a batch whose commit was not answered: asked of a new connection.
//!
//! PostgreSQL says what became of a transaction by its number ([`Verdict`]), whatever has happened to the rows since. That is
//! believed as long as the server has not been started anew in between: after a crash it gives the numbers of transactions that never
//! reached the disk to others. Then the batch's own rows are looked for ([`Proof`]): a movement and a kept answer never change, so
//! they prove it either way; a row that others may have changed since proves it as long as nobody has, and nothing is claimed of one
//! that has moved on.

use std::collections::HashMap;

use futures_util::try_join;
use kv_types::{OrderId, TenantId};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::board::Board;
use super::connection::{Connection, Incarnation};
use super::holdings;
use crate::StoreError;
use crate::idempotency::table::PROVE_KEY;
use crate::session::{Params, READ_COMMITTED, begin};
use crate::statement::statements;

statements! {
    /// What became of a transaction whose commit was not answered.
    TRANSACTION_STATUS = "select pg_xact_status($1::text::xid8)";
    /// The numbers of orders whose answer was lost.
    READ_ORDER_NUMBERS = "select id, number from orders where tenant_id = $1 and id = any($2::uuid[])";
    /// Whether a movement stands in the ledger. Its hash tells it from the same one made by somebody else.
    PROVE_MOVEMENT = "select exists (select from stock_movements
         where tenant_id = $1 and product_id = $2 and warehouse_id = $3 and version = $4 and hash = $5)";
    /// Whether an order was changed at that time to that version; null when it has changed since.
    PROVE_ORDER = "select case when version <= $3 then version = $3 and updated_at = $4 end
          from orders where tenant_id = $1 and id = $2";
    /// Whether a reservation was changed at that time; null when its last change was another one.
    PROVE_RESERVATION = "select case when updated_at = $3 then true end
          from reservations where tenant_id = $1 and id = $2 limit 1";
    /// Whether a level's limit was set at that time; null when its last change was another one.
    PROVE_LIMIT = "select case when updated_at = $4 then true end
          from stock_levels where tenant_id = $1 and product_id = $2 and warehouse_id = $3";
    /// Whether a fence stands as high as it was raised.
    PROVE_FENCE = "select exists (select from lock_fences where tenant_id = $1 and resource = $2 and fence >= $3)";
}

/// A transaction whose commit was not answered.
pub(super) struct Lost<'a> {
    /// Its number.
    pub(super) transaction: &'a str,
    /// The server's life in which it was begun.
    pub(super) incarnation: Incarnation,
    /// What it was to write.
    pub(super) board: &'a Board,
}

/// What became of a transaction.
pub(super) enum Fate {
    /// Its effects are there; these are its orders' numbers.
    Committed(HashMap<OrderId, i64>),
    /// It will never have been.
    Gone,
    /// It has not ended.
    Running,
    /// Nothing can prove it any more.
    Unknown,
}

/// What PostgreSQL says of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Running,
    Committed,
    Aborted,
    /// It has not been given out, so the server has crashed and forgotten it.
    NeverBegun,
    /// It is too old.
    Forgotten,
}

/// What the batch's own rows say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    There,
    NotThere,
    MovedOn,
}

/// Asks once.
///
/// # Errors
/// While nothing can be said.
pub(super) async fn ask(connection: &Connection, tenant: TenantId, lost: &Lost<'_>) -> Result<Fate, StoreError> {
    // A standby may not have heard of it yet.
    if connection.incarnation.is_standby {
        return Err(StoreError::Unavailable(None));
    }
    let verdict = ask_verdict(connection, lost.transaction).await?;
    // Looked for after the verdict was asked: what is not there now and does not run any more will never be.
    let (proof, numbers) = find_effects(connection, tenant, lost.board).await?;
    Ok(judge(verdict, connection.incarnation == lost.incarnation, proof, numbers))
}

fn judge(verdict: Verdict, is_same_life: bool, proof: Proof, numbers: HashMap<OrderId, i64>) -> Fate {
    match (verdict, proof) {
        (Verdict::Running, _) => Fate::Running,
        (Verdict::Committed, _) if is_same_life => Fate::Committed(numbers),
        (Verdict::Committed | Verdict::Forgotten, Proof::There) => Fate::Committed(numbers),
        (Verdict::Committed | Verdict::Forgotten, Proof::MovedOn) => Fate::Unknown,
        // Of the first two: whoever has the number now, it is not a transaction that was committed.
        (Verdict::Aborted | Verdict::NeverBegun, _) | (_, Proof::NotThere) => Fate::Gone,
    }
}

async fn ask_verdict(connection: &Connection, transaction: &str) -> Result<Verdict, StoreError> {
    let rows = match connection.query(&TRANSACTION_STATUS, &[&transaction]).await {
        Ok(rows) => rows,
        // The number is one that was not given out since the crash.
        Err(StoreError::Database(error)) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => {
            return Ok(Verdict::NeverBegun);
        }
        Err(error) => return Err(error),
    };
    let status: Option<String> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
    match status.as_deref() {
        Some("in progress") => Ok(Verdict::Running),
        Some("committed") => Ok(Verdict::Committed),
        Some("aborted") => Ok(Verdict::Aborted),
        None => Ok(Verdict::Forgotten),
        Some(_) => Err(StoreError::Corrupt("a transaction's status")),
    }
}

/// Whether the batch's last effect is there, and the numbers of its orders. A batch commits as a whole, so one effect proves all.
async fn find_effects(
    connection: &Connection,
    tenant: TenantId,
    board: &Board,
) -> Result<(Proof, HashMap<OrderId, i64>), StoreError> {
    let orders: Vec<Uuid> = board.effects.orders.iter().map(|order| order.id.uuid()).collect();
    let (opening, number) = (begin(READ_COMMITTED, tenant), tenant.get());
    let ((), proof, numbers, ()) = try_join!(
        connection.batch_execute(&opening),
        prove(connection, number, board),
        async { connection.query(&READ_ORDER_NUMBERS, &[&number, &orders]).await },
        connection.commit(),
    )?;
    let proof: Option<bool> = proof.first().map(|row| row.try_get(0)).transpose()?.flatten();
    let proof = match proof {
        Some(true) => Proof::There,
        Some(false) => Proof::NotThere,
        None => Proof::MovedOn,
    };
    Ok((proof, holdings::read_numbers(&numbers)?))
}

/// Looks for the effect that proves most.
async fn prove(connection: &Connection, tenant: i64, board: &Board) -> Result<Vec<Row>, StoreError> {
    if let Some(movement) = board.effects.movements.last() {
        let (product, warehouse, hash) = (movement.key.0.uuid(), movement.key.1.uuid(), movement.hash.as_slice());
        let params: Params<'_> = &[&tenant, &product, &warehouse, &movement.version, &hash];
        return connection.query(&PROVE_MOVEMENT, params).await;
    }
    if let Some(kept) = board.effects.answers.last() {
        let (key, fingerprint) = (kept.asked.key.as_str(), kept.asked.fingerprint.as_slice());
        return connection.query(&PROVE_KEY, &[&tenant, &key, &fingerprint, &board.began]).await;
    }
    if let Some(order) = board.effects.changed_orders.last().and_then(|id| board.orders.get(id)) {
        return connection.query(&PROVE_ORDER, &[&tenant, &order.id.uuid(), &order.version, &board.now]).await;
    }
    if let Some(held) = board.effects.changed_reservations.last() {
        return connection.query(&PROVE_RESERVATION, &[&tenant, &held.uuid(), &board.now]).await;
    }
    if let Some((key, _)) = board.levels.iter().find(|(_, level)| level.has_new_limit) {
        let params: Params<'_> = &[&tenant, &key.0.uuid(), &key.1.uuid(), &board.now];
        return connection.query(&PROVE_LIMIT, params).await;
    }
    let Some((resource, fence)) = board.fences.iter().next() else { return Ok(Vec::new()) };
    connection.query(&PROVE_FENCE, &[&tenant, resource, fence]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERDICTS: [Verdict; 5] =
        [Verdict::Running, Verdict::Committed, Verdict::Aborted, Verdict::NeverBegun, Verdict::Forgotten];
    const PROOFS: [Proof; 3] = [Proof::There, Proof::NotThere, Proof::MovedOn];

    fn word(verdict: Verdict, is_same_life: bool, proof: Proof) -> &'static str {
        match judge(verdict, is_same_life, proof, HashMap::new()) {
            Fate::Committed(_) => "committed",
            Fate::Gone => "gone",
            Fate::Running => "running",
            Fate::Unknown => "unknown",
        }
    }

    #[test]
    fn in_one_life_of_the_server_its_word_holds_whatever_became_of_the_rows() {
        let words = VERDICTS.map(|verdict| PROOFS.map(|proof| word(verdict, true, proof)));
        let forgotten = ["committed", "gone", "unknown"];
        assert_eq!(words, [["running"; 3], ["committed"; 3], ["gone"; 3], ["gone"; 3], forgotten]);
    }

    #[test]
    fn after_a_crash_only_own_rows_say_that_it_was_committed_and_nothing_else_that_it_was_not() {
        let words = VERDICTS.map(|verdict| PROOFS.map(|proof| word(verdict, false, proof)));
        let by_rows = ["committed", "gone", "unknown"];
        assert_eq!(words, [["running"; 3], by_rows, ["gone"; 3], ["gone"; 3], by_rows]);
    }
}
