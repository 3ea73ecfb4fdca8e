//! The accounts of a tenant, as its owners manage them.
//!
//! Invariants: a tenant has an active owner at all times: whoever takes an account's ownership away holds the rows of all active owners,
//! in one order, and looks at what they are then; who does it is an active owner at that moment, not only when the request came in; an
//! account that is switched off has lost its sessions and tokens for good, so that none of them lives again with it.
//!
//! Absent on purpose: deletion. The ledger names accounts for ever.

use kv_types::access::{Role, User, UserChange};
use kv_types::{Expected, TenantId, UserId};
use thiserror::Error;
use tokio_postgres::Row;
use uuid::Uuid;

use super::TokenHash;
use super::names::{email_key, normal};
use crate::audit_log::{self, note_done};
use crate::catalogue::first_row;
use crate::conflict::Retries;
use crate::idempotency::{Open, Write, by_itself, params};
use crate::session::Params;
use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// One account.
    GET_USER = "select id, email, name, role, active, rate_limit_per_minute, version, created_at, updated_at
        from users where tenant_id = $1 and id = $2";
    /// A new one, made by an owner.
    INSERT_USER = "insert into users (tenant_id, id, email, email_key, name, password_hash, role, rate_limit_per_minute)
        select $1, $2, $3, $4, $5, $6, $7, $8
         where exists (select from users where tenant_id = $1 and id = $9 and role = 'owner' and active)
        returning id, email, name, role, active, rate_limit_per_minute, version, created_at, updated_at";
    /// The active owners, held against everybody who would change them.
    LOCK_OWNERS = "select id from users where tenant_id = $1 and role = 'owner' and active order by id for no key update";
    /// An account as it is to be.
    UPDATE_USER = "update users set email = $3, email_key = $4, name = $5, role = $6, active = $7, rate_limit_per_minute = $8,
               version = version + 1, updated_at = now()
         where tenant_id = $1 and id = $2 and ($9::bigint[] is null or version = any($9))
        returning id, email, name, role, active, rate_limit_per_minute, version, created_at, updated_at";
    /// The end of an account.
    DEACTIVATE_USER = "update users set active = false, version = version + 1, updated_at = now()
         where tenant_id = $1 and id = $2 and active and ($3::bigint[] is null or version = any($3))
        returning id, email, name, role, active, rate_limit_per_minute, version, created_at, updated_at";
    /// The end of all that an account comes in with.
    END_TOKENS = "update api_tokens set revoked_at = now() where tenant_id = $1 and user_id = $2 and revoked_at is null";
    /// The end of an account's sessions, but for one.
    END_SESSIONS = "update api_tokens set revoked_at = now()
         where tenant_id = $1 and user_id = $2 and kind = 'session' and revoked_at is null
           and ($3::bytea is null or token_sha256 <> $3)";
    /// Another password.
    SET_PASSWORD = "update users set password_hash = $3, version = version + 1, updated_at = now()
         where tenant_id = $1 and id = $2 returning id";
}

/// Why an account was not changed. Nothing was written then.
#[derive(Debug, Error)]
pub enum UserError {
    /// Who asks is no active owner any more.
    #[error("the caller is no longer an owner")]
    NotOwner,
    /// It is the last active owner.
    #[error("the account is the tenant's last active owner")]
    LastOwner,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account to be made by an owner.
#[derive(Clone)]
pub struct NewUser {
    /// The address to log in with.
    pub email: String,
    /// The person's name.
    pub name: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Its password, hashed.
    pub password_hash: String,
    /// Requests per minute, instead of the service's default.
    pub rate_limit_per_minute: Option<u32>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("role", &self.role).finish_non_exhaustive()
    }
}

/// What is done to an account.
#[derive(Clone, Debug)]
enum Deed {
    Change(UserChange, Expected),
    Deactivate(Expected),
    /// A password's hash.
    Password(String),
}

impl Deed {
    /// Whether an owner is none after it.
    const fn ends_ownership(&self) -> bool {
        match self {
            Self::Change(change, _) => !change.active || !matches!(change.role, Role::Owner),
            Self::Deactivate(_) => true,
            Self::Password(_) => false,
        }
    }
}

