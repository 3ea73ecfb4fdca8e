//! The proof of the ledger: what must hold for every stock level and every order, asked of the tables as they are.
//!
//! Per level: conservation; the movements' sums are the row; their versions run from 1 to the row's without a gap, and each one's
//! after-image is the sum up to it; what is held is what pending reservations hold, and each reservation is what its movements say;
//! transfers balance. No movement and no reservation is without its level. Per order: its reservation holds or has shipped what its
//! lines ask for, as far as its state says; of an order that was cancelled or has expired it holds nothing.
//!
//! Everything is read on one snapshot, so writers may go on meanwhile.

use std::time::Duration;

use kv_types::{OrderId, ProductId, TenantId, WarehouseId};
use tokio::time::timeout;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::plan::Connection;
use crate::session::{Params, SNAPSHOT, begin};
use crate::statement::statements;
use crate::watched::Watched;
use crate::{Store, StoreError};

statements! {
    /// Gives the transaction's later statements a limit of their own: they read whole tables.
    AUDIT_LIMIT = "select set_config('statement_timeout', $1::text, true)";
    /// Levels at fault, with the fault; no row when all is well.
    AUDIT_LEVELS = "select * from (with level as (
            select product_id, warehouse_id, quantity, reserved_quantity as reserved, shipped_quantity as shipped,
                   received_quantity as received, version, backorder_limit from stock_levels where tenant_id = $1),
        ledger as (
            select product_id, warehouse_id, count(*) as movements, max(version) as last_version,
                   sum(d_quantity) as quantity, sum(d_reserved) as reserved, sum(d_shipped) as shipped, sum(d_received) as received
              from stock_movements where tenant_id = $1 group by product_id, warehouse_id),
        images as (
            select distinct product_id, warehouse_id from (
                select product_id, warehouse_id, quantity_after, reserved_after,
                       sum(d_quantity) over w as quantity, sum(d_reserved) over w as reserved
                  from stock_movements where tenant_id = $1
                window w as (partition by product_id, warehouse_id order by version)) image
             where (quantity_after, reserved_after) is distinct from (quantity, reserved)),
        held as (
            select product_id, warehouse_id, sum(quantity - fulfilled_quantity) filter (where status = 'pending') as quantity
              from reservations where tenant_id = $1 group by product_id, warehouse_id),
        booked as (
            select reservation_id as id, product_id, warehouse_id, sum(d_reserved) as reserved, sum(d_shipped) as shipped,
                   min(version) as level_version, max(version) as last_version
              from stock_movements where tenant_id = $1 and reservation_id is not null
             group by reservation_id, product_id, warehouse_id),
        claimed as (
            select id, product_id, warehouse_id, level_version, last_version,
                   fulfilled_quantity - returned_quantity as shipped,
                   case status when 'pending' then quantity - fulfilled_quantity else 0 end as reserved
              from reservations where tenant_id = $1),
        odd as (
            select distinct product_id, warehouse_id
              from claimed c full join booked b using (id, product_id, warehouse_id)
             where (b.reserved, b.shipped, b.level_version, b.last_version)
                   is distinct from (c.reserved, c.shipped, c.level_version, c.last_version)),
        moved as (
            select distinct product_id, warehouse_id from (
                select product_id, warehouse_id, sum(d_received) over (partition by transfer_id, product_id) as rest
                  from stock_movements where tenant_id = $1 and transfer_id is not null) transferred
             where rest <> 0)
        select product_id, warehouse_id, case
                 when l.version is null then 'movements or reservations are without a level'
                 when l.quantity + l.reserved + l.shipped <> l.received then 'units are not conserved'
                 when l.quantity < -l.backorder_limit or l.quantity + l.reserved < 0 then 'more is promised than may be'
                 when coalesce(m.last_version, 0) <> l.version or coalesce(m.movements, 0) <> l.version
                     then 'the ledger has a gap'
                 when (coalesce(m.quantity, 0), coalesce(m.reserved, 0), coalesce(m.shipped, 0), coalesce(m.received, 0))
                      <> (l.quantity, l.reserved, l.shipped, l.received)
                     then 'the ledger does not sum to the level'
                 when i.product_id is not null then 'an after-image differs from the sum so far'
                 when coalesce(h.quantity, 0) <> l.reserved then 'held units are not those of the pending reservations'
                 when o.product_id is not null then 'a reservation is not what its movements say'
                 when t.product_id is not null then 'a transfer does not balance'
               end as fault
          from level l
          full join ledger m using (product_id, warehouse_id)
          full join held h using (product_id, warehouse_id)
          left join images i using (product_id, warehouse_id)
          left join odd o using (product_id, warehouse_id)
          left join moved t using (product_id, warehouse_id)) judged
         where fault is not null order by product_id, warehouse_id";
    /// Orders at fault, with the product where it is one's; no row when all is well.
    AUDIT_ORDERS = "select * from (with placed as (
            select id as order_id, status from orders where tenant_id = $1),
        asked as (
            select order_id, product_id, sum(quantity) as units
              from order_items where tenant_id = $1 group by order_id, product_id),
        held as (
            select order_id, product_id, sum(quantity) filter (where status in ('pending', 'fulfilled')) as units,
                   count(*) filter (where status <> 'released') as unreleased,
                   count(*) filter (where status <> 'expired') as unexpired
              from reservations where tenant_id = $1 and order_id is not null group by order_id, product_id),
        progress as (
            select order_id, sum(fulfilled_quantity) as gone,
                   sum(quantity - fulfilled_quantity) filter (where status = 'pending') as left_over
              from reservations where tenant_id = $1 and order_id is not null group by order_id)
        select order_id, product_id, case
                 when o.status is null then 'lines or reservations are without an order'
                 when product_id is null then 'the order has no lines'
                 when o.status = 'cancelled' and coalesce(h.unreleased, 0) > 0
                     then 'stock of a cancelled order was not given back'
                 when o.status = 'expired' and coalesce(h.unexpired, 0) > 0
                     then 'stock of an expired order was not given back'
                 when o.status not in ('cancelled', 'expired') and coalesce(h.units, 0) <> coalesce(a.units, 0)
                     then 'held units are not those of the order'
                 when (coalesce(p.gone, 0) > 0) <> (o.status in ('partially_fulfilled', 'fulfilled'))
                   or (coalesce(p.left_over, 0) > 0) <> (o.status in ('pending', 'confirmed', 'partially_fulfilled'))
                     then 'the order is not where its stock is'
               end as fault
          from asked a
          full join held h using (order_id, product_id)
          full join placed o using (order_id)
          left join progress p using (order_id)) judged
         where fault is not null order by order_id, product_id";
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerFault {
    /// Of a stock level.
    Level {
        /// The level's product.
        product: ProductId,
        /// The level's warehouse.
        warehouse: WarehouseId,
        /// What does not hold.
        fault: String,
    },
    /// Of an order and what holds its stock.
    Order {
        /// The order.
        order: OrderId,
        /// The product for which it does not hold; `None` for an order without any.
        product: Option<ProductId>,
        /// What does not hold.
        fault: String,
    },
}

