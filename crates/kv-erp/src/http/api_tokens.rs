//! API tokens over HTTP: each account manages its own, an owner sees and ends those of all.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use kv_store::access::tokens::{MAX_TOKENS, NewApiToken, Reach, creation};
use kv_store::access::{Role, Scope, Scopes};
use kv_store::idempotency::Done;
use kv_store::lists::{Value as Filtered, known};
use kv_types::ApiTokenId;
use kv_types::access::ApiToken;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::rules;
use super::answers::{ActErrors, CreateErrors, ListErrors};
use super::bodies;
use super::bodies::lists::ApiTokensParameters;
use super::ctx::Ctx;
use super::fields::{Faults, Fields, Refused, kind_of};
use super::json::JsonBody;
use super::listing::Listed;
use super::path::PathId;
use super::problem::Problem;
use super::query::Query;
use super::values::{name, rate_limit};
use crate::app::App;
use crate::credentials::token::{Token, TokenKind};

/// How long a token works when nothing is said.
const DEFAULT_LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long a token may work.
const MAX_LIFE: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Most entries of the list of scopes; there are fewer scopes.
const MAX_SCOPES: usize = 64;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// A new API token with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
struct IssuedToken {
    /// To be sent as `Authorization: Bearer TOKEN`. It begins with `kva_`, so that scanners for leaked secrets know it.
    #[schema(example = "kva_3fQzEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE00")]
    token: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    about: ApiToken,
}

/// A token as it is asked for.
struct Wanted {
    name: String,
    scopes: Vec<Value>,
    expires_at: Option<Timestamp>,
    rate_limit_per_minute: Option<u32>,
}

fn read(fields: &mut Fields<'_>) -> Option<Wanted> {
    let named = fields.required("name", name);
    let scopes = fields.values("scopes", MAX_SCOPES);
    let expires_at = fields.given("expires_at", instant);
    let rate_limit_per_minute = fields.optional("rate_limit_per_minute", rate_limit);
    Some(Wanted { name: named?, scopes: scopes?, expires_at, rate_limit_per_minute })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
fn instant(value: Value) -> Result<Timestamp, Refused> {
    let Some(text) = value.as_str() else {
        return Err(("wrong_type", format!("must be a string, not {}", kind_of(&value))));
    };
    let form = || ("invalid_format", "must be a time as RFC 3339 writes it, such as 2026-01-31T00:00:00Z".to_owned());
    let instant: Timestamp = text.parse().map_err(|_| form())?;
    let now = Timestamp::now();
    if instant <= now || now + MAX_LIFE < instant {
        return Err(("out_of_range", "must lie ahead, and within 366 days".to_owned()));
    }
    Ok(instant)
}

/// The scopes that are asked for, as far as the caller has them.
///
/// # Errors
/// 422 with each that is unknown or beyond the caller.
fn allowed(ctx: &Ctx, wanted: &[Value]) -> Result<Scopes, Problem> {
    let mut faults = Faults::default();
    let mut scopes = Scopes::NONE;
    for (place, value) in wanted.iter().enumerate() {
        match scope(ctx, value) {
            Ok(scope) => scopes = scopes.with(scope),
            Err(refused) => faults.add(format!("/scopes/{place}"), refused),
        }
    }
    faults.finish(Some(scopes))
}

fn scope(ctx: &Ctx, value: &Value) -> Result<Scope, Refused> {
    let Some(text) = value.as_str() else {
        return Err(("wrong_type", format!("must be a string, not {}", kind_of(value))));
    };
    let Ok(scope) = text.parse::<Scope>() else {
        let words: BTreeSet<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let words: Vec<&str> = words.into_iter().collect();
        return Err(("unknown_scope", format!("must be one of {}", words.join(", "))));
    };
    if rules::least_role(scope).is_none_or(|least| ctx.role < least) {
        return Err(("scope_above_role", format!("is beyond the role {}", ctx.role.as_str())));
    }
    if ctx.session.grant.scopes.is_some_and(|own| !own.has(scope)) {
        return Err(("scope_above_token", "is beyond the token that asks for it".to_owned()));
    }
    Ok(scope)
}

/// Lists API tokens that were not revoked, without their secrets: one's own; an owner's list has those of all accounts.
#[utoipa::path(get, path = "/api-tokens", operation_id = "list_api_tokens", tag = "api-tokens", params(ApiTokensParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<ApiToken>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<ApiToken>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::API_TOKENS).await?;
    let mut ask = asked.ask.clone();
    if ctx.role != Role::Owner {
        let own = known::API_TOKENS.filters.iter().find(|filter| filter.name == "user_id");
        let own = own.expect("the list of tokens has a filter by account");
        ask = ask.filtered(own, Filtered::Id(ctx.user.uuid()));
    }
    let page = app.store().list_api_tokens(ctx.tenant, &ask).await?;
    Ok(asked.answer(page))
}

