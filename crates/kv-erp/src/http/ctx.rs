//! Who asks. A handler that takes a [`Ctx`] cannot run for somebody unknown.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kv_store::access::{Account, Role};
use kv_types::{TenantId, UserId};

use super::problem::Problem;
use super::request_id::RequestId;
use crate::app::App;

/// The authenticated caller of one request.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// Whose data may be seen.
    pub tenant: TenantId,
    /// Who acts.
    pub user: UserId,
    /// What the account may do.
    pub role: Role,
    /// The request's id, for the log.
    pub request_id: RequestId,
    /// The account as it was found by its token.
    pub account: Arc<Account>,
}

impl Ctx {
    pub(super) fn new(account: Arc<Account>, request_id: RequestId) -> Self {
        Self { tenant: account.tenant, user: account.user, role: account.role, request_id, account }
    }

    /// The address that the caller logs in with.
    pub fn email(&self) -> &str {
        &self.account.email
    }
}

impl FromRequestParts<App> for Ctx {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        // The authentication layer put it there; a route outside that layer has nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(super::auth::missing_token)
    }
}