impl Store {
    /// [`Store::audit_stock_within`] five minutes.
    ///
    /// # Errors
    /// As there.
    /// # Cancel safety
    /// As there.
    pub async fn audit_stock(&self, tenant: TenantId) -> Result<Vec<LedgerFault>, StoreError> {
        self.audit_stock_within(tenant, Duration::from_mins(5)).await
    }

    /// Every level and every order of the tenant for which something does not hold; empty when all is well. Reads the whole
    /// ledger, on one snapshot, of a replica if the task wants no more than one has.
    ///
    /// # Errors
    /// [`StoreError::LockTimeout`] when the ledger is too long to be read within `limit`, or somebody holds a lock on it.
    /// # Cancel safety
    /// Nothing is written. PostgreSQL is told to stop when the future is dropped, and stops by itself after `limit`.
    pub async fn audit_stock_within(&self, tenant: TenantId, limit: Duration) -> Result<Vec<LedgerFault>, StoreError> {
        let proving = async {
            if let Some(replica) = self.replica().await {
                let answer = faults_on(replica.connection().await, tenant, limit).await;
                if let Some(answer) = self.of_replica(replica, answer) {
                    return answer;
                }
            }
            faults_on(self.connection().await, tenant, limit).await
        };
        timeout(limit, proving).await.map_err(|_late| StoreError::LockTimeout)?
    }
}

async fn faults_on(
    connection: Result<Connection, StoreError>,
    tenant: TenantId,
    limit: Duration,
) -> Result<Vec<LedgerFault>, StoreError> {
    let watched = Watched::on(connection?);
    let faults = read_faults(watched.client(), tenant, limit).await;
    watched.give_back();
    faults
}

async fn read_faults(client: &Connection, tenant: TenantId, limit: Duration) -> Result<Vec<LedgerFault>, StoreError> {
    let set = client.prepare_cached(AUDIT_LIMIT.sql()).await?;
    let levels = client.prepare_cached(AUDIT_LEVELS.sql()).await?;
    let orders = client.prepare_cached(AUDIT_ORDERS.sql()).await?;
    let (opening, number) = (begin(SNAPSHOT, tenant), tenant.get());
    let limit = format!("{}ms", limit.as_millis());
    let (limit, number): (Params<'_>, Params<'_>) = (&[&limit], &[&number]);
    let (begun, set, levels, orders, committed) = futures_util::join!(
        client.batch_execute(&opening),
        client.query(&set, limit),
        client.query(&levels, number),
        client.query(&orders, number),
        client.batch_execute("commit"),
    );
    let (levels, orders) = begun.and(set).and(levels).and_then(|levels| Ok((levels, orders?)))?;
    committed?;
    Ok(levels.iter().map(read_level).chain(orders.iter().map(read_order)).collect::<Result<_, _>>()?)
}

fn read_level(row: &Row) -> Result<LedgerFault, tokio_postgres::Error> {
    Ok(LedgerFault::Level {
        product: ProductId::from_uuid(row.try_get(0)?),
        warehouse: WarehouseId::from_uuid(row.try_get(1)?),
        fault: row.try_get(2)?,
    })
}

fn read_order(row: &Row) -> Result<LedgerFault, tokio_postgres::Error> {
    Ok(LedgerFault::Order {
        order: OrderId::from_uuid(row.try_get(0)?),
        product: row.try_get::<_, Option<Uuid>>(1)?.map(ProductId::from_uuid),
        fault: row.try_get(2)?,
    })
}
