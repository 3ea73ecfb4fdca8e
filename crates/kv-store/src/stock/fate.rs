//! What became of a batch whose commit was not answered: asked of a new connection, by the batch's own effects.

use std::collections::HashMap;

use futures_util::try_join;
use kv_types::{OrderId, ReservationId, TenantId};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::board::Board;
use super::connection::Connection;
use super::{batch, holdings};
use crate::StoreError;
use crate::idempotency::table::PROVE_KEY;
use crate::session::{Params, READ_COMMITTED, begin};

/// What became of a transaction.
pub(super) enum Fate {
    /// Its effects are there; these are its orders' numbers.
    Committed(HashMap<OrderId, i64>),
    /// It will never have been.
    Gone,
    /// It has not ended.
    Running,
}

/// Asks once.
///
/// # Errors
/// While nothing can be said.
pub(super) async fn ask(
    connection: &Connection,
    tenant: TenantId,
    transaction: &str,
    board: &Board,
) -> Result<Fate, StoreError> {
    let is_running = is_running(connection, transaction).await?;
    // Looked for after the status was asked: what is not there now and does not run any more will never be.
    Ok(match find_effects(connection, tenant, board).await? {
        Some(numbers) => Fate::Committed(numbers),
        None if is_running => Fate::Running,
        None => Fate::Gone,
    })
}

/// Whether the transaction has not ended. Whether it was committed is not asked by its number: after a crash PostgreSQL gives the
/// numbers of transactions that never reached the disk to others, which may have been committed since.
async fn is_running(connection: &Connection, transaction: &str) -> Result<bool, StoreError> {
    match connection.query(&batch::TRANSACTION_STATUS, &[&transaction]).await {
        Ok(rows) => {
            let status: Option<String> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
            Ok(status.as_deref() == Some("in progress"))
        }
        // The number is one that was not given out since the crash.
        Err(StoreError::Database(error)) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The numbers of the batch's orders when its last effect is there. A batch commits as a whole, so one effect proves all.
async fn find_effects(
    connection: &Connection,
    tenant: TenantId,
    board: &Board,
) -> Result<Option<HashMap<OrderId, i64>>, StoreError> {
    let orders: Vec<Uuid> = board.effects.orders.iter().map(|order| order.id.uuid()).collect();
    let (opening, number) = (begin(READ_COMMITTED, tenant), tenant.get());
    let ((), proof, numbers, ()) = try_join!(
        connection.batch_execute(&opening),
        prove(connection, number, board),
        async { connection.query(&batch::READ_ORDER_NUMBERS, &[&number, &orders]).await },
        connection.commit(),
    )?;
    let is_there = proof.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false);
    if is_there { holdings::read_numbers(&numbers).map(Some) } else { Ok(None) }
}

async fn prove(connection: &Connection, tenant: i64, board: &Board) -> Result<Vec<Row>, StoreError> {
    if let Some(movement) = board.effects.movements.last() {
        let (product, warehouse) = (movement.key.0.uuid(), movement.key.1.uuid());
        let reservation = movement.cause.reservation.map(ReservationId::uuid);
        let document = movement.cause.document.map(|(document, _)| document.uuid());
        let kind = movement.kind.as_str();
        let params: Params<'_> =
            &[&tenant, &product, &warehouse, &movement.version, &kind, &reservation, &document, &board.now];
        return connection.query(&batch::PROVE_MOVEMENT, params).await;
    }
    if let Some(order) = board.effects.changed_orders.last().and_then(|id| board.orders.get(id)) {
        let params: Params<'_> = &[&tenant, &order.id.uuid(), &order.version, &order.status.as_str()];
        return connection.query(&batch::PROVE_ORDER, params).await;
    }
    if let Some(held) = board.effects.changed_reservations.last().and_then(|id| board.reservations.get(id)) {
        return connection.query(&batch::PROVE_RESERVATION, &[&tenant, &held.id.uuid(), &held.expires_at]).await;
    }
    if let Some((key, _)) = board.levels.iter().find(|(_, level)| level.has_new_limit) {
        let params: Params<'_> = &[&tenant, &key.0.uuid(), &key.1.uuid(), &board.now];
        return connection.query(&batch::PROVE_LIMIT, params).await;
    }
    let Some(kept) = board.effects.answers.last() else { return Ok(Vec::new()) };
    let (key, fingerprint) = (kept.asked.key.as_str(), kept.asked.fingerprint.as_slice());
    connection.query(&PROVE_KEY, &[&tenant, &key, &fingerprint]).await
}
