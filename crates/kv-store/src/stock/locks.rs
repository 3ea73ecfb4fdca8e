//! The locks of a batch: its levels in the one global order, and what stands on them whose time is over.
//!
//! This is the only place that locks stock levels; two batches can therefore wait for each other only in one direction. The locks
//! are NO KEY UPDATE: a foreign key's check, as a DELETE in the catalogue makes it, then never waits for a batch that in turn
//! waits for the DELETE.

use tokio_postgres::Row;

use super::connection::Connection;
use super::wanted::Ids;
use crate::StoreError;
use crate::session::Params;
use crate::statement::statements;

statements! {
    /// Locks the levels named by key ($2, $3), all levels of the products in $4, those held by the reservations
    /// in $5 and those held by the orders in $6.
    LOCK_LEVELS = "with wanted as materialized (
            select c.product_id, c.warehouse_id from unnest($2::uuid[], $3::uuid[]) as c(product_id, warehouse_id)
            union select l.product_id, l.warehouse_id from stock_levels l
                   where l.tenant_id = $1 and l.product_id = any($4::uuid[])
            union select r.product_id, r.warehouse_id from reservations r
                   where r.tenant_id = $1 and r.id = any($5::uuid[])
            union select r.product_id, r.warehouse_id from reservations r
                   where r.tenant_id = $1 and r.order_id = any($6::uuid[]))
        select l.product_id, l.warehouse_id, l.quantity, l.reserved_quantity, l.shipped_quantity, l.received_quantity, l.version,
               l.backorder_limit, l.last_hash, l.reorder_point
          from wanted join stock_levels l
            on l.tenant_id = $1 and l.product_id = wanted.product_id and l.warehouse_id = wanted.warehouse_id
         order by l.product_id, l.warehouse_id
           for no key update of l";
    /// [`LOCK_LEVELS`] and, beside the levels named, those of every reservation on them whose time is over, or will be before the
    /// locks are held.
    RECLAIM_LEVELS = "with named as materialized (
            select c.product_id, c.warehouse_id from unnest($2::uuid[], $3::uuid[]) as c(product_id, warehouse_id)
            union select l.product_id, l.warehouse_id from stock_levels l
                   where l.tenant_id = $1 and l.product_id = any($4::uuid[])
            union select r.product_id, r.warehouse_id from reservations r
                   where r.tenant_id = $1 and r.id = any($5::uuid[])
            union select r.product_id, r.warehouse_id from reservations r
                   where r.tenant_id = $1 and r.order_id = any($6::uuid[])),
        wanted as materialized (
            select product_id, warehouse_id from named
            union select r.product_id, r.warehouse_id
                    from (select d.id
                            from named join reservations d
                              on d.tenant_id = $1 and d.product_id = named.product_id and d.warehouse_id = named.warehouse_id
                             and d.due_at <= (select clock_timestamp() + interval '10 seconds')
                           order by d.due_at, d.id limit 500) due
                    join reservations r on r.tenant_id = $1 and r.id = due.id)
        select l.product_id, l.warehouse_id, l.quantity, l.reserved_quantity, l.shipped_quantity, l.received_quantity, l.version,
               l.backorder_limit, l.last_hash, l.reorder_point
          from wanted join stock_levels l
            on l.tenant_id = $1 and l.product_id = wanted.product_id and l.warehouse_id = wanted.warehouse_id
         order by l.product_id, l.warehouse_id
           for no key update of l";
    /// The short form for the hot path: levels named by key alone.
    LOCK_KEYS = "select l.product_id, l.warehouse_id, l.quantity, l.reserved_quantity, l.shipped_quantity, l.received_quantity,
               l.version, l.backorder_limit, l.last_hash, l.reorder_point
          from (select distinct c.product_id, c.warehouse_id
                  from unnest($2::uuid[], $3::uuid[]) as c(product_id, warehouse_id)) wanted
          join stock_levels l
            on l.tenant_id = $1 and l.product_id = wanted.product_id and l.warehouse_id = wanted.warehouse_id
         order by l.product_id, l.warehouse_id
           for no key update of l";
    /// Reservations whose time is over, on the levels named by key ($2, $3) and on all levels of the products in $4.
    READ_DUE = "select id, status, order_id, reference, created_at, product_id, warehouse_id, quantity,
               fulfilled_quantity, level_version, expires_at, returned_quantity, last_version
          from reservations where tenant_id = $1 and id in (select id from (
            select d.id, d.due_at from unnest($2::uuid[], $3::uuid[]) as c(product_id, warehouse_id) join reservations d
                on d.tenant_id = $1 and d.product_id = c.product_id and d.warehouse_id = c.warehouse_id
               and d.due_at <= (select clock_timestamp())
            union select d.id, d.due_at from stock_levels l join reservations d
                on d.tenant_id = $1 and d.product_id = l.product_id and d.warehouse_id = l.warehouse_id
               and d.due_at <= (select clock_timestamp())
             where l.tenant_id = $1 and l.product_id = any($4::uuid[])) due
            order by due_at, id limit 500)
        order by 1, 6, 7";
    /// Whether there is any such reservation.
    HAS_DUE = "select exists (
            select from unnest($2::uuid[], $3::uuid[]) as c(product_id, warehouse_id) join reservations d
                on d.tenant_id = $1 and d.product_id = c.product_id and d.warehouse_id = c.warehouse_id
               and d.due_at <= (select clock_timestamp()))
          or exists (
            select from stock_levels l join reservations d
                on d.tenant_id = $1 and d.product_id = l.product_id and d.warehouse_id = l.warehouse_id
               and d.due_at <= (select clock_timestamp())
             where l.tenant_id = $1 and l.product_id = any($4::uuid[]))";
}

/// Most reservations whose time is over that one batch ends: the number in [`RECLAIM_LEVELS`] and [`READ_DUE`]. The clock stands
/// there in a query of its own, because an index is not asked for what may change from row to row.
pub(super) const DUE_MAX: usize = 500;

/// How hard to look for units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// What is available.
    First,
    /// And what reservations hold whose time is over.
    Again,
}

/// Locks the levels.
pub(super) async fn lock_levels(connection: &Connection, ids: &Ids, look: Look) -> Result<Vec<Row>, StoreError> {
    if look == Look::First && ids.names_keys_alone() {
        return connection.query(&LOCK_KEYS, &[&ids.tenant, &ids.keys.0, &ids.keys.1]).await;
    }
    let params: Params<'_> = &[&ids.tenant, &ids.keys.0, &ids.keys.1, &ids.anywhere, &ids.reservations, &ids.orders];
    let statement = if look == Look::First { &LOCK_LEVELS } else { &RECLAIM_LEVELS };
    connection.query(statement, params).await
}

/// What stands on the levels that a batch names, and whose time is over.
pub(super) async fn read_due(connection: &Connection, ids: &Ids) -> Result<Vec<Row>, StoreError> {
    connection.query(&READ_DUE, &[&ids.tenant, &ids.keys.0, &ids.keys.1, &ids.anywhere]).await
}

/// Whether there is any of it.
pub(super) async fn has_due(connection: &Connection, ids: &Ids) -> Result<bool, StoreError> {
    let rows = connection.query(&HAS_DUE, &[&ids.tenant, &ids.keys.0, &ids.keys.1, &ids.anywhere]).await?;
    Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
}
