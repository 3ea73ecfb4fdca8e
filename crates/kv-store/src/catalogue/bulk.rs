//! Rows of the catalogue that are made many at a time: one statement, a column a parameter.
//!
//! Invariant: such statements meet the unique index in the order of the tenant's own words, so that the later of two waits instead
//! of both.

use jiff::Timestamp;
use kv_types::catalogue::{Customer, NewCustomer, NewProduct, NewWarehouse, Product, Warehouse};
use kv_types::{CustomerId, ProductId, TenantId, WarehouseId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::customers::INSERT_CUSTOMERS;
use super::products::INSERT_PRODUCTS;
use crate::StoreError;
use crate::idempotency::{Param, params};
use crate::statement::{Statement, statements};

statements! {
    /// Many new warehouses. Those whose code is taken are left out.
    INSERT_WAREHOUSES = "insert into warehouses (tenant_id, id, code, name, priority, active)
        select $1, c.* from unnest($2::uuid[], $3::text[], $4::text[], $5::integer[], $6::boolean[])
               as c(id, code, name, priority, active)
         order by c.code
        on conflict on constraint warehouses_code do nothing returning id, version, created_at, updated_at";
    /// Many customers: new ones, and changes of those whose code is known, as far as $7 names their columns. A statement must not
    /// name a code twice.
    UPSERT_CUSTOMERS = "insert into customers (tenant_id, id, code, name, email, phone)
        select $1, c.* from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) as c(id, code, name, email, phone)
         order by c.code
        on conflict on constraint customers_code do update
           set name = excluded.name,
               email = case when 'email' = any($7::text[]) then excluded.email else customers.email end,
               phone = case when 'phone' = any($7::text[]) then excluded.phone else customers.phone end, version = customers.version + 1,
               updated_at = now()
        returning id, version, created_at, updated_at";
    /// Many products, likewise; $10 names the columns.
    UPSERT_PRODUCTS = "insert into products (tenant_id, id, sku, name, description, uom, price_minor, currency, active)
        select $1, c.* from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::boolean[])
               as c(id, sku, name, description, uom, price_minor, currency, active)
         order by c.sku
        on conflict on constraint products_sku do update
           set name = excluded.name, price_minor = excluded.price_minor, currency = excluded.currency,
               description = case when 'description' = any($10::text[]) then excluded.description else products.description end,
               uom = case when 'uom' = any($10::text[]) then excluded.uom else products.uom end,
               active = case when 'active' = any($10::text[]) then excluded.active else products.active end, version = products.version + 1, updated_at = now()
        returning id, version, created_at, updated_at";
}

/// What the database says of a row that was made.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Its id.
    pub id: Uuid,
    /// Its version.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Stamp {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get(0)?,
            version: row.try_get(1)?,
            created_at: row.try_get(2)?,
            updated_at: row.try_get(3)?,
        })
    }
}

/// A row to be made, one of many.
pub trait BulkRow: Clone + Send + Sync + 'static {
    /// What is made of it.
    type Made: Send + Sync + 'static;
    /// Makes those whose word is not taken.
    const INSERT: &'static Statement;

    /// The tenant's own word for it, unique within the tenant.
    fn word(&self) -> &str;
    /// The statement's parameters behind the tenant and the ids, a column each.
    fn columns(rows: &[&Self]) -> Vec<Box<dyn ToSql + Sync + Send>>;
    /// The row as it is shown.
    fn made(&self, stamp: Stamp) -> Self::Made;
}

/// All parameters of a statement for some rows.
pub(crate) fn params_of<N: BulkRow>(tenant: TenantId, ids: Vec<Uuid>, rows: &[&N]) -> Vec<Param> {
    let mut params = params![tenant.get(), ids];
    params.extend(N::columns(rows));
    params
}

fn column<N, T>(rows: &[&N], value: impl Fn(&N) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

impl BulkRow for NewCustomer {
    type Made = Customer;
    const INSERT: &'static Statement = &INSERT_CUSTOMERS;

    fn word(&self) -> &str {
        &self.code
    }

    fn columns(rows: &[&Self]) -> Vec<Param> {
        params![
            column(rows, |row| row.code.clone()),
            column(rows, |row| row.name.clone()),
            column(rows, |row| row.email.clone()),
            column(rows, |row| row.phone.clone()),
        ]
    }

    fn made(&self, stamp: Stamp) -> Customer {
        let Self { code, name, email, phone } = self.clone();
        let Stamp { id, version, created_at, updated_at } = stamp;
        Customer { id: CustomerId::from_uuid(id), code, name, email, phone, version, created_at, updated_at }
    }
}

impl BulkRow for NewProduct {
    type Made = Product;
    const INSERT: &'static Statement = &INSERT_PRODUCTS;

    fn word(&self) -> &str {
        &self.sku
    }

    fn columns(rows: &[&Self]) -> Vec<Param> {
        params![
            column(rows, |row| row.sku.clone()),
            column(rows, |row| row.name.clone()),
            column(rows, |row| row.description.clone()),
            column(rows, |row| row.uom.clone()),
            column(rows, |row| row.price.get()),
            column(rows, |row| row.currency.as_str().to_owned()),
            column(rows, |row| row.active),
        ]
    }

    fn made(&self, stamp: Stamp) -> Product {
        let Self { sku, name, description, uom, price, currency, active } = self.clone();
        let Stamp { id, version, created_at, updated_at } = stamp;
        Product {
            id: ProductId::from_uuid(id),
            sku,
            name,
            description,
            uom,
            price_minor: price.get(),
            currency: currency.as_str().to_owned(),
            active,
            version,
            created_at,
            updated_at,
        }
    }
}

impl BulkRow for NewWarehouse {
    type Made = Warehouse;
    const INSERT: &'static Statement = &INSERT_WAREHOUSES;

    fn word(&self) -> &str {
        &self.code
    }

    fn columns(rows: &[&Self]) -> Vec<Param> {
        params![
            column(rows, |row| row.code.clone()),
            column(rows, |row| row.name.clone()),
            column(rows, |row| row.priority),
            column(rows, |row| row.active),
        ]
    }

    fn made(&self, stamp: Stamp) -> Warehouse {
        let Self { code, name, priority, active } = self.clone();
        let Stamp { id, version, created_at, updated_at } = stamp;
        Warehouse { id: WarehouseId::from_uuid(id), code, name, priority, active, version, created_at, updated_at }
    }
}
