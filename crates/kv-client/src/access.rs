//! Accounts, API tokens and the audit log.

use futures_util::stream::Stream;
use http::Method;
use kv_types::access::{ApiToken, AuditEntry, NewApiToken, NewUser, User, UserChange};
use kv_types::{ApiTokenId, UserId};
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::list::Listed;
use crate::send::Call;

/// The tenant's accounts; for its owners.
#[derive(Clone, Debug)]
pub struct Users<'a>(&'a Client);

/// API tokens: one's own, of an owner those of all accounts.
#[derive(Clone, Debug)]
pub struct ApiTokens<'a>(&'a Client);

/// Who did what; for owners.
#[derive(Clone, Debug)]
pub struct AuditLog<'a>(&'a Client);

/// A new API token with its secret, which is told this once.
#[derive(Clone, Deserialize)]
pub struct IssuedToken {
    /// For [`Client::with_token`].
    pub token: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub about: ApiToken,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedToken").field("about", &self.about).finish_non_exhaustive()
    }
}

impl Client {
    /// The tenant's accounts.
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }

    /// API tokens.
    pub fn api_tokens(&self) -> ApiTokens<'_> {
        ApiTokens(self)
    }

    /// Who did what.
    pub fn audit_log(&self) -> AuditLog<'_> {
        AuditLog(self)
    }

    /// Chooses another password. All other sessions end.
    pub async fn change_password(&self, password: &str, new_password: &str) -> Result<(), Error> {
        let body = json!({"password": password, "new_password": new_password});
        self.write_silent(Call::post("/auth/password").json(&body)?).await
    }
}

impl Users<'_> {
    /// One page; `query` has the list's parameters, for example `[("role", "owner")]`.
    pub async fn list(&self, query: &[(&str, &str)]) -> Result<Listed<User>, Error> {
        self.0.page("/users", query).await
    }

    /// Makes one.
    pub async fn create(&self, new: &NewUser) -> Result<User, Error> {
        self.0.write(Call::post("/users").json(new)?).await
    }

    /// Shows one.
    pub async fn get(&self, id: UserId) -> Result<User, Error> {
        self.0.read(Call::get(format!("/users/{id}"))).await
    }

    /// Makes one that is still at `version` what it is to be; otherwise 412 `version_mismatch`.
    pub async fn replace(&self, id: UserId, version: i64, change: &UserChange) -> Result<User, Error> {
        let call = Call::new(Method::PUT, format!("/users/{id}")).at_version(version);
        self.0.write(call.json(change)?).await
    }

    /// Switches one off, with all its sessions and tokens.
    pub async fn deactivate(&self, id: UserId) -> Result<(), Error> {
        self.0.write_silent(Call::new(Method::DELETE, format!("/users/{id}"))).await
    }

    /// Gives one another password, and ends its sessions.
    pub async fn reset_password(&self, id: UserId, password: &str) -> Result<(), Error> {
        let call = Call::post(format!("/users/{id}/password"));
        self.0.write_silent(call.json(&json!({"password": password}))?).await
    }
}

impl ApiTokens<'_> {
    /// One page.
    pub async fn list(&self, query: &[(&str, &str)]) -> Result<Listed<ApiToken>, Error> {
        self.0.page("/api-tokens", query).await
    }

    /// Makes one of one's own. When its answer is lost so is its secret, and another call makes another one.
    pub async fn create(&self, new: &NewApiToken) -> Result<IssuedToken, Error> {
        self.0.write(Call::post("/api-tokens").json(new)?).await
    }

    /// Revokes one, and those that were made with it.
    pub async fn revoke(&self, id: ApiTokenId) -> Result<(), Error> {
        self.0.write_silent(Call::new(Method::DELETE, format!("/api-tokens/{id}"))).await
    }
}

impl AuditLog<'_> {
    /// One page, the latest entries first; `query` has the list's parameters, for example `[("object_id", "..")]`.
    pub async fn list(&self, query: &[(&str, &str)]) -> Result<Listed<AuditEntry>, Error> {
        self.0.page("/audit-log", query).await
    }

    /// Every entry, a page at a time.
    pub fn all(&self, query: &[(&str, &str)]) -> impl Stream<Item = Result<AuditEntry, Error>> + use<> {
        self.0.rows("/audit-log", query)
    }
}
