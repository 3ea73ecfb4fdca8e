//! API tokens, as their accounts manage them.
//!
//! Invariants: a token never may more than its account may at the moment of its use, for the look-up reads the account's role each
//! time; a token that was made by a token ends with it, also when both happen at once: the maker's row is held while the new one is
//! made, and who ends a token looks for those it made after that.

use jiff::Timestamp;
use kv_types::access::{ApiToken, Scopes};
use kv_types::{ApiTokenId, TenantId, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::names::normal;
use super::{Grant, TokenHash};
use crate::audit_log::{self, note_done};
use crate::idempotency::{Open, Write, by_itself, params};
use crate::session::Params;
use crate::statement::statements;
use crate::{Store, StoreError};

/// Tokens that an account may have at a time.
pub const MAX_TOKENS: i64 = 100;

statements! {
    /// A new one, unless its account has too many, or the token that makes it has ended.
    INSERT_API_TOKEN = "insert into api_tokens (tenant_id, token_sha256, user_id, kind, expires_at, id, name, hint, scopes, lineage, rate_limit_per_minute)
        select $1, $2, $3, 'api', $4, $5, $6, $7, $8, $9, $10
         where (select count(*) from api_tokens
                 where tenant_id = $1 and user_id = $3 and kind = 'api' and revoked_at is null and expires_at > now()) < $11
           and ($12::uuid is null or exists (select from api_tokens
                 where tenant_id = $1 and id = $12 and revoked_at is null and expires_at > now() for share))
        returning id, user_id, name, hint, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at";
    /// Ends one: of this account, if one is named, and among this token and those that it made, if one is named.
    REVOKE_API_TOKEN = "update api_tokens set revoked_at = now()
         where tenant_id = $1 and id = $2 and kind = 'api' and revoked_at is null and ($3::uuid is null or user_id = $3)
           and ($4::uuid is null or id = $4 or $4 = any(lineage))
        returning id, token_sha256";
    /// Ends those that a token made.
    REVOKE_DESCENDANTS = "update api_tokens set revoked_at = now()
         where tenant_id = $1 and $2 = any(lineage) and revoked_at is null
        returning id, token_sha256";
    /// Notes that a token is in use, at most every five minutes.
    TOUCH_TOKEN = "update api_tokens set last_used_at = now()
         where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < now() - interval '5 minutes')";
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// Its secret, hashed.
    pub hash: TokenHash,
    /// How the secret begins.
    pub hint: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Requests per minute of its own.
    pub rate_limit_per_minute: Option<u32>,
}

pub(crate) fn read(row: &Row) -> Result<ApiToken, tokio_postgres::Error> {
    let limit: Option<i32> = row.try_get(5)?;
    Ok(ApiToken {
        id: ApiTokenId::from_uuid(row.try_get(0)?),
        user_id: UserId::from_uuid(row.try_get(1)?),
        name: row.try_get(2)?,
        hint: row.try_get(3)?,
        scopes: row.try_get(4)?,
        rate_limit_per_minute: limit.map(i32::unsigned_abs),
        created_at: row.try_get(6)?,
        expires_at: row.try_get(7)?,
        last_used_at: row.try_get(8)?,
    })
}

/// The making of a token for an account, perhaps by one of its tokens: there may be none.
pub fn creation(tenant: TenantId, user: UserId, by: &Grant, new: NewApiToken) -> Write<ApiToken> {
    let NewApiToken { hash, hint, name, scopes, expires_at, rate_limit_per_minute } = new;
    let maker = by.api_token.map(ApiTokenId::uuid);
    let lineage: Vec<Uuid> = by.lineage.iter().copied().chain(maker).collect();
    Write {
        tenant,
        statement: &INSERT_API_TOKEN,
        params: params![
            tenant.get(),
            hash.as_bytes().to_vec(),
            user.uuid(),
            expires_at,
            Uuid::now_v7(),
            normal(&name),
            hint,
            scopes.words(),
            lineage,
            rate_limit_per_minute.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
            MAX_TOKENS,
            maker
        ],
        read,
    }
}

/// Whose tokens may be ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach {
    /// Of this account alone.
    pub user: Option<UserId>,
    /// This token and those that it made alone.
    pub token: Option<ApiTokenId>,
}

impl Store {
    /// Ends a token within reach, and all that it made. Gives their hashes; `None` when there is no such token.
    ///
    /// # Cancel safety
    /// It runs as a task of its own, to its end.
    pub async fn revoke_api_token(
        &self,
        tenant: TenantId,
        id: ApiTokenId,
        reach: Reach,
    ) -> Result<Option<Vec<TokenHash>>, StoreError> {
        let store = self.clone();
        let work = async move {
            let transaction = Open::on(&store).await?;
            match revoke_in(&transaction, tenant, id, reach).await {
                Ok(revoked) => {
                    transaction.commit().await?;
                    Ok(revoked)
                }
                Err(error) => {
                    transaction.roll_back().await;
                    Err(error)
                }
            }
        };
        by_itself(false, audit_log::followed(work)).await
    }

    /// Notes that a token is in use.
    ///
    /// # Cancel safety
    /// It is noted or it is not.
    pub async fn touch_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<(), StoreError> {
        self.run(tenant, &TOUCH_TOKEN, &[&tenant.get(), &id.uuid()]).await.map(drop)
    }
}

async fn revoke_in(
    transaction: &Open,
    tenant: TenantId,
    id: ApiTokenId,
    reach: Reach,
) -> Result<Option<Vec<TokenHash>>, StoreError> {
    let (number, token) = (tenant.get(), id.uuid());
    let (user, within) = (reach.user.map(UserId::uuid), reach.token.map(ApiTokenId::uuid));
    let params: Params<'_> = &[&number, &token, &user, &within];
    let revoked = transaction.begin_with(tenant, &REVOKE_API_TOKEN, params).await?;
    if revoked.is_empty() {
        return Ok(None);
    }
    // By a statement of its own: what was made while the first one waited is in this one's snapshot.
    let descendants = transaction.query(&REVOKE_DESCENDANTS, &[&number, &token]).await?;
    note_done(transaction, tenant, audit_log::current().as_ref(), [Some(id.to_string())]).await?;
    let hashes = revoked.iter().chain(&descendants).map(|row| {
        let hash: &[u8] = row.try_get(1)?;
        hash.try_into().map(TokenHash).map_err(|_| StoreError::Corrupt("a token's hash"))
    });
    hashes.collect::<Result<_, _>>().map(Some)
}
