//! Customers: somebody who orders.

use kv_types::catalogue::{Customer, CustomerPatch, NewCustomer};
use kv_types::{CustomerId, Expected, TenantId};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::{first_row, own_page, page_limit, start_after};
use crate::idempotency::{Write, params};
use crate::session::Params;
use crate::statement::statements;
use crate::{Page, Store, StoreError};

statements! {
    /// One page, in the order of creation. See [`super`] for the inner limit.
    LIST_CUSTOMERS = own_page!("select id, code, name, email, phone, version, created_at, updated_at
        from customers where tenant_id = $1 and bound.tenant is not null and id > $2 order by id limit 101");
    /// One customer.
    GET_CUSTOMER = "select id, code, name, email, phone, version, created_at, updated_at
        from customers where tenant_id = $1 and id = $2";
    /// A new one.
    INSERT_CUSTOMER = "insert into customers (tenant_id, id, code, name, email, phone) values ($1, $2, $3, $4, $5, $6)
        returning id, code, name, email, phone, version, created_at, updated_at";
    /// Many new ones. Those whose code is taken are left out. In the order of their codes, so that two such statements meet the
    /// index in the same order and the later one waits instead of both.
    INSERT_CUSTOMERS = "insert into customers (tenant_id, id, code, name, email, phone)
        select $1, c.* from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) as c(id, code, name, email, phone)
         order by c.code
        on conflict on constraint customers_code do nothing returning id, version, created_at, updated_at";
    /// A change. Null keeps a required field; an optional one comes with a word on whether it is to be set.
    UPDATE_CUSTOMER = "update customers set code = coalesce($3, code), name = coalesce($4, name),
            email = case when $5::boolean then $6 else email end, phone = case when $7::boolean then $8 else phone end,
            version = version + 1, updated_at = now()
        where tenant_id = $1 and id = $2 and ($9::bigint[] is null or version = any($9))
        returning id, code, name, email, phone, version, created_at, updated_at";
    /// The end of one without orders.
    DELETE_CUSTOMER = "delete from customers where tenant_id = $1 and id = $2 and ($3::bigint[] is null or version = any($3)) returning id";
}

pub(crate) fn read(row: &Row) -> Result<Customer, Error> {
    Ok(Customer {
        id: CustomerId::from_uuid(row.try_get(0)?),
        code: row.try_get(1)?,
        name: row.try_get(2)?,
        email: row.try_get(3)?,
        phone: row.try_get(4)?,
        version: row.try_get(5)?,
        created_at: row.try_get(6)?,
        updated_at: row.try_get(7)?,
    })
}

/// The making of a customer.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `customers_code` when the code is taken.
pub fn creation(tenant: TenantId, new: &NewCustomer) -> Write<Customer> {
    let NewCustomer { code, name, email, phone } = new.clone();
    Write {
        tenant,
        statement: &INSERT_CUSTOMER,
        params: params![tenant.get(), Uuid::now_v7(), code, name, email, phone],
        read,
    }
}

/// The change of a customer: there may be none of this id, or none in a state that is expected.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `customers_code` when the new code is taken.
pub fn change(tenant: TenantId, id: CustomerId, patch: &CustomerPatch, expected: &Expected) -> Write<Customer> {
    let CustomerPatch { code, name, email, phone } = patch.clone();
    let (has_email, has_phone) = (email.is_some(), phone.is_some());
    Write {
        tenant,
        statement: &UPDATE_CUSTOMER,
        params: params![
            tenant.get(),
            id.uuid(),
            code,
            name,
            has_email,
            email.flatten(),
            has_phone,
            phone.flatten(),
            expected.versions()
        ],
        read,
    }
}

/// The end of a customer: there may be none of this id, or none in a state that is expected.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `orders_customer` when there are orders.
pub fn deletion(tenant: TenantId, id: CustomerId, expected: &Expected) -> Write<CustomerId> {
    let read = |row: &Row| row.try_get(0).map(CustomerId::from_uuid);
    Write { tenant, statement: &DELETE_CUSTOMER, params: params![tenant.get(), id.uuid(), expected.versions()], read }
}

impl Store {
    /// One page of customers, in the order of creation, behind `after`: at most [`super::MAX_PAGE`].
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub async fn customers(
        &self,
        tenant: TenantId,
        after: Option<CustomerId>,
        limit: i64,
    ) -> Result<Page<Customer>, StoreError> {
        let start = start_after(after.map(CustomerId::uuid));
        let limit = page_limit(limit);
        let rows = self.read_own(&LIST_CUSTOMERS, &[&tenant.get(), &start, &(limit + 1)]).await?;
        Ok(Page::from_rows(&rows, limit, read)?)
    }

    /// One customer; `None` when the tenant has none of this id.
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub async fn customer(&self, tenant: TenantId, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        let rows = self.run(tenant, &GET_CUSTOMER, &[&tenant.get(), &id.uuid()]).await?;
        first_row(&rows, read)
    }

    /// Makes a customer.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `customers_code` when the code is taken.
    /// # Cancel safety
    /// The customer exists wholly or not at all.
    pub async fn create_customer(&self, tenant: TenantId, new: &NewCustomer) -> Result<Customer, StoreError> {
        self.write(&creation(tenant, new)).await?.ok_or(StoreError::OutcomeUnknown)
    }

    /// Changes a customer; `None` when the tenant has none of this id.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `customers_code` when the new code is taken.
    /// # Cancel safety
    /// All fields change or none.
    pub async fn change_customer(
        &self,
        tenant: TenantId,
        id: CustomerId,
        patch: &CustomerPatch,
    ) -> Result<Option<Customer>, StoreError> {
        self.write(&change(tenant, id, patch, &Expected::Any)).await
    }

    /// Deletes a customer; `None` when the tenant has none of this id.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `orders_customer` when there are orders.
    /// # Cancel safety
    /// It is deleted or it is not.
    pub async fn delete_customer(&self, tenant: TenantId, id: CustomerId) -> Result<Option<CustomerId>, StoreError> {
        self.write(&deletion(tenant, id, &Expected::Any)).await
    }

    /// Makes many customers in one statement and says how many; those whose code is taken are left out.
    ///
    /// # Cancel safety
    /// All or none.
    pub async fn create_customers(&self, tenant: TenantId, new: &[NewCustomer]) -> Result<usize, StoreError> {
        let ids: Vec<Uuid> = new.iter().map(|_| Uuid::now_v7()).collect();
        let codes: Vec<&str> = new.iter().map(|customer| customer.code.as_str()).collect();
        let names: Vec<&str> = new.iter().map(|customer| customer.name.as_str()).collect();
        let emails: Vec<Option<&str>> = new.iter().map(|customer| customer.email.as_deref()).collect();
        let phones: Vec<Option<&str>> = new.iter().map(|customer| customer.phone.as_deref()).collect();
        let params: Params<'_> = &[&tenant.get(), &ids, &codes, &names, &emails, &phones];
        Ok(self.run(tenant, &INSERT_CUSTOMERS, params).await?.len())
    }
}
