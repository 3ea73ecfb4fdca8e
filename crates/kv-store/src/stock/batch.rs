//! The second round trip of a batch: what was decided, written row set by row set, and the commit.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv_types::movement::Effect;
use kv_types::{IdempotencyKey, OrderId, ReservationId, TenantId, UserId};
use uuid::Uuid;

use super::board::Board;
use super::chain::Hash;
use super::connection::Connection;
use super::entry::{Document, Movement};
use super::signals::Signals;
use super::{documents, holdings};
use crate::StoreError;
use crate::audit_log::{Columns, NOTE_ENTRIES};
use crate::idempotency::table::{Answers, DROP_EXPIRED_KEY, KEEP_ANSWERS, KEEP_PIECED_ANSWERS, of_keeping};
use crate::session::Params;
use crate::statement::statements;

statements! {
    /// The levels as they are after the batch. The version in the predicate is the one that was locked.
    UPDATE_LEVELS = "update stock_levels l
           set quantity = c.quantity, reserved_quantity = c.reserved, shipped_quantity = c.shipped,
               received_quantity = c.received, version = c.version, backorder_limit = c.backorder_limit,
               last_hash = c.last_hash, updated_at = $12
          from unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                      $9::bigint[], $10::bigint[], $11::bytea[])
               as c(product_id, warehouse_id, quantity, reserved, shipped, received, version, locked_version,
                    backorder_limit, last_hash)
         where l.tenant_id = $1 and l.product_id = c.product_id and l.warehouse_id = c.warehouse_id
           and l.version = c.locked_version";
    /// The ledger's entries.
    INSERT_MOVEMENTS = "insert into stock_movements (tenant_id, product_id, warehouse_id, version, kind, d_quantity, d_reserved,
               d_shipped, d_received, quantity_after, reserved_after, reservation_id, order_id, receipt_id, adjustment_id,
               transfer_id, document_line, reason, actor_id, hash, created_at)
        select $1, c.*, $21 from unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
               $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::uuid[], $13::uuid[], $14::uuid[], $15::uuid[],
               $16::uuid[], $17::int[], $18::text[], $19::uuid[], $20::bytea[]) as c";
}

/// Keeps the answers of a batch that is committed, in a transaction of their own: one of the wrong strategies.
#[cfg(feature = "wrong-strategies")]
pub(super) async fn keep_answers_late(connection: &Connection, tenant: TenantId, board: &Board) {
    let opening = crate::session::begin(crate::session::READ_COMMITTED, tenant);
    if connection.batch_execute(&opening).await.is_ok() {
        keep_answers(connection, tenant.get(), board).await.ok();
        connection.commit().await.ok();
    }
}

/// Writes the board's effects and commits, in one round trip. Gives the numbers of new orders.
pub(super) async fn write(
    connection: &Connection,
    tenant: TenantId,
    board: &Board,
    signals: &Signals,
) -> Result<HashMap<OrderId, i64>, StoreError> {
    let tenant = tenant.get();
    // As in `load`: sent in this order, so that every row that a foreign key asks for is there before.
    let ((), (), (), numbers, (), (), (), (), (), (), (), (), (), ()) = try_join!(
        write_levels(connection, tenant, board),
        write_movements(connection, tenant, board),
        documents::write(connection, tenant, board),
        holdings::write_orders(connection, tenant, board),
        holdings::write_order_items(connection, tenant, board),
        holdings::write_reservations(connection, tenant, board),
        holdings::update_reservations(connection, tenant, board),
        holdings::update_orders(connection, tenant, board),
        holdings::expire_orders(connection, tenant, board),
        note_entries(connection, tenant, board),
        signals.write(connection, (tenant, board.now)),
        drop_expired_keys(connection, tenant, board),
        // Last before the commit: a key that others wait for is about to be theirs to read.
        async {
            #[cfg(feature = "wrong-strategies")]
            if crate::wrong::is(crate::wrong::Strategy::IdempotencyOutside) {
                return Ok(());
            }
            keep_answers(connection, tenant, board).await
        },
        connection.commit(),
    )?;
    Ok(numbers)
}