pub(crate) fn read(row: &Row) -> Result<User, tokio_postgres::Error> {
    let (role, limit): (&str, Option<i32>) = (row.try_get(3)?, row.try_get(5)?);
    Ok(User {
        id: UserId::from_uuid(row.try_get(0)?),
        email: row.try_get(1)?,
        name: row.try_get(2)?,
        // The column's check lets no other words in; one that it let in all the same gives no rights.
        role: Role::parse(role).unwrap_or(Role::ReadOnly),
        active: row.try_get(4)?,
        rate_limit_per_minute: limit.map(i32::unsigned_abs),
        version: row.try_get(6)?,
        created_at: row.try_get(7)?,
        updated_at: row.try_get(8)?,
    })
}

fn limit_of(limit: Option<u32>) -> Option<i32> {
    limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX))
}

/// The making of an account by an owner: there may be none when that one is an owner no more.
///
/// # Errors
/// Its application's: [`StoreError::Constraint`] `users_email` when the address is taken.
pub fn creation(tenant: TenantId, actor: UserId, new: NewUser) -> Write<User> {
    let NewUser { email, name, role, password_hash, rate_limit_per_minute } = new;
    Write {
        tenant,
        statement: &INSERT_USER,
        params: params![
            tenant.get(),
            Uuid::now_v7(),
            normal(&email),
            email_key(&email),
            name.as_deref().map(normal),
            password_hash,
            role.as_str(),
            limit_of(rate_limit_per_minute),
            actor.uuid()
        ],
        read,
    }
}

impl Store {
    /// One account; `None` when the tenant has none of this id.
    pub async fn user(&self, tenant: TenantId, id: UserId) -> Result<Option<User>, StoreError> {
        let rows = self.run(tenant, &GET_USER, &[&tenant.get(), &id.uuid()]).await?;
        first_row(&rows, read)
    }

    /// Makes an account what it is to be; `None` when there is none of this id in a state that is expected.
    ///
    /// # Errors
    /// [`UserError::NotOwner`], [`UserError::LastOwner`], or the store's: `users_email` when the address is taken.
    /// # Cancel safety
    /// It runs as a task of its own, to its end.
    pub async fn change_user(
        &self,
        (tenant, actor): (TenantId, UserId),
        id: UserId,
        change: UserChange,
        expected: Expected,
    ) -> Result<Option<User>, UserError> {
        self.do_to_user((tenant, actor), id, Deed::Change(change, expected)).await
    }

    /// Switches an account off, with all its sessions and tokens; `None` when there is none of this id that is on.
    ///
    /// # Errors
    /// [`UserError::NotOwner`], [`UserError::LastOwner`], or the store's.
    /// # Cancel safety
    /// It runs as a task of its own, to its end.
    pub async fn deactivate_user(
        &self,
        (tenant, actor): (TenantId, UserId),
        id: UserId,
        expected: Expected,
    ) -> Result<Option<User>, UserError> {
        self.do_to_user((tenant, actor), id, Deed::Deactivate(expected)).await
    }

    /// Gives an account another password, and ends its sessions; `None` when there is none of this id.
    ///
    /// # Errors
    /// [`UserError::NotOwner`] or the store's.
    /// # Cancel safety
    /// It runs as a task of its own, to its end.
    pub async fn reset_password(
        &self,
        (tenant, actor): (TenantId, UserId),
        id: UserId,
        password_hash: String,
    ) -> Result<Option<User>, UserError> {
        self.do_to_user((tenant, actor), id, Deed::Password(password_hash)).await
    }

    /// Gives an account the password that it chose, and ends its sessions but the one that it chose it in. Whether there was one.
    ///
    /// # Cancel safety
    /// It runs as a task of its own, to its end.
    pub async fn change_password(
        &self,
        tenant: TenantId,
        user: UserId,
        password_hash: String,
        kept: TokenHash,
    ) -> Result<bool, StoreError> {
        let store = self.clone();
        let work = async move { store.try_change_password(tenant, user, (&password_hash, &kept)).await };
        by_itself(false, audit_log::followed(work)).await
    }

