//! Tenants over HTTP, for whoever runs the platform: made, listed, suspended and resumed with the platform's token.
//!
//! Without that token in the service's settings every request is refused. It opens no tenant's data.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{FromRequestParts, MatchedPath, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use kv_coord::rate_limit::{LimitKey, Policy};
use kv_store::access::tenants::{NewTenant, Tenant, TenantStatus};
use kv_store::audit_log::{self, Trail};
use kv_types::TenantId;
use kv_types::time::{rfc3339_micros, rfc3339_micros_or_null};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{self, Found, Who};
use super::address::ClientAddress;
use super::answers::{CreateErrors, GetErrors, ListErrors, found};
use super::auth::password::{hash, new_password};
use super::auth::{bearer_text, login, unknown_token};
use super::bodies;
use super::conflict::of_tenant;
use super::fields::{Fields, Refused};
use super::json::JsonBody;
use super::layers::refuse_announced_size;
use super::limit::policy;
use super::problem::Problem;
use super::query::{Query, whole};
use super::request_id::RequestId;
use super::values::{account_email, line, name};
use crate::app::App;

/// Wrong tokens per address and minute.
const FAILURES_PER_ADDRESS: u32 = 10;
/// Tenants of a page, when nothing is said, and at most.
const DEFAULT_LIMIT: i32 = 20;
const MAX_LIMIT: i64 = 100;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(suspend)).routes(routes!(resume))
}

/// A tenant, as the platform sees it.
#[derive(Debug, Serialize, ToSchema)]
struct TenantView {
    /// Its number.
    #[schema(value_type = i64, minimum = 1)]
    id: TenantId,
    /// Its short name.
    #[schema(example = "acme")]
    slug: String,
    /// The company's name.
    #[schema(example = "Acme Trading")]
    name: String,
    /// `active` or `suspended`.
    #[schema(example = "active")]
    status: &'static str,
    /// When it was made.
    #[serde(serialize_with = "rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Since when it is suspended.
    #[serde(serialize_with = "rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    suspended_at: Option<Timestamp>,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let Tenant { id, slug, name, status, created_at, suspended_at } = tenant;
        Self { id, slug, name, status: status.as_str(), created_at, suspended_at }
    }
}

/// Tenants in the order of their numbers.
#[derive(Debug, Serialize, ToSchema)]
struct Tenants {
    /// The tenants.
    data: Vec<TenantView>,
    /// What to give as `after` for the next ones; null on the last page.
    next_after: Option<i64>,
}

/// Lets whoever has the platform's token through.
pub(super) async fn require_platform(State(app): State<App>, request: Request, next: Next) -> Response {
    let ClientAddress(address) = ClientAddress::of(&app, &request);
    if let Err(problem) = authenticate(&app, address, request.headers()).await {
        return problem.into_response();
    }
    match admit(&app, address, &request) {
        Ok(trail) => audit_log::follow(trail, next.run(request)).await,
        Err(problem) => problem.into_response(),
    }
}

async fn authenticate(app: &App, address: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
    let policies: [Policy; 1] = [policy("address", LimitKey::login_address(address), FAILURES_PER_ADDRESS)];
    login::refuse_throttled(&app.login_failures().peek(&policies).await?)?;
    let given = bearer_text(headers)?;
    if !app.settings().platform_token.as_ref().is_some_and(|token| token.is(given)) {
        app.login_failures().penalise(&policies).await?;
        return Err(unknown_token());
    }
    Ok(())
}

/// The trail of a request that came with the platform's token.
fn admit(app: &App, address: IpAddr, request: &Request) -> Result<Trail, Problem> {
    refuse_announced_size(request)?;
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let operation = match app.gate().find(request.method(), route) {
        Found::NoOperation => "",
        Found::Ruled(rule) if rule.who == Who::Platform => rule.operation,
        Found::Ruled(_) | Found::Unruled => return Err(access::forbidden()),
    };
    let id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
    let address = Some(address.to_string());
    Ok(Trail::of(audit_log::Request { operation, object_type: "tenant", id, address, ..audit_log::Request::default() }))
}

/// The tenant in the path. What is no number names nothing, as an unknown one does.
struct PathTenant(TenantId);

