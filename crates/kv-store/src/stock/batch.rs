//! The second round trip of a batch: what was decided, written row set by row set, and the commit.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv_types::stock::MovementKind;
use kv_types::{IdempotencyKey, OrderId, TenantId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::board::{Board, Movement};
use super::writer::Connection;
use crate::StoreError;
use crate::idempotency::table::{Answers, DROP_EXPIRED_KEY, KEEP_ANSWERS, of_keeping};
use crate::session::Params;
use crate::statement::statements;

statements! {
    /// The levels as they are after the batch. The version in the predicate is the one that was locked.
    UPDATE_LEVELS = "update stock_levels l
           set quantity = c.quantity, reserved_quantity = c.reserved, shipped_quantity = c.shipped,
               received_quantity = c.received, version = c.version, updated_at = now()
          from unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                      $9::bigint[])
               as c(product_id, warehouse_id, quantity, reserved, shipped, received, version, locked_version)
         where l.tenant_id = $1 and l.product_id = c.product_id and l.warehouse_id = c.warehouse_id
           and l.version = c.locked_version";
    /// The ledger's entries.
    INSERT_MOVEMENTS = "insert into stock_movements (tenant_id, product_id, warehouse_id, version, kind, d_quantity, d_reserved,
               d_shipped, d_received, quantity_after, reserved_after, reservation_id, order_id, receipt_id, actor_id)
        select $1, c.* from unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
               $9::bigint[], $10::bigint[], $11::bigint[], $12::uuid[], $13::uuid[], $14::uuid[], $15::uuid[]) as c";
    /// Receipts.
    INSERT_RECEIPTS = "insert into receipts (tenant_id, id, reference, actor_id, created_at)
        select $1, c.id, c.reference, c.actor_id, now() from unnest($2::uuid[], $3::text[], $4::uuid[]) as c(id, reference, actor_id)";
    /// Orders; each draws its number.
    INSERT_ORDERS = "insert into orders (tenant_id, id, customer_id, status, currency, total_minor, reference, created_at)
        select $1, c.id, c.customer_id, 'pending', c.currency, c.total_minor, c.reference, now()
          from unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[])
               as c(id, customer_id, currency, total_minor, reference)
        returning id, number";
    /// The orders' lines.
    INSERT_ORDER_ITEMS = "insert into order_items (tenant_id, order_id, line, product_id, quantity, unit_price_minor)
        select $1, c.* from unnest($2::uuid[], $3::int[], $4::uuid[], $5::bigint[], $6::bigint[]) as c";
    /// Reservations, one row a level.
    INSERT_RESERVATIONS = "insert into reservations (tenant_id, id, line, product_id, warehouse_id, quantity, status,
               level_version, order_id, reference, created_at)
        select $1, c.id, c.line, c.product_id, c.warehouse_id, c.quantity, 'pending', c.level_version, c.order_id, c.reference, now()
          from unnest($2::uuid[], $3::int[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[], $8::uuid[], $9::text[])
               as c(id, line, product_id, warehouse_id, quantity, level_version, order_id, reference)";
    /// Reservations that ended.
    CLOSE_RESERVATIONS = "update reservations r
           set status = c.status, updated_at = now(),
               fulfilled_quantity = case c.status when 'fulfilled' then r.quantity else 0 end
          from unnest($2::uuid[], $3::text[]) as c(id, status)
         where r.tenant_id = $1 and r.id = c.id and r.status = 'pending'";
    /// Orders that changed their state.
    UPDATE_ORDERS = "update orders o set status = c.status, version = c.version, updated_at = now()
          from unnest($2::uuid[], $3::text[], $4::bigint[]) as c(id, status, version)
         where o.tenant_id = $1 and o.id = c.id";
    /// The numbers of orders whose answer was lost.
    READ_ORDER_NUMBERS = "select id, number from orders where tenant_id = $1 and id = any($2::uuid[])";
    /// Whether a movement stands in the ledger.
    PROVE_MOVEMENT = "select exists (select from stock_movements
         where tenant_id = $1 and product_id = $2 and warehouse_id = $3 and version = $4 and kind = $5
           and reservation_id is not distinct from $6 and receipt_id is not distinct from $7)";
    /// Whether an order has come to a state.
    PROVE_ORDER = "select exists (select from orders where tenant_id = $1 and id = $2 and version = $3 and status = $4)";
    /// What became of a transaction whose commit was not answered.
    TRANSACTION_STATUS = "select pg_xact_status($1::text::xid8)";
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
) -> Result<HashMap<OrderId, i64>, StoreError> {
    let tenant = tenant.get();
    // As in `load`: sent in this order, so that every row that a foreign key asks for is there before.
    let ((), (), (), numbers, (), (), (), (), (), (), ()) = try_join!(
        write_levels(connection, tenant, board),
        write_movements(connection, tenant, &board.effects.movements),
        write_receipts(connection, tenant, board),
        write_orders(connection, tenant, board),
        write_order_items(connection, tenant, board),
        write_reservations(connection, tenant, board),
        close_reservations(connection, tenant, board),
        update_orders(connection, tenant, board),
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
    let params: Params<'_> =
        &[&tenant, &products, &warehouses, &quantities, &reserved, &shipped, &received, &versions, &locked];
    let written = connection.execute(&UPDATE_LEVELS, params).await?;
    if written == dirty.len() as u64 { Ok(()) } else { Err(StoreError::Corrupt("a stock level")) }
}

fn column<T>(movements: &[Movement], value: impl Fn(&Movement) -> T) -> Vec<T> {
    movements.iter().map(value).collect()
}

async fn write_movements(connection: &Connection, tenant: i64, movements: &[Movement]) -> Result<(), StoreError> {
    if movements.is_empty() {
        return Ok(());
    }
    let signed = |of: fn(MovementKind) -> i64| column(movements, |m| of(m.kind) * m.units);
    let products = column(movements, |m| m.key.0.uuid());
    let warehouses = column(movements, |m| m.key.1.uuid());
    let versions = column(movements, |m| m.version);
    let kinds = column(movements, |m| m.kind.as_str());
    let d_quantity = signed(|kind| match kind {
        MovementKind::Received | MovementKind::Released => 1,
        MovementKind::Reserved => -1,
        MovementKind::Shipped => 0,
    });
    let d_reserved = signed(|kind| match kind {
        MovementKind::Reserved => 1,
        MovementKind::Released | MovementKind::Shipped => -1,
        MovementKind::Received => 0,
    });
    let d_shipped = signed(|kind| i64::from(kind == MovementKind::Shipped));
    let d_received = signed(|kind| i64::from(kind == MovementKind::Received));
    let quantity_after = column(movements, |m| m.quantity_after);
    let reserved_after = column(movements, |m| m.reserved_after);
    let reservations = column(movements, |m| m.cause.reservation.map(kv_types::ReservationId::uuid));
    let orders = column(movements, |m| m.cause.order.map(OrderId::uuid));
    let receipts = column(movements, |m| m.cause.receipt.map(kv_types::ReceiptId::uuid));
    let actors = column(movements, |m| m.cause.actor.uuid());
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
        &actors,
    ];
    connection.execute(&INSERT_MOVEMENTS, params).await?;
    Ok(())
}

