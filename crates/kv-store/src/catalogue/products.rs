//! Products: something that is stocked.

use kv_types::catalogue::{NewProduct, Product, ProductPatch};
use kv_types::{Expected, MinorUnits, ProductId, TenantId};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::{first_row, own_page, page_limit, start_after};
use crate::idempotency::{Write, params};
use crate::session::Params;
use crate::statement::statements;
use crate::{Page, Store, StoreError};

statements! {
    /// One page, in the order of creation. See [`super`] for the inner limit.
    LIST_PRODUCTS = own_page!("select id, sku, name, description, uom, price_minor, currency, active, version, created_at, updated_at
        from products where tenant_id = $1 and bound.tenant is not null and id > $2 order by id limit 101");
    /// One product.
    GET_PRODUCT = "select id, sku, name, description, uom, price_minor, currency, active, version, created_at, updated_at
        from products where tenant_id = $1 and id = $2";
    /// A new one.
    INSERT_PRODUCT = "insert into products (tenant_id, id, sku, name, description, uom, price_minor, currency, active)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        returning id, sku, name, description, uom, price_minor, currency, active, version, created_at, updated_at";
    /// Many new ones. Those whose SKU is taken are left out. In the order of their SKUs, so that two such statements meet the
    /// index in the same order and the later one waits instead of both.
    INSERT_PRODUCTS = "insert into products (tenant_id, id, sku, name, description, uom, price_minor, currency, active)
        select $1, c.* from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::boolean[])
               as c(id, sku, name, description, uom, price_minor, currency, active)
         order by c.sku
        on conflict on constraint products_sku do nothing returning id, version, created_at, updated_at";
    /// A change. Null keeps a required field; the optional one comes with a word on whether it is to be set.
    UPDATE_PRODUCT = "update products set sku = coalesce($3, sku), name = coalesce($4, name),
            description = case when $5::boolean then $6 else description end, uom = coalesce($7, uom),
            price_minor = coalesce($8, price_minor), currency = coalesce($9, currency), active = coalesce($10, active),
            version = version + 1, updated_at = now()
        where tenant_id = $1 and id = $2 and ($11::bigint[] is null or version = any($11))
        returning id, sku, name, description, uom, price_minor, currency, active, version, created_at, updated_at";
    /// The end of one that was never stocked or ordered.
    DELETE_PRODUCT = "delete from products where tenant_id = $1 and id = $2 and ($3::bigint[] is null or version = any($3)) returning id";
}

pub(crate) fn read(row: &Row) -> Result<Product, Error> {
    Ok(Product {
        id: ProductId::from_uuid(row.try_get(0)?),
        sku: row.try_get(1)?,
        name: row.try_get(2)?,
        description: row.try_get(3)?,
        uom: row.try_get(4)?,
        price_minor: row.try_get(5)?,
        currency: row.try_get(6)?,
        active: row.try_get(7)?,
        version: row.try_get(8)?,
        created_at: row.try_get(9)?,
        updated_at: row.try_get(10)?,
    })
}

/// The making of a product.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `products_sku` when the SKU is taken.
pub fn creation(tenant: TenantId, new: &NewProduct) -> Write<Product> {
    let NewProduct { sku, name, description, uom, price, currency, active } = new.clone();
    let (id, currency) = (Uuid::now_v7(), currency.as_str().to_owned());
    Write {
        tenant,
        statement: &INSERT_PRODUCT,
        params: params![tenant.get(), id, sku, name, description, uom, price.get(), currency, active],
        read,
    }
}

/// The change of a product: there may be none of this id, or none in a state that is expected. Orders already placed keep their price.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `products_sku` when the new SKU is taken.
pub fn change(tenant: TenantId, id: ProductId, patch: &ProductPatch, expected: &Expected) -> Write<Product> {
    let ProductPatch { sku, name, description, uom, price, currency, active } = patch.clone();
    let currency = currency.as_ref().map(|currency| currency.as_str().to_owned());
    Write {
        tenant,
        statement: &UPDATE_PRODUCT,
        params: params![
            tenant.get(),
            id.uuid(),
            sku,
            name,
            description.is_some(),
            description.flatten(),
            uom,
            price.map(MinorUnits::get),
            currency,
            active,
            expected.versions()
        ],
        read,
    }
}

