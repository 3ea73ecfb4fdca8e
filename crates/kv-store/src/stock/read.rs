//! Reading stock: levels, the ledger, reservations. Each one statement, one round trip.

use kv_types::stock::{Reservation, StockLevel, StockMovement};
use kv_types::{AdjustmentId, OrderId, ProductId, ReceiptId, ReservationId, TenantId, TransferId, WarehouseId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::session::Params;
use crate::statement::statements;
use crate::{Page, Store, StoreError};

statements! {
    /// One level.
    GET_LEVEL = "select product_id, warehouse_id, quantity, reserved_quantity, shipped_quantity, received_quantity, version, updated_at, backorder_limit
          from stock_levels where tenant_id = $1 and product_id = $2 and warehouse_id = $3";
    /// Levels in key order, after ($2, $3), up to product $4, of warehouse $5 when one is given. A product's own levels are a
    /// range of the key, so that naming one never means reading the others.
    LIST_LEVELS = "select product_id, warehouse_id, quantity, reserved_quantity, shipped_quantity, received_quantity, version, updated_at, backorder_limit
          from stock_levels
         where tenant_id = $1 and (product_id, warehouse_id) > ($2, $3) and product_id <= $4
           and ($5::uuid is null or warehouse_id = $5)
         order by product_id, warehouse_id limit $6";
    /// A level's ledger after version $4.
    LIST_MOVEMENTS = "select version, kind, d_quantity, d_reserved, d_shipped, d_received, quantity_after, reserved_after,
               reservation_id, order_id, receipt_id, adjustment_id, transfer_id, reason, created_at
          from stock_movements
         where tenant_id = $1 and product_id = $2 and warehouse_id = $3 and version > $4 order by version limit $5";
    /// One reservation's lines.
    GET_RESERVATION = "select id, status, order_id, reference, created_at, product_id, warehouse_id, quantity,
               fulfilled_quantity, level_version, expires_at, returned_quantity, last_version
          from reservations where tenant_id = $1 and id = $2 order by product_id, warehouse_id";
}

/// Which levels to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct LevelFilter {
    /// Only this product's.
    pub product: Option<ProductId>,
    /// Only this warehouse's.
    pub warehouse: Option<WarehouseId>,
}

impl Store {
    /// One stock level.
    pub async fn stock_level(
        &self,
        tenant: TenantId,
        product: ProductId,
        warehouse: WarehouseId,
    ) -> Result<Option<StockLevel>, StoreError> {
        let rows = self.run(tenant, &GET_LEVEL, &[&tenant.get(), &product.uuid(), &warehouse.uuid()]).await?;
        Ok(rows.first().map(read_level).transpose()?)
    }

    /// A page of stock levels in key order.
    pub async fn stock_levels(
        &self,
        tenant: TenantId,
        filter: LevelFilter,
        after: Option<(ProductId, WarehouseId)>,
        limit: i64,
    ) -> Result<Page<StockLevel>, StoreError> {
        let first = filter.product.map_or(Uuid::nil(), ProductId::uuid);
        let last = filter.product.map_or(Uuid::max(), ProductId::uuid);
        let start =
            after.map(|(product, warehouse)| (product.uuid(), warehouse.uuid())).max(Some((first, Uuid::nil())));
        let (product, warehouse) = start.unwrap_or_default();
        let only_warehouse = filter.warehouse.map(WarehouseId::uuid);
        let params: Params<'_> = &[&tenant.get(), &product, &warehouse, &last, &only_warehouse, &(limit + 1)];
        let rows = self.run(tenant, &LIST_LEVELS, params).await?;
        Ok(Page::from_rows(&rows, limit, read_level)?)
    }

    /// A page of a level's ledger after a version.
    pub async fn stock_movements(
        &self,
        tenant: TenantId,
        (product, warehouse): (ProductId, WarehouseId),
        after: i64,
        limit: i64,
    ) -> Result<Page<StockMovement>, StoreError> {
        let params: Params<'_> = &[&tenant.get(), &product.uuid(), &warehouse.uuid(), &after, &(limit + 1)];
        let rows = self.run(tenant, &LIST_MOVEMENTS, params).await?;
        Ok(Page::from_rows(&rows, limit, read_movement)?)
    }

    /// One reservation.
    pub async fn reservation(&self, tenant: TenantId, id: ReservationId) -> Result<Option<Reservation>, StoreError> {
        let rows = self.run(tenant, &GET_RESERVATION, &[&tenant.get(), &id.uuid()]).await?;
        Ok(super::rows::read_reservations(&rows)?.pop())
    }
}

pub(crate) fn read_level(row: &Row) -> Result<StockLevel, tokio_postgres::Error> {
    let (quantity, reserved_quantity): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
    Ok(StockLevel {
        product_id: ProductId::from_uuid(row.try_get(0)?),
        warehouse_id: WarehouseId::from_uuid(row.try_get(1)?),
        quantity,
        reserved_quantity,
        on_hand_quantity: quantity + reserved_quantity,
        shipped_quantity: row.try_get(4)?,
        received_quantity: row.try_get(5)?,
        backorder_limit: row.try_get(8)?,
        version: row.try_get(6)?,
        updated_at: row.try_get(7)?,
    })
}

pub(crate) fn read_movement(row: &Row) -> Result<StockMovement, tokio_postgres::Error> {
    Ok(StockMovement {
        version: row.try_get(0)?,
        kind: row.try_get(1)?,
        d_quantity: row.try_get(2)?,
        d_reserved: row.try_get(3)?,
        d_shipped: row.try_get(4)?,
        d_received: row.try_get(5)?,
        quantity_after: row.try_get(6)?,
        reserved_after: row.try_get(7)?,
        reservation_id: row.try_get::<_, Option<Uuid>>(8)?.map(ReservationId::from_uuid),
        order_id: row.try_get::<_, Option<Uuid>>(9)?.map(OrderId::from_uuid),
        receipt_id: row.try_get::<_, Option<Uuid>>(10)?.map(ReceiptId::from_uuid),
        adjustment_id: row.try_get::<_, Option<Uuid>>(11)?.map(AdjustmentId::from_uuid),
        transfer_id: row.try_get::<_, Option<Uuid>>(12)?.map(TransferId::from_uuid),
        reason: row.try_get(13)?,
        created_at: row.try_get(14)?,
    })
}
