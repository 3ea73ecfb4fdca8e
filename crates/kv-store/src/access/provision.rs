//! Tenants, accounts and API tokens, made by whoever administers the database.
//!
//! It runs over a connection that may act as `kv_owner`, never over the service's own. Row-level security is forced on the owner
//! too, so each write to an account or a token names its tenant first, in the transaction that makes it. Reading is another
//! matter: `kv_owner` is a member of `kv_auth` and therefore under its policies, which show every tenant's accounts and tokens.

use jiff::Timestamp;
use kv_types::{TenantId, UserId};
use thiserror::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::tenants::{Tenant, TenantStatus, read_tenant};
use super::{Role, TokenHash, email_key};
use crate::server::Server;

/// Why nothing was made.
#[derive(Debug, Error)]
pub enum ProvisionError {
    /// The name is taken.
    #[error("{what} \"{name}\" exists already")]
    Exists {
        /// `tenant` or `user`.
        what: &'static str,
        /// The name asked for.
        name: String,
    },
    /// There is no such tenant or account.
    #[error("there is no {what} \"{name}\"")]
    Missing {
        /// `tenant` or `user`.
        what: &'static str,
        /// The name asked for.
        name: String,
    },
    /// PostgreSQL refused or was not reachable.
    #[error("PostgreSQL refused")]
    Postgres(#[from] tokio_postgres::Error),
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewUser<'a> {
    /// The tenant's slug.
    pub tenant: &'a str,
    /// The address to log in with, unique over all tenants.
    pub email: &'a str,
    /// The password's hash as a PHC string.
    pub password_hash: &'a str,
    /// What it may do.
    pub role: Role,
    /// Requests per minute, instead of the service's default.
    pub rate_limit_per_minute: Option<u32>,
}

/// Makes tenants, accounts and API tokens.
#[derive(Debug)]
pub struct Provisioner {
    client: Client,
}

impl Provisioner {
    /// Connects as a role that may act as `kv_owner`, to a migrated database.
    pub async fn connect(config: &Server) -> Result<Self, ProvisionError> {
        Ok(Self { client: crate::admin::connect(config).await? })
    }

    /// Whether the database has a tenant at all.
    pub async fn has_tenants(&mut self) -> Result<bool, ProvisionError> {
        let owner = self.as_owner().await?;
        let row = owner.query_one("select exists (select from tenants)", &[]).await?;
        owner.commit().await?;
        Ok(row.get(0))
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// [`ProvisionError::Exists`] when the slug is taken.
    pub async fn create_tenant(&mut self, slug: &str, name: &str) -> Result<TenantId, ProvisionError> {
        let owner = self.as_owner().await?;
        let row = owner
            .query_one("insert into tenants (slug, name) values ($1, $2) returning id", &[&slug, &name])
            .await
            .map_err(|error| taken(error, "tenant", slug))?;
        let tenant = tenant_id(row.get(0));
        act_for(&owner, tenant).await?;
        note(&owner, tenant, ("admin_create_tenant", "tenant", &tenant.to_string())).await?;
        owner.commit().await?;
        Ok(tenant)
    }

    /// Suspends a tenant, or lets it go on; either may be so already.
    ///
    /// # Errors
    /// [`ProvisionError::Missing`] without the tenant.
    pub async fn set_tenant_status(&mut self, slug: &str, status: TenantStatus) -> Result<Tenant, ProvisionError> {
        let missing = || ProvisionError::Missing { what: "tenant", name: slug.to_owned() };
        let owner = self.as_owner().await?;
        let set = "select s.id, s.slug, s.name, s.status, s.created_at, s.suspended_at
              from tenants t, app.set_tenant_status(t.id, $2) s where t.slug = $1";
        let row = owner.query_opt(set, &[&slug, &status.as_str()]).await?.ok_or_else(missing)?;
        let tenant = read_tenant(&row).map_err(|_| missing())?;
        act_for(&owner, tenant.id).await?;
        let operation = match status {
            TenantStatus::Active => "admin_resume_tenant",
            TenantStatus::Suspended => "admin_suspend_tenant",
        };
        note(&owner, tenant.id, (operation, "tenant", &tenant.id.to_string())).await?;
        owner.commit().await?;
        Ok(tenant)
    }

    /// Every tenant, in the order of their numbers.
    pub async fn tenants(&mut self) -> Result<Vec<Tenant>, ProvisionError> {
        let owner = self.as_owner().await?;
        let all = "select id, slug, name, status, created_at, suspended_at from tenants order by id";
        let rows = owner.query(all, &[]).await?;
        owner.commit().await?;
        Ok(rows.iter().filter_map(|row| read_tenant(row).ok()).collect())
    }

    /// Whether a tenant has an active owner; one that is not there has none.
    pub async fn has_owner(&mut self, slug: &str) -> Result<bool, ProvisionError> {
        let owner = self.as_owner().await?;
        let has = "select exists (select from users u join tenants t on t.id = u.tenant_id
                                   where t.slug = $1 and u.role = 'owner' and u.active)";
        let row = owner.query_one(has, &[&slug]).await?;
        owner.commit().await?;
        Ok(row.get(0))
    }

