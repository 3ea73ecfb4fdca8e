//! Tenants over the interface: for the platform, which knows all of them and sees nothing of what they have.
//!
//! The service's role reaches the table through three functions of the schema alone.

use jiff::Timestamp;
use kv_types::{TenantId, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::email_key;
use super::names::normal;
use crate::audit_log::{self, note_done};
use crate::idempotency::{Open, by_itself};
use crate::session::bind;
use crate::statement::statements;
use crate::{Page, Store, StoreError};

statements! {
    /// A new tenant.
    CREATE_TENANT = "select id, slug, name, status, created_at, suspended_at from app.create_tenant($1, $2)";
    /// Some tenants, in the order of their numbers.
    LIST_TENANTS = "select id, slug, name, status, created_at, suspended_at from app.list_tenants($1, $2)";
    /// Suspends a tenant, or lets it go on.
    SET_TENANT_STATUS = "select id, slug, name, status, created_at, suspended_at from app.set_tenant_status($1, $2)";
    /// A tenant's first account.
    INSERT_FIRST_OWNER = "insert into users (tenant_id, id, email, email_key, name, password_hash, role)
        values ($1, $2, $3, $4, $5, $6, 'owner') returning id";
}

/// Whether a tenant's accounts may do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantStatus {
    /// They may.
    Active,
    /// They may not; its data stay.
    Suspended,
}

impl TenantStatus {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    fn parse(raw: &str) -> Option<Self> {
        [Self::Active, Self::Suspended].into_iter().find(|status| status.as_str() == raw)
    }
}

/// A tenant as the platform sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its number.
    pub id: TenantId,
    /// Its short name.
    pub slug: String,
    /// The company's name.
    pub name: String,
    /// Whether it may do anything.
    pub status: TenantStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is suspended.
    pub suspended_at: Option<Timestamp>,
}

pub(super) fn read_tenant(row: &Row) -> Result<Tenant, StoreError> {
    let (id, status): (i64, String) = (row.try_get(0)?, row.try_get(3)?);
    Ok(Tenant {
        id: TenantId::new(id).ok_or(StoreError::Corrupt("a tenant's number"))?,
        slug: row.try_get(1)?,
        name: row.try_get(2)?,
        status: TenantStatus::parse(&status).ok_or(StoreError::Corrupt("a tenant's status"))?,
        created_at: row.try_get(4)?,
        suspended_at: row.try_get(5)?,
    })
}

/// A tenant to be made, with the account that manages the others.
#[derive(Clone)]
pub struct NewTenant {
    /// Its short name, unique.
    pub slug: String,
    /// The company's name.
    pub name: String,
    /// The first owner's address.
    pub owner_email: String,
    /// The first owner's name.
    pub owner_name: Option<String>,
    /// The first owner's password, hashed.
    pub password_hash: String,
}

impl std::fmt::Debug for NewTenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewTenant").field("slug", &self.slug).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a tenant and its first owner, both or neither.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] `tenants_slug_key` or `users_email` when the name or the address is taken.
    /// # Cancel safety
    /// It runs as a task of its own, to its end.
    pub async fn create_tenant(&self, new: NewTenant) -> Result<(Tenant, UserId), StoreError> {
        let store = self.clone();
        by_itself(false, audit_log::followed(async move { store.try_create_tenant(&new).await })).await
    }

    async fn try_create_tenant(&self, new: &NewTenant) -> Result<(Tenant, UserId), StoreError> {
        let transaction = Open::on(self).await?;
        match made_in(&transaction, new).await {
            Ok(made) => {
                transaction.commit().await?;
                Ok(made)
            }
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }

    /// Some tenants behind a number, in the order of their numbers.
    pub async fn tenants(&self, behind: i64, limit: i32) -> Result<Page<Tenant>, StoreError> {
        let rows = self.run_untenanted(&LIST_TENANTS, &[&behind, &(limit + 1)]).await?;
        Page::from_rows(&rows, i64::from(limit), read_tenant)
    }

    /// Suspends a tenant, or lets it go on; either may be so already. `None` when there is no such tenant.
    ///
    /// # Cancel safety
    /// It runs as a task of its own, to its end.
    pub async fn set_tenant_status(&self, id: TenantId, status: TenantStatus) -> Result<Option<Tenant>, StoreError> {
        let store = self.clone();
        by_itself(false, audit_log::followed(async move { store.try_set_status(id, status).await })).await
    }

    async fn try_set_status(&self, id: TenantId, status: TenantStatus) -> Result<Option<Tenant>, StoreError> {
        let transaction = Open::on(self).await?;
        let set = async {
            let rows = transaction.begin_with(id, &SET_TENANT_STATUS, &[&id.get(), &status.as_str()]).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            note_done(&transaction, id, audit_log::current().as_ref(), [Some(id.to_string())]).await?;
            read_tenant(row).map(Some)
        };
        match set.await {
            Ok(tenant) => {
                transaction.commit().await?;
                Ok(tenant)
            }
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }
}

async fn made_in(transaction: &Open, new: &NewTenant) -> Result<(Tenant, UserId), StoreError> {
    let rows = transaction.begin_free_with(&CREATE_TENANT, &[&new.slug, &normal(&new.name)]).await?;
    let tenant = read_tenant(rows.first().ok_or(StoreError::Corrupt("a new tenant"))?)?;
    // From here on the transaction is the new tenant's own.
    transaction.execute_text(&bind(tenant.id)).await?;
    let id = Uuid::now_v7();
    let (key, name) = (email_key(&new.owner_email), new.owner_name.as_deref().map(normal));
    transaction
        .query(
            &INSERT_FIRST_OWNER,
            &[&tenant.id.get(), &id, &normal(&new.owner_email), &key, &name, &new.password_hash],
        )
        .await?;
    let objects = [Some(tenant.id.to_string())];
    note_done(transaction, tenant.id, audit_log::current().as_ref(), objects).await?;
    Ok((tenant, UserId::from_uuid(id)))
}
