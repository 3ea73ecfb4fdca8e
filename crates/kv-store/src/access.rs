//! Who may come in: logins, tokens, and the epochs of the lock service.
//!
//! Before anybody is known no tenant is, so [`Store::find_login`] and [`Store::find_token`] go through the two functions of the
//! schema that look past the policies, each only for one exact address or secret. Everything else runs as the tenant.
//!
//! Absent on purpose: passwords and tokens in the clear. A password arrives here as a hash, a token as its SHA-256.

pub mod names;
pub mod operate;
pub mod provision;
pub mod tenants;
pub mod tokens;
pub mod users;

use std::sync::Arc;

use jiff::Timestamp;
use kv_types::{ApiTokenId, TenantId, UserId};
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::idempotency::{Write, params};
use crate::statement::statements;
use crate::{Store, StoreError};

pub use kv_types::access::{Role, Scope, Scopes};
pub use names::email_key;

statements! {
    /// The active account of an e-mail address, whatever its tenant.
    FIND_LOGIN = "select tenant_id, user_id, email, role, rate_limit_per_minute, is_suspended, password_hash from app.find_login($1)";
    /// The active account behind a token that is neither revoked nor expired, and what the token may do.
    FIND_TOKEN = "select tenant_id, user_id, email, role, rate_limit_per_minute, is_suspended, expires_at, token_id, kind, scopes, lineage,
               token_rate_limit_per_minute, last_used_at from app.find_token($1)";
    /// Stores a session's token.
    INSERT_SESSION = "insert into api_tokens (tenant_id, token_sha256, user_id, kind, expires_at)
        values ($1, $2, $3, 'session', $4) returning user_id";
    /// Ends a token. A second time changes nothing.
    REVOKE_TOKEN = "update api_tokens set revoked_at = now()
        where tenant_id = $1 and token_sha256 = $2 and revoked_at is null returning user_id";
    /// A number that no lock back end had before.
    NEXT_LOCK_EPOCH = "select nextval('lock_epochs')";
    /// What the cursors of lists are signed with, made when there is none.
    CURSOR_SECRET = "select app.cursor_secret()";
}

/// A token as the database knows it. It cannot be turned back into the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token's text.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// The raw hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Somebody who is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The tenant that the account belongs to.
    pub tenant: TenantId,
    /// The account's id.
    pub user: UserId,
    /// The address it logs in with.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// Requests per minute, where the account has a number of its own.
    pub rate_limit_per_minute: Option<u32>,
    /// Whether its tenant is suspended: nothing may be done then.
    pub is_suspended: bool,
}

/// An account with what a login is checked against.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whose it is.
    pub account: Account,
    /// The password's hash as a PHC string.
    pub password_hash: String,
}

/// What a token adds to its account, or takes from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The API token; `None` for a session.
    pub api_token: Option<ApiTokenId>,
    /// What it may do; `None` for all that its account may.
    pub scopes: Option<Scopes>,
    /// The tokens by which it was made.
    pub lineage: Vec<Uuid>,
    /// Requests per minute of its own.
    pub rate_limit_per_minute: Option<u32>,
    /// When it was last used, roughly.
    pub last_used_at: Option<Timestamp>,
}

/// An account that showed a valid token.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose it is.
    pub account: Account,
    /// Until when the token is valid.
    pub expires_at: Timestamp,
    /// What it may do.
    pub grant: Grant,
}

impl Store {
    /// The active account that logs in with this address, in any case of letters.
    pub async fn find_login(&self, email: &str) -> Result<Option<Login>, StoreError> {
        let rows = self.run_untenanted(&FIND_LOGIN, &[&email_key(email)]).await?;
        let read = |row: &Row| Ok(Login { account: read_account(row)?, password_hash: row.try_get(6)? });
        rows.first().map(read).transpose()
    }