async fn write_receipts(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let receipts = &board.effects.receipts;
    if receipts.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = receipts.iter().map(|receipt| receipt.id.uuid()).collect();
    let references: Vec<Option<&str>> = receipts.iter().map(|receipt| receipt.reference.as_deref()).collect();
    let actors: Vec<Uuid> = receipts.iter().map(|receipt| receipt.actor.uuid()).collect();
    connection.execute(&INSERT_RECEIPTS, &[&tenant, &ids, &references, &actors]).await?;
    Ok(())
}

async fn write_orders(
    connection: &Connection,
    tenant: i64,
    board: &Board,
) -> Result<HashMap<OrderId, i64>, StoreError> {
    let orders = &board.effects.orders;
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id.uuid()).collect();
    let customers: Vec<Uuid> = orders.iter().map(|order| order.customer_id.uuid()).collect();
    let currencies: Vec<&str> = orders.iter().map(|order| order.currency.as_str()).collect();
    let totals: Vec<i64> = orders.iter().map(|order| order.total_minor).collect();
    let references: Vec<Option<&str>> = orders.iter().map(|order| order.reference.as_deref()).collect();
    let rows =
        connection.query(&INSERT_ORDERS, &[&tenant, &ids, &customers, &currencies, &totals, &references]).await?;
    read_numbers(&rows)
}

