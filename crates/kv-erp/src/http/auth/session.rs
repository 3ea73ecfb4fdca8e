//! `GET /auth/me` and `POST /auth/logout`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kv_store::access::Account;
use kv_types::{TenantId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::ctx::Ctx;
use crate::http::problem::Problem;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// Its id.
    id: UserId,
    /// The address it logs in with.
    email: String,
    /// `owner`, `manager`, `clerk` or `read_only`.
    role: &'static str,
    /// The tenant it belongs to.
    #[schema(value_type = i64)]
    tenant_id: TenantId,
}

impl UserView {
    pub(super) fn of(account: &Account) -> Self {
        Self { id: account.user, email: account.email.clone(), role: account.role.as_str(), tenant_id: account.tenant }
    }
}

/// Who I am.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses(
    (status = 200, description = "The account behind the token.", body = UserView),
))]
pub(crate) async fn me(ctx: Ctx) -> Json<UserView> {
    Json(UserView::of(&ctx.session.account))
}

/// Ends the token that the request came with. Another replica may take it for five more seconds.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204, description = "The token has ended.")))]
pub(crate) async fn logout(State(app): State<App>, ctx: Ctx) -> Result<StatusCode, Problem> {
    app.store().revoke_token(ctx.tenant, &ctx.token).await?;
    app.tokens().forget(&ctx.token);
    Ok(StatusCode::NO_CONTENT)
}
