//! Warehouses: a place where stock lies.

use kv_types::catalogue::{NewWarehouse, Warehouse, WarehousePatch};
use kv_types::{Expected, TenantId, WarehouseId};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::{first_row, own_page, page_limit, start_after};
use crate::idempotency::{Write, params};
use crate::statement::statements;
use crate::{Page, Store, StoreError};

statements! {
    /// One page, in the order of creation. See [`super`] for the inner limit.
    LIST_WAREHOUSES = own_page!("select id, code, name, priority, active, version, created_at, updated_at
        from warehouses where tenant_id = $1 and bound.tenant is not null and id > $2 order by id limit 101");
    /// One warehouse.
    GET_WAREHOUSE = "select id, code, name, priority, active, version, created_at, updated_at
        from warehouses where tenant_id = $1 and id = $2";
    /// A new one.
    INSERT_WAREHOUSE = "insert into warehouses (tenant_id, id, code, name, priority, active) values ($1, $2, $3, $4, $5, $6)
        returning id, code, name, priority, active, version, created_at, updated_at";
    /// A change. Null keeps a field.
    UPDATE_WAREHOUSE = "update warehouses set code = coalesce($3, code), name = coalesce($4, name),
            priority = coalesce($5, priority), active = coalesce($6, active), version = version + 1, updated_at = now()
        where tenant_id = $1 and id = $2 and ($7::bigint[] is null or version = any($7))
        returning id, code, name, priority, active, version, created_at, updated_at";
    /// The end of one in which nothing ever lay.
    DELETE_WAREHOUSE = "delete from warehouses where tenant_id = $1 and id = $2 and ($3::bigint[] is null or version = any($3)) returning id";
}

pub(crate) fn read(row: &Row) -> Result<Warehouse, Error> {
    Ok(Warehouse {
        id: WarehouseId::from_uuid(row.try_get(0)?),
        code: row.try_get(1)?,
        name: row.try_get(2)?,
        priority: row.try_get(3)?,
        active: row.try_get(4)?,
        version: row.try_get(5)?,
        created_at: row.try_get(6)?,
        updated_at: row.try_get(7)?,
    })
}

/// The making of a warehouse.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `warehouses_code` when the code is taken.
pub fn creation(tenant: TenantId, new: &NewWarehouse) -> Write<Warehouse> {
    let NewWarehouse { code, name, priority, active } = new.clone();
    Write {
        tenant,
        statement: &INSERT_WAREHOUSE,
        params: params![tenant.get(), Uuid::now_v7(), code, name, priority, active],
        read,
    }
}

/// The change of a warehouse: there may be none of this id, or none in a state that is expected.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `warehouses_code` when the new code is taken.
pub fn change(tenant: TenantId, id: WarehouseId, patch: &WarehousePatch, expected: &Expected) -> Write<Warehouse> {
    let WarehousePatch { code, name, priority, active } = patch.clone();
    Write {
        tenant,
        statement: &UPDATE_WAREHOUSE,
        params: params![tenant.get(), id.uuid(), code, name, priority, active, expected.versions()],
        read,
    }
}

/// The end of a warehouse: there may be none of this id, or none in a state that is expected.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `stock_levels_warehouse` when stock ever lay in it.
pub fn deletion(tenant: TenantId, id: WarehouseId, expected: &Expected) -> Write<WarehouseId> {
    let read = |row: &Row| row.try_get(0).map(WarehouseId::from_uuid);
    Write { tenant, statement: &DELETE_WAREHOUSE, params: params![tenant.get(), id.uuid(), expected.versions()], read }
}

impl Store {
    /// One page of warehouses, in the order of creation, behind `after`: at most [`super::MAX_PAGE`].
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub async fn warehouses(
        &self,
        tenant: TenantId,
        after: Option<WarehouseId>,
        limit: i64,
    ) -> Result<Page<Warehouse>, StoreError> {
        let start = start_after(after.map(WarehouseId::uuid));
        let limit = page_limit(limit);
        let rows = self.read_own(&LIST_WAREHOUSES, &[&tenant.get(), &start, &(limit + 1)]).await?;
        Ok(Page::from_rows(&rows, limit, read)?)
    }

    /// One warehouse; `None` when the tenant has none of this id.
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub async fn warehouse(&self, tenant: TenantId, id: WarehouseId) -> Result<Option<Warehouse>, StoreError> {
        let rows = self.run(tenant, &GET_WAREHOUSE, &[&tenant.get(), &id.uuid()]).await?;
        first_row(&rows, read)
    }

    /// Makes a warehouse.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `warehouses_code` when the code is taken.
    /// # Cancel safety
    /// The warehouse exists wholly or not at all.
    pub async fn create_warehouse(&self, tenant: TenantId, new: &NewWarehouse) -> Result<Warehouse, StoreError> {
        self.write(&creation(tenant, new)).await?.ok_or(StoreError::OutcomeUnknown)
    }

    /// Changes a warehouse; `None` when the tenant has none of this id.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `warehouses_code` when the new code is taken.
    /// # Cancel safety
    /// All fields change or none.
    pub async fn change_warehouse(
        &self,
        tenant: TenantId,
        id: WarehouseId,
        patch: &WarehousePatch,
    ) -> Result<Option<Warehouse>, StoreError> {
        self.write(&change(tenant, id, patch, &Expected::Any)).await
    }

    /// Deletes a warehouse; `None` when the tenant has none of this id.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `stock_levels_warehouse` when stock ever lay in it.
    /// # Cancel safety
    /// It is deleted or it is not.
    pub async fn delete_warehouse(&self, tenant: TenantId, id: WarehouseId) -> Result<Option<WarehouseId>, StoreError> {
        self.write(&deletion(tenant, id, &Expected::Any)).await
    }
}
