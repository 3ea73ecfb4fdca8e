//! Reorder points: with how many available units a level is low.
//!
//! A level's point is no part of its ledger: it moves no units and has no version. The writers read it when they lock the level, so a
//! batch goes by the point that stands when it is decided.

use kv_types::stock::ReorderPoint;
use kv_types::{ProductId, TenantId, WarehouseId};
use tokio_postgres::{Error, Row};

use crate::idempotency::{Write, params};
use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// A level's point.
    GET_REORDER_POINT = "select product_id, warehouse_id, quantity, reorder_point from stock_levels
         where tenant_id = $1 and product_id = $2 and warehouse_id = $3";
    /// A level's new point, or none.
    SET_REORDER_POINT = "update stock_levels set reorder_point = $4
         where tenant_id = $1 and product_id = $2 and warehouse_id = $3
        returning product_id, warehouse_id, quantity, reorder_point";
}

fn read(row: &Row) -> Result<ReorderPoint, Error> {
    Ok(ReorderPoint {
        product_id: ProductId::from_uuid(row.try_get(0)?),
        warehouse_id: WarehouseId::from_uuid(row.try_get(1)?),
        quantity: row.try_get(2)?,
        reorder_point: row.try_get(3)?,
    })
}

/// The setting of a level's point: there may be no such level.
pub fn set_reorder_point(
    tenant: TenantId,
    (product, warehouse): (ProductId, WarehouseId),
    point: Option<i64>,
) -> Write<ReorderPoint> {
    let params = params![tenant.get(), product.uuid(), warehouse.uuid(), point];
    Write { tenant, statement: &SET_REORDER_POINT, params, read }
}

impl Store {
    /// A level's point; `None` when there is no such level.
    ///
    /// # Errors
    /// The store's.
    pub async fn reorder_point(
        &self,
        tenant: TenantId,
        (product, warehouse): (ProductId, WarehouseId),
    ) -> Result<Option<ReorderPoint>, StoreError> {
        let rows = self.run(tenant, &GET_REORDER_POINT, &[&tenant.get(), &product.uuid(), &warehouse.uuid()]).await?;
        Ok(rows.first().map(read).transpose()?)
    }

    /// Sets a level's point, or takes it away; `None` when there is no such level.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_reorder_point(
        &self,
        tenant: TenantId,
        key: (ProductId, WarehouseId),
        point: Option<i64>,
    ) -> Result<Option<ReorderPoint>, StoreError> {
        self.write(&set_reorder_point(tenant, key, point)).await
    }
}