/// The end of a product: there may be none of this id, or none in a state that is expected.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `stock_levels_product` or `order_items_product` when it was ever stocked or
/// ordered.
pub fn deletion(tenant: TenantId, id: ProductId, expected: &Expected) -> Write<ProductId> {
    let read = |row: &Row| row.try_get(0).map(ProductId::from_uuid);
    Write { tenant, statement: &DELETE_PRODUCT, params: params![tenant.get(), id.uuid(), expected.versions()], read }
}

impl Store {
    /// One page of products, in the order of creation, behind `after`: at most [`super::MAX_PAGE`].
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub async fn products(
        &self,
        tenant: TenantId,
        after: Option<ProductId>,
        limit: i64,
    ) -> Result<Page<Product>, StoreError> {
        let start = start_after(after.map(ProductId::uuid));
        let limit = page_limit(limit);
        let rows = self.read_own(&LIST_PRODUCTS, &[&tenant.get(), &start, &(limit + 1)]).await?;
        Ok(Page::from_rows(&rows, limit, read)?)
    }

    /// One product; `None` when the tenant has none of this id.
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub async fn product(&self, tenant: TenantId, id: ProductId) -> Result<Option<Product>, StoreError> {
        let rows = self.run(tenant, &GET_PRODUCT, &[&tenant.get(), &id.uuid()]).await?;
        first_row(&rows, read)
    }

    /// Makes a product.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `products_sku` when the SKU is taken.
    /// # Cancel safety
    /// The product exists wholly or not at all.
    pub async fn create_product(&self, tenant: TenantId, new: &NewProduct) -> Result<Product, StoreError> {
        self.write(&creation(tenant, new)).await?.ok_or(StoreError::OutcomeUnknown)
    }

    /// Changes a product; `None` when the tenant has none of this id. Orders already placed keep their price.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `products_sku` when the new SKU is taken.
    /// # Cancel safety
    /// All fields change or none.
    pub async fn change_product(
        &self,
        tenant: TenantId,
        id: ProductId,
        patch: &ProductPatch,
    ) -> Result<Option<Product>, StoreError> {
        self.write(&change(tenant, id, patch, &Expected::Any)).await
    }

    /// Deletes a product; `None` when the tenant has none of this id.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `stock_levels_product` or `order_items_product` when it was ever stocked or ordered.
    /// # Cancel safety
    /// It is deleted or it is not.
    pub async fn delete_product(&self, tenant: TenantId, id: ProductId) -> Result<Option<ProductId>, StoreError> {
        self.write(&deletion(tenant, id, &Expected::Any)).await
    }

    /// Makes many products in one statement and says how many; those whose SKU is taken are left out.
    ///
    /// # Cancel safety
    /// All or none.
    pub async fn create_products(&self, tenant: TenantId, new: &[NewProduct]) -> Result<usize, StoreError> {
        let ids: Vec<Uuid> = new.iter().map(|_| Uuid::now_v7()).collect();
        let skus: Vec<&str> = new.iter().map(|product| product.sku.as_str()).collect();
        let names: Vec<&str> = new.iter().map(|product| product.name.as_str()).collect();
        let descriptions: Vec<Option<&str>> = new.iter().map(|product| product.description.as_deref()).collect();
        let uoms: Vec<&str> = new.iter().map(|product| product.uom.as_str()).collect();
        let prices: Vec<i64> = new.iter().map(|product| product.price.get()).collect();
        let currencies: Vec<&str> = new.iter().map(|product| product.currency.as_str()).collect();
        let actives: Vec<bool> = new.iter().map(|product| product.active).collect();
        let params: Params<'_> =
            &[&tenant.get(), &ids, &skus, &names, &descriptions, &uoms, &prices, &currencies, &actives];
        Ok(self.run(tenant, &INSERT_PRODUCTS, params).await?.len())
    }
}
