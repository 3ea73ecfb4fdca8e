//! Who asks. A handler that takes a [`Ctx`] cannot run for somebody unknown.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kv_store::access::{Account, Role, Session, TokenHash};
use kv_types::{TenantId, UserId};

use super::access::Rule;
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
    /// The account and its token's grant, as they were found.
    pub session: Arc<Session>,
    /// The token that the request came with, hashed.
    pub token: TokenHash,
    /// By which rule it was let in.
    pub(super) rule: Option<&'static Rule>,
}

impl Ctx {
    pub(super) fn new((session, token): (Arc<Session>, TokenHash), request_id: RequestId) -> Self {
        let Account { tenant, user, role, .. } = session.account;
        Self { tenant, user, role, request_id, session, token, rule: None }
    }

    /// The address that the caller logs in with.
    pub fn email(&self) -> &str {
        &self.session.account.email
    }
}

impl FromRequestParts<App> for Ctx {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        // The authentication layer put it there; a route outside that layer has nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(super::auth::missing_token)
    }
}