/// Makes an API token of one's own. Its secret is in this answer alone, which is therefore not kept: the request cannot be repeated
/// under a key. What it may do is what its scopes and its account's role at the time of its use both allow. One that is made with a
/// token has none of its maker's missing scopes, ends with it at the latest, and is revoked with it.
#[utoipa::path(post, path = "/api-tokens", operation_id = "create_api_token", tag = "api-tokens", request_body = bodies::NewApiToken,
    responses((status = 201, description = "Made", body = IssuedToken), CreateErrors))]
async fn create(State(app): State<App>, ctx: Ctx, body: JsonBody) -> Result<Response, Problem> {
    let Wanted { name, scopes, expires_at, rate_limit_per_minute } = body.read(read)?;
    let scopes = allowed(&ctx, &scopes)?;
    let wanted = expires_at.unwrap_or_else(|| Timestamp::now() + DEFAULT_LIFE);
    let is_made_by_token = ctx.session.grant.api_token.is_some();
    let expires_at = if is_made_by_token { wanted.min(ctx.session.expires_at) } else { wanted };
    let token = Token::generate(TokenKind::Api);
    let hint = token.hint().to_owned();
    let new = NewApiToken { hash: token.hash(), hint, name, scopes, expires_at, rate_limit_per_minute };
    let write = creation(ctx.tenant, ctx.user, &ctx.session.grant, new);
    match app.store().apply(write, None).await? {
        Some(Done::Now(about)) => {
            let issued = IssuedToken { token: token.reveal().to_owned(), about };
            Ok((StatusCode::CREATED, Json(issued)).into_response())
        }
        Some(Done::Before(_)) => unreachable!("a write without a key is always done now"),
        None => {
            let detail =
                format!("An account has at most {MAX_TOKENS} API tokens, and one that was revoked makes none.");
            Err(Problem::new(StatusCode::CONFLICT, "too_many_tokens", detail))
        }
    }
}

/// Revokes an API token, and those that were made with it: one's own, of an owner any. In every process it is refused after five seconds
/// at the latest.
#[utoipa::path(delete, path = "/api-tokens/{id}", operation_id = "revoke_api_token", tag = "api-tokens", params(("id" = ApiTokenId, Path)),
    responses((status = 204, description = "It is revoked"), ActErrors))]
async fn revoke(State(app): State<App>, ctx: Ctx, PathId(id): PathId<ApiTokenId>) -> Result<StatusCode, Problem> {
    let scoped = ctx.session.grant.scopes.and(ctx.session.grant.api_token);
    let reach = Reach { user: (ctx.role != Role::Owner).then_some(ctx.user), token: scoped };
    let revoked = app.store().revoke_api_token(ctx.tenant, id, reach).await?;
    let revoked = revoked.ok_or_else(|| Problem::not_found("API token"))?;
    for token in &revoked {
        app.tokens().forget(token);
    }
    Ok(StatusCode::NO_CONTENT)
}
