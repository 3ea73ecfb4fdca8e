//! Accounts over HTTP, for the tenant's owners.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use kv_store::access::users::{self as writes, NewUser};
use kv_store::lists::known;
use kv_types::UserId;
use kv_types::access::{Role, User, UserChange};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{BASE, CreateErrors, GetErrors, ListErrors, MatchedActErrors, MatchedChangeErrors, found};
use super::auth::password::{hash, new_password};
use super::bodies::lists::UsersParameters;
use super::bodies::{self, IfMatchParameter, IfNoneMatchParameter};
use super::conflict::{no_longer_owner, of_catalogue, of_user};
use super::ctx::Ctx;
use super::etag::{self, IfMatch, IfNoneMatch, Tagged as _, show};
use super::fields::{Fields, Refused, kind_of};
use super::json::JsonBody;
use super::listing::Listed;
use super::path::PathId;
use super::problem::Problem;
use super::query::Query;
use super::shown::{Shown, respond};
use super::values::{account_email, boolean, name, rate_limit};
use crate::app::App;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, replace, deactivate))
        .routes(routes!(reset_password))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
fn role(value: Value) -> Result<Role, Refused> {
    match value.as_str() {
        Some(text) => Role::parse(text)
            .ok_or_else(|| ("unknown_word", "must be one of owner, manager, clerk, read_only".to_owned())),
        None => Err(("wrong_type", format!("must be a string, not {}", kind_of(&value)))),
    }
}

/// An account as it is asked for, its password in the clear.
struct Wanted {
    email: String,
    name: Option<String>,
    role: Role,
    password: String,
    rate_limit_per_minute: Option<u32>,
}

fn read_new(fields: &mut Fields<'_>) -> Option<Wanted> {
    let email = fields.required("email", account_email);
    let named = fields.optional("name", name);
    let role = fields.required("role", role);
    let password = fields.required("password", new_password);
    let rate_limit_per_minute = fields.optional("rate_limit_per_minute", rate_limit);
    Some(Wanted { email: email?, name: named, role: role?, password: password?, rate_limit_per_minute })
}

fn read_change(fields: &mut Fields<'_>) -> Option<UserChange> {
    let email = fields.required("email", account_email);
    let named = fields.optional("name", name);
    let role = fields.required("role", role);
    let active = fields.required("active", boolean);
    let rate_limit_per_minute = fields.optional("rate_limit_per_minute", rate_limit);
    Some(UserChange { email: email?, name: named, role: role?, active: active?, rate_limit_per_minute })
}

/// Lists accounts, in the order in which they were made.
#[utoipa::path(get, path = "/users", operation_id = "list_users", tag = "users", params(UsersParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<User>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<User>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::USERS).await?;
    let page = app.store().list_users(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Makes an account. An address that is taken is 409 `duplicate_email`, whichever tenant's account has it. There is no key for this
/// request, because what is kept of a key is made of the body, and a password is in it: the address tells a repeat.
#[utoipa::path(post, path = "/users", operation_id = "create_user", tag = "users", request_body = bodies::NewUser,
    responses((status = 201, description = "Made", body = User, headers(("Location" = String, description = "Its address"), ("ETag" = String, description = "Its state"))), CreateErrors))]
async fn create(State(app): State<App>, ctx: Ctx, body: JsonBody) -> Result<Response, Problem> {
    let Wanted { email, name, role, password, rate_limit_per_minute } = body.read(read_new)?;
    let password_hash = hash(&app, password).await?;
    let new = NewUser { email, name, role, password_hash, rate_limit_per_minute };
    let write = writes::creation(ctx.tenant, ctx.user, new);
    match app.store().apply(write, None).await.map_err(of_catalogue)? {
        Some(done) => respond(done, made),
        None => Err(no_longer_owner()),
    }
}

fn made(user: &User) -> Shown {
    Shown::created(format!("{BASE}/users/{}", user.id), user).tagged(user)
}

/// Shows an account.
#[utoipa::path(get, path = "/users/{id}", operation_id = "get_user", tag = "users", params(("id" = UserId, Path), IfNoneMatchParameter),
    responses((status = 200, description = "It", body = User, headers(("ETag" = String, description = "Its state"))),
        (status = 304, description = "It is in a state that If-None-Match names"), GetErrors))]
async fn get(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<UserId>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    Ok(show(found(app.store().user(ctx.tenant, id).await?, "user")?, &known))
}

/// Makes an account what the body says. A role holds for requests in five seconds at the latest, in every process. The last active
/// owner stays one: 409 `last_owner`.
#[utoipa::path(put, path = "/users/{id}", operation_id = "replace_user", tag = "users", params(("id" = UserId, Path), IfMatchParameter),
    request_body = bodies::UserChange,
    responses((status = 200, description = "It as it is now", body = User, headers(("ETag" = String, description = "Its state"))), MatchedChangeErrors))]
async fn replace(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<UserId>,
    IfMatch(expected): IfMatch,
    body: JsonBody,
) -> Result<Response, Problem> {
    let change = body.read(read_change)?;
    let changed = app.store().change_user((ctx.tenant, ctx.user), id, change, expected).await.map_err(of_user)?;
    let Some(user) = changed else { return Err(unmet(&app, &ctx, id).await?) };
    app.tokens().forget_user(ctx.tenant, id);
    Ok(Shown::revised(&user).into_response())
}

/// Why nothing was changed: there is no such account, or it is in another state.
async fn unmet(app: &App, ctx: &Ctx, id: UserId) -> Result<Problem, Problem> {
    let user = found(app.store().user(ctx.tenant, id).await?, "user")?;
    Ok(etag::mismatch(user.revision()))
}

/// Switches an account off: it stays in the ledger and the audit log, and loses its sessions and API tokens for good. Once more is no
/// change. The last active owner stays: 409 `last_owner`.
#[utoipa::path(delete, path = "/users/{id}", operation_id = "deactivate_user", tag = "users", params(("id" = UserId, Path), IfMatchParameter),
    responses((status = 204, description = "It is off"), MatchedActErrors))]
async fn deactivate(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<UserId>,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode, Problem> {
    let done = app.store().deactivate_user((ctx.tenant, ctx.user), id, expected.clone()).await.map_err(of_user)?;
    if done.is_none() {
        let user = found(app.store().user(ctx.tenant, id).await?, "user")?;
        if user.active || !expected.admits(user.revision()) {
            return Err(etag::mismatch(user.revision()));
        }
    }
    app.tokens().forget_user(ctx.tenant, id);
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an account another password and ends its sessions; its API tokens stay. One's own is changed with the old one, at
/// `/auth/password`.
#[utoipa::path(post, path = "/users/{id}/password", operation_id = "reset_password", tag = "users", params(("id" = UserId, Path)),
    request_body = bodies::PasswordReset,
    responses((status = 204, description = "It holds from now on"), MatchedChangeErrors))]
async fn reset_password(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<UserId>,
    body: JsonBody,
) -> Result<StatusCode, Problem> {
    let password = body.read(|fields| fields.required("password", new_password))?;
    if id == ctx.user {
        let detail = "One's own password is changed with POST /auth/password, which wants the old one.";
        return Err(Problem::new(StatusCode::CONFLICT, "own_password", detail));
    }
    let hash = hash(&app, password).await?;
    let done = app.store().reset_password((ctx.tenant, ctx.user), id, hash).await.map_err(of_user)?;
    found(done, "user")?;
    app.tokens().forget_user(ctx.tenant, id);
    Ok(StatusCode::NO_CONTENT)
}