impl<S: Send + Sync> FromRequestParts<S> for PathTenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let raw = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = raw.and_then(|Path(raw)| raw.parse().ok()).and_then(TenantId::new);
        id.map(Self).ok_or_else(|| Problem::not_found("tenant"))
    }
}

/// Lists tenants, in the order of their numbers.
#[utoipa::path(get, path = "/tenants", operation_id = "list_tenants", tag = "platform", security(("platform" = [])),
    params(("after" = Option<i64>, Query, minimum = 0, description = "The last number already seen"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Tenants of the page")),
    responses((status = 200, description = "One page", body = Tenants), ListErrors))]
async fn list(State(app): State<App>, query: Query) -> Result<Json<Tenants>, Problem> {
    let (after, limit) = query.read(|query| {
        let after = query.optional("after", |raw| whole(raw, 0, i64::MAX)).unwrap_or(0);
        let limit = query.optional("limit", |raw| whole(raw, 1, MAX_LIMIT)).map(|limit| limit as i32);
        Some((after, limit.unwrap_or(DEFAULT_LIMIT)))
    })?;
    let page = app.store().tenants(after, limit).await?;
    let next_after = page.rows.last().filter(|_| page.has_more).map(|tenant| tenant.id.get());
    Ok(Json(Tenants { data: page.rows.into_iter().map(TenantView::from).collect(), next_after }))
}

fn slug(value: Value) -> Result<String, Refused> {
    let text = line(63)(value)?;
    let is_word = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_word && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text)
    } else {
        Err(("invalid_format", "must be small letters, digits and hyphens between them".to_owned()))
    }
}

/// A tenant as it is asked for, the password in the clear.
struct Wanted {
    slug: String,
    name: String,
    owner_email: String,
    owner_name: Option<String>,
    owner_password: String,
}

fn read(fields: &mut Fields<'_>) -> Option<Wanted> {
    let slug = fields.required("slug", slug);
    let named = fields.required("name", name);
    let owner_email = fields.required("owner_email", account_email);
    let owner_name = fields.optional("owner_name", name);
    let owner_password = fields.required("owner_password", new_password);
    Some(Wanted { slug: slug?, name: named?, owner_email: owner_email?, owner_name, owner_password: owner_password? })
}

/// Makes a tenant and its first owner.
#[utoipa::path(post, path = "/tenants", operation_id = "create_tenant", tag = "platform", security(("platform" = [])),
    request_body = bodies::NewTenant,
    responses((status = 201, description = "Made", body = TenantView), CreateErrors))]
async fn create(State(app): State<App>, body: JsonBody) -> Result<(StatusCode, Json<TenantView>), Problem> {
    let Wanted { slug, name, owner_email, owner_name, owner_password } = body.read(read)?;
    let password_hash = hash(&app, owner_password).await?;
    let new = NewTenant { slug, name, owner_email, owner_name, password_hash };
    let (tenant, _owner) = app.store().create_tenant(new).await.map_err(of_tenant)?;
    Ok((StatusCode::CREATED, Json(tenant.into())))
}

/// Suspends a tenant: within five seconds no process lets its accounts do anything any more (403 `tenant_suspended`). Its data stay. Once
/// more is no change.
#[utoipa::path(post, path = "/tenants/{id}/suspend", operation_id = "suspend_tenant", tag = "platform", security(("platform" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses((status = 200, description = "It as it is now", body = TenantView), GetErrors))]
async fn suspend(State(app): State<App>, PathTenant(id): PathTenant) -> Result<Json<TenantView>, Problem> {
    set_status(&app, id, TenantStatus::Suspended).await
}

/// Lets a suspended tenant go on. Once more is no change.
#[utoipa::path(post, path = "/tenants/{id}/resume", operation_id = "resume_tenant", tag = "platform", security(("platform" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses((status = 200, description = "It as it is now", body = TenantView), GetErrors))]
async fn resume(State(app): State<App>, PathTenant(id): PathTenant) -> Result<Json<TenantView>, Problem> {
    set_status(&app, id, TenantStatus::Active).await
}

async fn set_status(app: &App, id: TenantId, status: TenantStatus) -> Result<Json<TenantView>, Problem> {
    let tenant = found(app.store().set_tenant_status(id, status).await?, "tenant")?;
    app.tokens().forget_tenant(id);
    Ok(Json(tenant.into()))
}