async fn write_levels(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let dirty: Vec<_> = board.levels.iter().filter(|(_, level)| level.is_changed()).collect();
    if dirty.is_empty() {
        return Ok(());
    }
    let products: Vec<Uuid> = dirty.iter().map(|((product, _), _)| product.uuid()).collect();
    let warehouses: Vec<Uuid> = dirty.iter().map(|((_, warehouse), _)| warehouse.uuid()).collect();
    let column = |value: fn(&super::board::Level) -> i64| dirty.iter().map(|(_, level)| value(level)).collect();
    let quantities: Vec<i64> = column(|level| level.quantity);
    let reserved: Vec<i64> = column(|level| level.reserved);
    let shipped: Vec<i64> = column(|level| level.shipped);
    let received: Vec<i64> = column(|level| level.received);
    let versions: Vec<i64> = column(|level| level.version);
    let locked: Vec<i64> = column(|level| level.locked_version);
    let limits: Vec<i64> = column(|level| level.backorder_limit);
    let hashes: Vec<Option<&[u8]>> =
        dirty.iter().map(|(_, level)| level.last_hash.as_ref().map(Hash::as_slice)).collect();
    let params: Params<'_> = &[
        &tenant,
        &products,
        &warehouses,
        &quantities,
        &reserved,
        &shipped,
        &received,
        &versions,
        &locked,
        &limits,
        &hashes,
        &board.now,
    ];
    let written = connection.execute(&UPDATE_LEVELS, params).await?;
    if written == dirty.len() as u64 { Ok(()) } else { Err(StoreError::Corrupt("a stock level")) }
}

fn column<'a, T>(movements: &'a [Movement], value: impl Fn(&'a Movement) -> T) -> Vec<T> {
    movements.iter().map(value).collect()
}

async fn write_movements(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let movements = board.effects.movements.as_slice();
    if movements.is_empty() {
        return Ok(());
    }
    let changes = |of: fn(Effect) -> i64| column(movements, |m| of(m.kind.effect()) * m.units);
    let document = |wanted: fn(Document) -> Option<Uuid>| {
        column(movements, |m| m.cause.document.and_then(|(document, _)| wanted(document)))
    };
    let products = column(movements, |m| m.key.0.uuid());
    let warehouses = column(movements, |m| m.key.1.uuid());
    let versions = column(movements, |m| m.version);
    let kinds = column(movements, |m| m.kind.as_str());
    let (d_quantity, d_reserved) = (changes(|effect| effect.quantity), changes(|effect| effect.reserved));
    let (d_shipped, d_received) = (changes(|effect| effect.shipped), changes(|effect| effect.received));
    let quantity_after = column(movements, |m| m.quantity_after);
    let reserved_after = column(movements, |m| m.reserved_after);
    let reservations = column(movements, |m| m.cause.reservation.map(ReservationId::uuid));
    let orders = column(movements, |m| m.cause.order.map(OrderId::uuid));
    let receipts = document(|document| if let Document::Receipt(id) = document { Some(id.uuid()) } else { None });
    let adjustments = document(|document| if let Document::Adjustment(id) = document { Some(id.uuid()) } else { None });
    let transfers = document(|document| if let Document::Transfer(id) = document { Some(id.uuid()) } else { None });
    let lines = column(movements, |m| m.cause.document.map(|(_, line)| line));
    let reasons = column(movements, |m| m.cause.reason.as_deref());
    let actors = column(movements, |m| m.cause.actor.map(UserId::uuid));
    let hashes = column(movements, |m| m.hash.as_slice());
    let params: Params<'_> = &[
        &tenant,
        &products,
        &warehouses,
        &versions,
        &kinds,
        &d_quantity,
        &d_reserved,
        &d_shipped,
        &d_received,
        &quantity_after,
        &reserved_after,
        &reservations,
        &orders,
        &receipts,
        &adjustments,
        &transfers,
        &lines,
        &reasons,
        &actors,
        &hashes,
        &board.now,
    ];
    connection.execute(&INSERT_MOVEMENTS, params).await?;
    Ok(())
}

async fn note_entries(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    if board.effects.entries.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(&board.effects.entries);
    connection.execute(&NOTE_ENTRIES, &columns.params(&tenant)).await.map(drop)
}

/// One by one, in order: two statements that delete several rows each might meet in different orders.
async fn drop_expired_keys(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let mut expired: Vec<&str> = board.effects.expired_keys.iter().map(IdempotencyKey::as_str).collect();
    expired.sort_unstable();
    let drop_one = |key| async move { connection.execute(&DROP_EXPIRED_KEY, &[&tenant, &key]).await };
    try_join_all(expired.into_iter().map(drop_one)).await.map(drop)
}

async fn keep_answers(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    if board.effects.answers.is_empty() {
        return Ok(());
    }
    let mut answers = Answers::default();
    for new in &board.effects.answers {
        answers.add(&new.asked, &new.answer, &new.orders);
    }
    let kept = if answers.have_one_number() {
        connection.execute(&KEEP_ANSWERS, &answers.params(&tenant)).await
    } else {
        connection.execute(&KEEP_PIECED_ANSWERS, &answers.pieces().params(&tenant)).await
    };
    kept.map(drop).map_err(of_keeping)
}