/// Order numbers by order.
pub(super) fn read_numbers(rows: &[Row]) -> Result<HashMap<OrderId, i64>, StoreError> {
    rows.iter().map(|row| Ok((OrderId::from_uuid(row.try_get(0)?), row.try_get(1)?))).collect()
}

async fn write_order_items(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let lines: Vec<_> = board
        .effects
        .orders
        .iter()
        .flat_map(|order| (1_i32..).zip(&order.items).map(move |(line, item)| (order.id, line, item)))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let orders: Vec<Uuid> = lines.iter().map(|(order, ..)| order.uuid()).collect();
    let numbers: Vec<i32> = lines.iter().map(|(_, line, _)| *line).collect();
    let products: Vec<Uuid> = lines.iter().map(|(.., item)| item.product_id.uuid()).collect();
    let quantities: Vec<i64> = lines.iter().map(|(.., item)| item.quantity).collect();
    let prices: Vec<i64> = lines.iter().map(|(.., item)| item.unit_price_minor).collect();
    connection.execute(&INSERT_ORDER_ITEMS, &[&tenant, &orders, &numbers, &products, &quantities, &prices]).await?;
    Ok(())
}

async fn write_reservations(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let lines: Vec<_> = board
        .effects
        .reservations
        .iter()
        .flat_map(|held| (1_i32..).zip(&held.items).map(move |(line, item)| (held, line, item)))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = lines.iter().map(|(held, ..)| held.id.uuid()).collect();
    let numbers: Vec<i32> = lines.iter().map(|(_, line, _)| *line).collect();
    let products: Vec<Uuid> = lines.iter().map(|(.., item)| item.product_id.uuid()).collect();
    let warehouses: Vec<Uuid> = lines.iter().map(|(.., item)| item.warehouse_id.uuid()).collect();
    let quantities: Vec<i64> = lines.iter().map(|(.., item)| item.quantity).collect();
    let versions: Vec<i64> = lines.iter().map(|(.., item)| item.version).collect();
    let orders: Vec<Option<Uuid>> = lines.iter().map(|(held, ..)| held.order_id.map(OrderId::uuid)).collect();
    let references: Vec<Option<&str>> = lines.iter().map(|(held, ..)| held.reference.as_deref()).collect();
    let params: Params<'_> =
        &[&tenant, &ids, &numbers, &products, &warehouses, &quantities, &versions, &orders, &references];
    connection.execute(&INSERT_RESERVATIONS, params).await?;
    Ok(())
}

async fn close_reservations(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let closed = &board.effects.closed_reservations;
    if closed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = closed.iter().map(|id| id.uuid()).collect();
    let statuses: Vec<&str> = closed.iter().map(|id| board.reservations[id].status.as_str()).collect();
    connection.execute(&CLOSE_RESERVATIONS, &[&tenant, &ids, &statuses]).await?;
    Ok(())
}

async fn update_orders(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let changed = &board.effects.changed_orders;
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = changed.iter().map(|id| id.uuid()).collect();
    let statuses: Vec<&str> = changed.iter().map(|id| board.orders[id].status.as_str()).collect();
    let versions: Vec<i64> = changed.iter().map(|id| board.orders[id].version).collect();
    connection.execute(&UPDATE_ORDERS, &[&tenant, &ids, &statuses, &versions]).await?;
    Ok(())
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
        answers.add(&new.asked, &new.answer, new.order);
    }
    let kept = connection.execute(&KEEP_ANSWERS, &answers.params(&tenant)).await;
    kept.map(drop).map_err(of_keeping)
}