    /// The active account behind a token, or `None` when the token is unknown, expired or revoked.
    pub async fn find_token(&self, token: &TokenHash) -> Result<Option<Session>, StoreError> {
        let rows = self.run_untenanted(&FIND_TOKEN, &[&token.0.as_slice()]).await?;
        let read = |row: &Row| {
            Ok(Session { account: read_account(row)?, expires_at: row.try_get(6)?, grant: read_grant(row)? })
        };
        rows.first().map(read).transpose()
    }

    /// Stores the token of a new session.
    pub async fn insert_session(
        &self,
        tenant: TenantId,
        user: UserId,
        token: &TokenHash,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let params = params![tenant.get(), token.0.to_vec(), user.uuid(), expires_at];
        self.apply(Write { tenant, statement: &INSERT_SESSION, params, read: |_| Ok(()) }, None).await.map(drop)
    }

    /// Ends a token; one that has ended already stays so.
    pub async fn revoke_token(&self, tenant: TenantId, token: &TokenHash) -> Result<(), StoreError> {
        let params = params![tenant.get(), token.0.to_vec()];
        self.apply(Write { tenant, statement: &REVOKE_TOKEN, params, read: |_| Ok(()) }, None).await.map(drop)
    }

    /// What the cursors of lists are signed with. Asked for once in the life of a store.
    ///
    /// # Cancel safety
    /// There is a secret afterwards or there is none yet.
    pub async fn cursor_secret(&self) -> Result<&CursorSecret, StoreError> {
        let ask = async {
            let rows = self.run_untenanted(&CURSOR_SECRET, &[]).await?;
            let secret: Option<Vec<u8>> = rows.first().map(|row| row.try_get(0)).transpose()?;
            secret.map(|secret| CursorSecret(secret.into())).ok_or(StoreError::Corrupt("the cursors' secret"))
        };
        self.known_secret().get_or_try_init(|| ask).await
    }

    /// Draws the epoch of a lock back end that was found new: higher than every one before.
    pub async fn next_lock_epoch(&self) -> Result<u64, StoreError> {
        let rows = self.run_untenanted(&NEXT_LOCK_EPOCH, &[]).await?;
        let row = rows.first().ok_or(StoreError::Unavailable(None))?;
        let epoch: i64 = row.try_get(0)?;
        Ok(epoch.unsigned_abs())
    }
}

/// What the cursors of lists are signed with: the same for every process on this database. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct CursorSecret(Arc<[u8]>);

impl CursorSecret {
    /// The raw secret.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for CursorSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorSecret(..)")
    }
}

/// Reads the first six columns of both look-ups.
fn read_account(row: &Row) -> Result<Account, StoreError> {
    let tenant: i64 = row.try_get(0)?;
    let role: String = row.try_get(3)?;
    let limit: Option<i32> = row.try_get(4)?;
    Ok(Account {
        tenant: TenantId::new(tenant).ok_or(StoreError::Corrupt("an account's tenant"))?,
        user: UserId::from_uuid(row.try_get(1)?),
        email: row.try_get(2)?,
        role: Role::parse(&role).ok_or(StoreError::Corrupt("an account's role"))?,
        rate_limit_per_minute: limit.map(i32::unsigned_abs),
        is_suspended: row.try_get(5)?,
    })
}

/// Reads what [`FIND_TOKEN`] says of the token.
fn read_grant(row: &Row) -> Result<Grant, StoreError> {
    let (id, kind): (Uuid, &str) = (row.try_get(7)?, row.try_get(8)?);
    let scopes: Option<Vec<String>> = row.try_get(9)?;
    let limit: Option<i32> = row.try_get(11)?;
    Ok(Grant {
        api_token: (kind == "api").then_some(ApiTokenId::from_uuid(id)),
        scopes: scopes.map(|words| Scopes::of_words(&words)),
        lineage: row.try_get(10)?,
        rate_limit_per_minute: limit.map(i32::unsigned_abs),
        last_used_at: row.try_get(12)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hash_is_sha_256_of_the_text() {
        let hex = TokenHash::of("abc").as_bytes().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
