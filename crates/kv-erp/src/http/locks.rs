//! Locks for clients: the holder is whoever has the token, outside this process.
//!
//! A lock is an order of turns among clients that ask for it. What keeps stock right is the ledger; a client that wants its
//! write refused when it has lost its turn sends the grant's fence along (`X-Lock-Fence`).

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use jiff::Timestamp;
use kv_coord::Resource;
use kv_coord::lock::{Token, Ttl, Wait};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{ChangeErrors, CreateErrors, ListErrors, StockActErrors};
use super::ctx::Ctx;
use super::faults::released;
use super::json::JsonBody;
use super::problem::{FieldFault, Problem};
use super::values::whole;
use super::writer::Writer;
use crate::app::App;

/// The matched pattern of these routes.
pub(super) const LOCK_ROUTE: &str = "/api/v1/locks/{resource}";

/// The header that proves who holds a lock.
const X_LOCK_TOKEN: &str = "X-Lock-Token";

/// How to wait for a lock and how long to have it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct AcquireLock {
    /// How long to wait in line; 0 tries once.
    #[schema(minimum = 0, maximum = 60_000, default = 0, example = 5_000, nullable = false)]
    wait_ms: Option<u64>,
    /// After which time the lock ends by itself. The default is the service's setting.
    #[schema(minimum = 100, maximum = 300_000, default = 10_000, example = 10_000, nullable = false)]
    ttl_ms: Option<u64>,
}

/// A new lifetime for a lock.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct RenewLock {
    /// Counted from now.
    #[schema(minimum = 100, maximum = 300_000)]
    ttl_ms: u64,
}

/// A lock that is the caller's.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LockGrantView {
    /// What is locked.
    resource: String,
    /// Proof of ownership, for renewal and release.
    token: String,
    /// Larger than that of every earlier holder.
    fence: i64,
    /// The lifetime granted.
    ttl_ms: u64,
    /// When the lock ends unless it is renewed.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A lock whose lifetime began anew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LockRenewedView {
    /// What is locked.
    resource: String,
    /// The new lifetime.
    ttl_ms: u64,
    /// When the lock ends unless it is renewed again.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A lock as it stands. A hint: it may have changed when this arrives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LockView {
    /// What it is on.
    resource: String,
    /// Whether somebody has it.
    held: bool,
    /// The holder's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<i64>,
    /// How long it has been held.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    /// How long until it ends unless renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    /// How many wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiters: Option<u32>,
}

/// The resource in the path.
pub(crate) struct PathResource(Resource);

impl<S: Send + Sync> FromRequestParts<S> for PathResource {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(raw) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| invalid("resource", "The resource is no text in UTF-8.".to_owned()))?;
        Resource::parse(&raw).map(Self).map_err(|error| invalid("resource", format!("{error}.")))
    }
}

/// Takes a lock, waiting in line for it as long as the body says.
#[utoipa::path(post, path = "/locks/{resource}", operation_id = "acquire_lock", tag = "locks",
    params(("resource" = String, Path, min_length = 1, max_length = 200, pattern = "^[A-Za-z0-9_.:/@+=,#~-]+$", example = "stock:product-1")), request_body = AcquireLock,
    responses((status = 201, description = "The lock is the caller's.", body = LockGrantView), CreateErrors))]
pub(crate) async fn acquire(
    State(app): State<App>,
    writer: Writer,
    PathResource(resource): PathResource,
    body: JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let (wait, ttl) = body.read(|fields| {
        let wait_ms = fields.given("wait_ms", whole(0..=Wait::MAX_MS as i64)).unwrap_or(0);
        let ttl_ms = fields.given("ttl_ms", ttl_ms).unwrap_or(app.settings().lock_ttl.as_millis());
        Wait::from_millis(wait_ms.unsigned_abs()).ok().zip(Ttl::from_millis(ttl_ms).ok())
    })?;
    let guard = tokio::select! {
        guard = app.locks().acquire(writer.tenant, &resource, wait, ttl) => guard?,
        () = app.draining().cancelled() => {
            return Err(Problem::unavailable("draining", "The service is stopping.", Duration::from_secs(1)));
        }
    };
    let grant = guard.detach();
    app.audit().note_done(writer.tenant, resource.as_str());
    let view = LockGrantView {
        resource: resource.as_str().to_owned(),
        token: grant.token.to_string(),
        fence: grant.fence.get(),
        ttl_ms: grant.ttl.as_millis(),
        expires_at: Timestamp::now() + grant.ttl.get(),
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Shows a lock.
#[utoipa::path(get, path = "/locks/{resource}", operation_id = "get_lock", tag = "locks",
    params(("resource" = String, Path, min_length = 1, max_length = 200, pattern = "^[A-Za-z0-9_.:/@+=,#~-]+$", example = "stock:product-1")),
    responses((status = 200, description = "How it stands.", body = LockView), ListErrors))]
