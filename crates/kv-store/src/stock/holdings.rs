//! What a batch writes of orders and of what holds their stock.

use std::collections::HashMap;

use jiff::Timestamp;
use kv_types::OrderId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::board::Board;
use super::connection::Connection;
use crate::StoreError;
use crate::session::Params;
use crate::statement::statements;

statements! {
    /// Orders; each draws its number.
    INSERT_ORDERS = "insert into orders (tenant_id, id, customer_id, status, currency, total_minor, reference, created_at)
        select $1, c.id, c.customer_id, 'pending', c.currency, c.total_minor, c.reference, $7
          from unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[])
               as c(id, customer_id, currency, total_minor, reference)
        returning id, number";
    /// The orders' lines.
    INSERT_ORDER_ITEMS = "insert into order_items (tenant_id, order_id, line, product_id, quantity, unit_price_minor)
        select $1, c.* from unnest($2::uuid[], $3::int[], $4::uuid[], $5::bigint[], $6::bigint[]) as c";
    /// Reservations, one row a level.
    INSERT_RESERVATIONS = "insert into reservations (tenant_id, id, line, product_id, warehouse_id, quantity, status,
               level_version, last_version, order_id, reference, expires_at, due_at, created_at)
        select $1, c.id, c.line, c.product_id, c.warehouse_id, c.quantity, 'pending', c.level_version, c.level_version,
               c.order_id, c.reference, c.expires_at, c.expires_at, $11
          from unnest($2::uuid[], $3::int[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[], $8::uuid[], $9::text[],
                      $10::timestamptz[])
               as c(id, line, product_id, warehouse_id, quantity, level_version, order_id, reference, expires_at)";
    /// Reservations that changed, line by line.
    UPDATE_RESERVATIONS = "update reservations r
           set status = c.status, fulfilled_quantity = c.fulfilled, returned_quantity = c.returned, expires_at = c.expires_at,
               due_at = case c.status when 'pending' then c.expires_at end, last_version = c.last_version, updated_at = $10
          from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::timestamptz[],
                      $9::bigint[])
               as c(id, product_id, warehouse_id, status, fulfilled, returned, expires_at, last_version)
         where r.tenant_id = $1 and r.id = c.id and r.product_id = c.product_id and r.warehouse_id = c.warehouse_id";
    /// Orders that changed their state.
    UPDATE_ORDERS = "update orders o set status = c.status, version = c.version, updated_at = $5
          from unnest($2::uuid[], $3::text[], $4::bigint[]) as c(id, status, version)
         where o.tenant_id = $1 and o.id = c.id";
    /// Orders whose reservations are over. Nobody else can hold their rows: that takes their levels' locks first.
    EXPIRE_ORDERS = "update orders set status = 'expired', version = version + 1, updated_at = $3
         where tenant_id = $1 and id = any($2::uuid[]) and status = 'pending'";
}

pub(super) async fn write_orders(
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
    let params: Params<'_> = &[&tenant, &ids, &customers, &currencies, &totals, &references, &board.now];
    let rows = connection.query(&INSERT_ORDERS, params).await?;
    read_numbers(&rows)
}

/// Order numbers by order.
pub(super) fn read_numbers(rows: &[Row]) -> Result<HashMap<OrderId, i64>, StoreError> {
    rows.iter().map(|row| Ok((OrderId::from_uuid(row.try_get(0)?), row.try_get(1)?))).collect()
}

pub(super) async fn write_order_items(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
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

pub(super) async fn write_reservations(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
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
    let ends: Vec<Option<Timestamp>> = lines.iter().map(|(held, ..)| held.expires_at).collect();
    let params: Params<'_> = &[
        &tenant,
        &ids,
        &numbers,
        &products,
        &warehouses,
        &quantities,
        &versions,
        &orders,
        &references,
        &ends,
        &board.now,
    ];
    connection.execute(&INSERT_RESERVATIONS, params).await?;
    Ok(())
}

pub(super) async fn update_reservations(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let changed = board.effects.changed_reservations.iter().map(|id| &board.reservations[id]);
    let lines: Vec<_> = changed.flat_map(|held| held.items.iter().map(move |item| (held, item))).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = lines.iter().map(|(held, _)| held.id.uuid()).collect();
    let products: Vec<Uuid> = lines.iter().map(|(_, item)| item.product_id.uuid()).collect();
    let warehouses: Vec<Uuid> = lines.iter().map(|(_, item)| item.warehouse_id.uuid()).collect();
    let statuses: Vec<&str> = lines.iter().map(|(held, _)| held.status.as_str()).collect();
    let fulfilled: Vec<i64> = lines.iter().map(|(_, item)| item.fulfilled_quantity).collect();
    let returned: Vec<i64> = lines.iter().map(|(_, item)| item.returned_quantity).collect();
    let ends: Vec<Option<Timestamp>> = lines.iter().map(|(held, _)| held.expires_at).collect();
    let last_versions: Vec<i64> = lines.iter().map(|(_, item)| item.last_version).collect();
    let params: Params<'_> =
        &[&tenant, &ids, &products, &warehouses, &statuses, &fulfilled, &returned, &ends, &last_versions, &board.now];
    connection.execute(&UPDATE_RESERVATIONS, params).await?;
    Ok(())
}

pub(super) async fn expire_orders(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let expired: Vec<Uuid> = board.effects.expired_orders.iter().map(|id| id.uuid()).collect();
    if !expired.is_empty() {
        connection.execute(&EXPIRE_ORDERS, &[&tenant, &expired, &board.now]).await?;
    }
    Ok(())
}

pub(super) async fn update_orders(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    let changed = &board.effects.changed_orders;
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = changed.iter().map(|id| id.uuid()).collect();
    let statuses: Vec<&str> = changed.iter().map(|id| board.orders[id].status.as_str()).collect();
    let versions: Vec<i64> = changed.iter().map(|id| board.orders[id].version).collect();
    connection.execute(&UPDATE_ORDERS, &[&tenant, &ids, &statuses, &versions, &board.now]).await?;
    Ok(())
}
