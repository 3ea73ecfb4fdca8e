//! The proof of the ledger: what must hold for every stock level, asked of the tables as they are.
//!
//! Per level: conservation; the movements' sums are the row; their versions run from 1 to the row's without a gap, and each one's
//! after-image is the sum up to it; what is held is what pending reservations hold.

use kv_types::{ProductId, TenantId, WarehouseId};

use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// Levels at fault, with the fault; no row when all is well.
    AUDIT_LEVELS = "with ledger as (
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
            select product_id, warehouse_id, sum(quantity) as quantity
              from reservations where tenant_id = $1 and status = 'pending' group by product_id, warehouse_id)
        select l.product_id, l.warehouse_id, case
                 when l.quantity + l.reserved_quantity + l.shipped_quantity <> l.received_quantity then 'units are not conserved'
                 when coalesce(m.last_version, 0) <> l.version or coalesce(m.movements, 0) <> l.version
                     then 'the ledger has a gap'
                 when (coalesce(m.quantity, 0), coalesce(m.reserved, 0), coalesce(m.shipped, 0), coalesce(m.received, 0))
                      <> (l.quantity, l.reserved_quantity, l.shipped_quantity, l.received_quantity)
                     then 'the ledger does not sum to the level'
                 when i.product_id is not null then 'an after-image differs from the sum so far'
                 else 'held units are not those of the pending reservations' end
          from stock_levels l
          left join ledger m using (product_id, warehouse_id)
          left join images i using (product_id, warehouse_id)
          left join held h using (product_id, warehouse_id)
         where l.tenant_id = $1
           and (l.quantity + l.reserved_quantity + l.shipped_quantity <> l.received_quantity
                or coalesce(m.last_version, 0) <> l.version or coalesce(m.movements, 0) <> l.version
                or (coalesce(m.quantity, 0), coalesce(m.reserved, 0), coalesce(m.shipped, 0), coalesce(m.received, 0))
                   <> (l.quantity, l.reserved_quantity, l.shipped_quantity, l.received_quantity)
                or i.product_id is not null
                or coalesce(h.quantity, 0) <> l.reserved_quantity)
         order by 1, 2";
}

/// A level for which something does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFault {
    /// The level's product.
    pub product: ProductId,
    /// The level's warehouse.
    pub warehouse: WarehouseId,
    /// What does not hold.
    pub fault: String,
}

impl Store {
    /// Every level of the tenant for which something does not hold; empty when all is well. Reads the whole ledger.
    ///
    /// # Errors
    /// [`StoreError::LockTimeout`] when the ledger is too long to be read within the session's statement limit.
    pub async fn audit_stock(&self, tenant: TenantId) -> Result<Vec<LedgerFault>, StoreError> {
        let rows = self.run(tenant, &AUDIT_LEVELS, &[&tenant.get()]).await?;
        rows.iter()
            .map(|row| {
                Ok(LedgerFault {
                    product: ProductId::from_uuid(row.try_get(0)?),
                    warehouse: WarehouseId::from_uuid(row.try_get(1)?),
                    fault: row.try_get(2)?,
                })
            })
            .collect()
    }
}