    /// The number of the tenant with this slug.
    ///
    /// # Errors
    /// [`ProvisionError::Missing`] without it.
    pub async fn find_tenant(&mut self, slug: &str) -> Result<TenantId, ProvisionError> {
        let owner = self.as_owner().await?;
        let row = owner.query_opt("select id from tenants where slug = $1", &[&slug]).await?;
        owner.commit().await?;
        let row = row.ok_or_else(|| ProvisionError::Missing { what: "tenant", name: slug.to_owned() })?;
        Ok(tenant_id(row.get(0)))
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`ProvisionError::Missing`] without the tenant; [`ProvisionError::Exists`] when any tenant has the address.
    pub async fn create_user(&mut self, new: &NewUser<'_>) -> Result<UserId, ProvisionError> {
        let owner = self.as_owner().await?;
        let row = owner.query_opt("select id from tenants where slug = $1", &[&new.tenant]).await?;
        let row = row.ok_or_else(|| ProvisionError::Missing { what: "tenant", name: new.tenant.to_owned() })?;
        let tenant = tenant_id(row.get(0));
        act_for(&owner, tenant).await?;
        let id = Uuid::now_v7();
        let limit = new.rate_limit_per_minute.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
        owner
            .execute(
                "insert into users (tenant_id, id, email, password_hash, role, rate_limit_per_minute, email_key)
                 values ($1, $2, $3, $4, $5, $6, $7)",
                &[
                    &tenant.get(),
                    &id,
                    &new.email,
                    &new.password_hash,
                    &new.role.as_str(),
                    &limit,
                    &email_key(new.email),
                ],
            )
            .await
            .map_err(|error| taken(error, "user", new.email))?;
        note(&owner, tenant, ("admin_create_user", "user", &id.to_string())).await?;
        owner.commit().await?;
        Ok(UserId::from_uuid(id))
    }

    /// Stores an API token of the account with this address.
    ///
    /// # Errors
    /// [`ProvisionError::Missing`] without the account.
    pub async fn create_token(
        &mut self,
        email: &str,
        token: &TokenHash,
        expires_at: Timestamp,
    ) -> Result<UserId, ProvisionError> {
        let owner = self.as_owner().await?;
        let (tenant, user) = find_user(&owner, email).await?;
        act_for(&owner, tenant).await?;
        owner
            .execute(
                "insert into api_tokens (tenant_id, token_sha256, user_id, kind, expires_at)
                 values ($1, $2, $3, 'api', $4)",
                &[&tenant.get(), &token.as_bytes().as_slice(), &user, &expires_at],
            )
            .await?;
        note(&owner, tenant, ("admin_create_token", "user", &user.to_string())).await?;
        owner.commit().await?;
        Ok(UserId::from_uuid(user))
    }

    /// Gives the account with this address a number of requests per minute of its own, or takes it away.
    ///
    /// # Errors
    /// [`ProvisionError::Missing`] without the account.
    pub async fn set_rate_limit(&mut self, email: &str, per_minute: Option<u32>) -> Result<(), ProvisionError> {
        let owner = self.as_owner().await?;
        let (tenant, user) = find_user(&owner, email).await?;
        act_for(&owner, tenant).await?;
        let limit = per_minute.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
        owner
            .execute(
                "update users set rate_limit_per_minute = $3 where tenant_id = $1 and id = $2",
                &[&tenant.get(), &user, &limit],
            )
            .await?;
        note(&owner, tenant, ("admin_set_rate_limit", "user", &user.to_string())).await?;
        owner.commit().await?;
        Ok(())
    }

    pub(super) async fn as_owner(&mut self) -> Result<Transaction<'_>, tokio_postgres::Error> {
        let transaction = self.client.transaction().await?;
        transaction.batch_execute("set local role kv_owner").await?;
        Ok(transaction)
    }
}

async fn find_user(owner: &Transaction<'_>, email: &str) -> Result<(TenantId, Uuid), ProvisionError> {
    let find = "select tenant_id, user_id from app.find_login($1)";
    let row = owner.query_opt(find, &[&email_key(email)]).await?;
    let row = row.ok_or_else(|| ProvisionError::Missing { what: "user", name: email.to_owned() })?;
    Ok((tenant_id(row.get(0)), row.get(1)))
}

async fn act_for(owner: &Transaction<'_>, tenant: TenantId) -> Result<(), tokio_postgres::Error> {
    owner.batch_execute(&crate::session::bind(tenant)).await
}

/// Notes what an administrator did, of whom nothing is known but that it may act as the owner of the tables.
async fn note(
    owner: &Transaction<'_>,
    tenant: TenantId,
    (operation, object_type, object): (&str, &str, &str),
) -> Result<(), tokio_postgres::Error> {
    let add = "insert into audit_log (tenant_id, id, operation, outcome, object_type, object_id) values ($1, $2, $3, 'done', $4, $5)";
    let params: [&(dyn ToSql + Sync); 5] = [&tenant.get(), &Uuid::now_v7(), &operation, &object_type, &object];
    owner.execute(add, &params).await.map(drop)
}

fn tenant_id(raw: i64) -> TenantId {
    TenantId::new(raw).expect("the column is an identity that counts from 1")
}

fn taken(error: tokio_postgres::Error, what: &'static str, name: &str) -> ProvisionError {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        return ProvisionError::Exists { what, name: name.to_owned() };
    }
    ProvisionError::Postgres(error)
}

/// Makes a database unless there is one of this name. `server` names any other database of the same server.
///
/// # Errors
/// [`ProvisionError::Postgres`] when the server is away or the role may not make databases.
pub async fn create_database(server: &Server, name: &str) -> Result<(), ProvisionError> {
    let client = crate::admin::connect(server).await?;
    let known = client.query_one("select exists (select from pg_database where datname = $1)", &[&name]).await?;
    if known.get(0) {
        return Ok(());
    }
    // CREATE DATABASE takes no parameters, so the server quotes the name itself.
    let row = client.query_one("select format('create database %I', $1::text)", &[&name]).await?;
    client.batch_execute(row.get(0)).await?;
    Ok(())
}