pub(crate) async fn inspect(
    State(app): State<App>,
    ctx: Ctx,
    PathResource(resource): PathResource,
) -> Result<Json<LockView>, Problem> {
    let info = app.locks().exists(ctx.tenant, &resource).await?;
    Ok(Json(LockView {
        resource: resource.as_str().to_owned(),
        held: info.is_some(),
        fence: info.map(|info| info.fence.get()),
        age_ms: info.map(|info| info.age_ms),
        ttl_ms: info.map(|info| info.ttl_ms),
        waiters: info.map(|info| info.waiters),
    }))
}

/// Starts a lock's lifetime anew.
#[utoipa::path(patch, path = "/locks/{resource}", operation_id = "renew_lock", tag = "locks",
    params(("resource" = String, Path, min_length = 1, max_length = 200, pattern = "^[A-Za-z0-9_.:/@+=,#~-]+$", example = "stock:product-1"), ("X-Lock-Token" = String, Header, description = "The grant's token.")),
    request_body = RenewLock,
    responses((status = 200, description = "It lives on.", body = LockRenewedView), ChangeErrors))]
pub(crate) async fn renew(
    State(app): State<App>,
    writer: Writer,
    PathResource(resource): PathResource,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Json<LockRenewedView>, Problem> {
    let token = lock_token(&headers)?;
    let ttl = body.read(|fields| Ttl::from_millis(fields.required("ttl_ms", ttl_ms)?).ok())?;
    app.locks().renew(writer.tenant, &resource, token, ttl).await?;
    app.audit().note_done(writer.tenant, resource.as_str());
    let expires_at = Timestamp::now() + ttl.get();
    Ok(Json(LockRenewedView { resource: resource.as_str().to_owned(), ttl_ms: ttl.as_millis(), expires_at }))
}

/// Gives a lock back; whoever waits longest has it next.
#[utoipa::path(delete, path = "/locks/{resource}", operation_id = "release_lock", tag = "locks",
    params(("resource" = String, Path, min_length = 1, max_length = 200, pattern = "^[A-Za-z0-9_.:/@+=,#~-]+$", example = "stock:product-1"), ("X-Lock-Token" = String, Header, description = "The grant's token.")),
    responses((status = 204, description = "It is given back."), StockActErrors))]
pub(crate) async fn release(
    State(app): State<App>,
    writer: Writer,
    PathResource(resource): PathResource,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let token = lock_token(&headers)?;
    released(app.locks().release(writer.tenant, &resource, token).await?)?;
    app.audit().note_done(writer.tenant, resource.as_str());
    Ok(StatusCode::NO_CONTENT)
}

fn ttl_ms(value: serde_json::Value) -> Result<u64, super::fields::Refused> {
    whole(Ttl::MIN_MS as i64..=Ttl::MAX_MS as i64)(value).map(i64::unsigned_abs)
}

/// The token that proves ownership. Text that is no token belongs to nobody.
fn lock_token(headers: &HeaderMap) -> Result<Token, Problem> {
    let mut given = headers.get_all(X_LOCK_TOKEN).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(invalid(X_LOCK_TOKEN, format!("Send one header {X_LOCK_TOKEN} with the token of the grant.")));
    };
    let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "lock_not_owner", "This token holds no lock."))
}

fn invalid(place: &str, detail: String) -> Problem {
    Problem::validation(vec![FieldFault::new(place, "invalid_format", detail)])
}
