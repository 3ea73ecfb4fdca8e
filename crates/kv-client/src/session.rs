//! Who asks.

use jiff::Timestamp;
use kv_types::UserId;
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::send::Call;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// The address it logs in with.
    pub email: String,
    /// `owner`, `manager`, `clerk` or `read_only`.
    pub role: String,
    /// The tenant it belongs to.
    pub tenant_id: i64,
}

/// A new session.
#[derive(Clone, Deserialize)]
pub struct Session {
    /// For [`Client::with_token`].
    pub token: String,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Whose it is.
    pub user: Account,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Logs in.
    pub async fn log_in(&self, email: &str, password: &str) -> Result<Session, Error> {
        self.read(Call::post("/auth/login").json(&json!({"email": email, "password": password}))?).await
    }

    /// The account behind the token.
    pub async fn me(&self) -> Result<Account, Error> {
        self.read(Call::get("/auth/me")).await
    }

    /// Ends the token.
    pub async fn log_out(&self) -> Result<(), Error> {
        self.end(Call::post("/auth/logout"), &["token_invalid"]).await
    }
}