    async fn try_change_password(
        &self,
        tenant: TenantId,
        user: UserId,
        (password_hash, kept): (&str, &TokenHash),
    ) -> Result<bool, StoreError> {
        let transaction = Open::on(self).await?;
        let (number, id) = (tenant.get(), user.uuid());
        let work = async {
            let params: Params<'_> = &[&number, &id, &password_hash];
            if transaction.begin_with(tenant, &SET_PASSWORD, params).await?.is_empty() {
                return Ok(false);
            }
            let kept = Some(kept.as_bytes().as_slice());
            transaction.query(&END_SESSIONS, &[&number, &id, &kept]).await?;
            note_done(&transaction, tenant, audit_log::current().as_ref(), [Some(user.to_string())]).await?;
            Ok(true)
        };
        end(work.await, transaction).await
    }

    async fn do_to_user(
        &self,
        (tenant, actor): (TenantId, UserId),
        id: UserId,
        deed: Deed,
    ) -> Result<Option<User>, UserError> {
        let store = self.clone();
        let work = async move {
            let mut retries = Retries::new(store.conflicts());
            loop {
                match store.try_do((tenant, actor), id, &deed).await {
                    Err(UserError::Store(error)) => retries.after(error).await?,
                    done => return Ok(done),
                }
            }
        };
        by_itself(false, audit_log::followed(work)).await?
    }

    async fn try_do(
        &self,
        (tenant, actor): (TenantId, UserId),
        id: UserId,
        deed: &Deed,
    ) -> Result<Option<User>, UserError> {
        let transaction = Open::on(self).await?;
        let done = do_in(&transaction, (tenant, actor), id, deed).await;
        end(done, transaction).await
    }
}

/// Commits what was done, and takes everything else back.
async fn end<T, E: From<StoreError>>(done: Result<T, E>, transaction: Open) -> Result<T, E> {
    match done {
        Ok(done) => {
            transaction.commit().await?;
            Ok(done)
        }
        Err(error) => {
            transaction.roll_back().await;
            Err(error)
        }
    }
}

async fn do_in(
    transaction: &Open,
    (tenant, actor): (TenantId, UserId),
    user: UserId,
    deed: &Deed,
) -> Result<Option<User>, UserError> {
    let (number, id) = (tenant.get(), user.uuid());
    let rows = transaction.begin_with(tenant, &LOCK_OWNERS, &[&number]).await?;
    let owners: Vec<Uuid> =
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(StoreError::from)?;
    if !owners.contains(&actor.uuid()) {
        return Err(UserError::NotOwner);
    }
    if owners == [id] && deed.ends_ownership() {
        return Err(UserError::LastOwner);
    }
    let rows = match deed {
        Deed::Change(change, expected) => update(transaction, number, id, (change, expected)).await?,
        Deed::Deactivate(expected) => {
            transaction.query(&DEACTIVATE_USER, &[&number, &id, &expected.versions()]).await?
        }
        Deed::Password(hash) => {
            transaction.query(&SET_PASSWORD, &[&number, &id, hash]).await?;
            transaction.query(&GET_USER, &[&number, &id]).await?
        }
    };
    let Some(changed) = first_row(&rows, read)? else { return Ok(None) };
    if matches!(deed, Deed::Password(_)) {
        transaction.query(&END_SESSIONS, &[&number, &id, &None::<&[u8]>]).await?;
    } else if !changed.active {
        transaction.query(&END_TOKENS, &[&number, &id]).await?;
    }
    note_done(transaction, tenant, audit_log::current().as_ref(), [Some(user.to_string())]).await?;
    Ok(Some(changed))
}

async fn update(
    transaction: &Open,
    tenant: i64,
    id: Uuid,
    (change, expected): (&UserChange, &Expected),
) -> Result<Vec<Row>, StoreError> {
    let UserChange { email, name, role, active, rate_limit_per_minute } = change;
    let params: Params<'_> = &[
        &tenant,
        &id,
        &normal(email),
        &email_key(email),
        &name.as_deref().map(normal),
        &role.as_str(),
        active,
        &limit_of(*rate_limit_per_minute),
        &expected.versions(),
    ];
    transaction.query(&UPDATE_USER, params).await
}
