//! Webhooks over HTTP: endpoints, and what became of each delivery.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kv_store::webhooks::{self as writes, EndpointPatch, MAX_ENDPOINTS, NewEndpoint};
use kv_types::webhooks::{DeliveryState, EndpointState, WebhookDelivery, WebhookEndpoint};
use kv_types::{WebhookDeliveryId, WebhookEndpointId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{
    ActErrors, BASE, CreateErrors, GetErrors, ListErrors, MatchedActErrors, PatchErrors, done_if, found, unchanged,
};
use super::bodies::{self, IfMatchParameter, IfNoneMatchParameter, KeyParameter, MustMatchParameter};
use super::ctx::Ctx;
use super::etag::{IfMatch, IfNoneMatch, MustMatch, show};
use super::events::kind;
use super::fields::{Fields, Refused, kind_of};
use super::idempotency::Keyed;
use super::jobs::id;
use super::json::JsonBody;
use super::path::{PathId, PathIds};
use super::problem::Problem;
use super::query::{DEFAULT_LIMIT, MAX_LIMIT, Query, whole};
use super::shown::{Shown, respond};
use super::values::{NAME_MAX, line};
use super::writer::Writer;
use crate::app::App;
use crate::webhooks::Secret;
use crate::webhooks::send::check_url;

/// Most characters of an address.
const URL_MAX: usize = 2_048;
/// Most types that an endpoint names.
const TYPES_MAX: usize = 64;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, change, delete))
        .routes(routes!(deliveries))
        .routes(routes!(redeliver))
}

/// All endpoints.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookEndpoints {
    /// They.
    data: Vec<WebhookEndpoint>,
}

/// Deliveries, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookDeliveries {
    /// They.
    data: Vec<WebhookDelivery>,
    /// What to give as `before` for the next ones; null on the last page.
    next_before: Option<WebhookDeliveryId>,
}

fn url(value: Value) -> Result<String, Refused> {
    let url = line(URL_MAX)(value)?;
    match check_url(&url) {
        Ok(_) => Ok(url),
        Err(fault) => Err(("invalid_format", format!("must be an address such as https://example.com/hooks: {fault}"))),
    }
}

fn event_types(value: Value) -> Result<Vec<String>, Refused> {
    let Value::Array(items) = value else {
        return Err(("wrong_type", format!("must be a list of types, not {}", kind_of(&value))));
    };
    if items.len() > TYPES_MAX {
        return Err(("too_long", format!("has {} types, more than the {TYPES_MAX} allowed", items.len())));
    }
    let read = |item: &Value| match item.as_str() {
        Some(text) => kind(text).map(|kind| kind.as_str().to_owned()),
        None => Err(("wrong_type", format!("must hold strings, not {}", kind_of(item)))),
    };
    items.iter().map(read).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
fn state(value: Value) -> Result<EndpointState, Refused> {
    match value.as_str() {
        Some(text) => {
            EndpointState::parse(text).ok_or_else(|| ("unknown_word", "must be one of enabled, disabled".to_owned()))
        }
        None => Err(("wrong_type", format!("must be a string, not {}", kind_of(&value)))),
    }
}

fn read_new(fields: &mut Fields<'_>) -> Option<NewEndpoint> {
    let url = fields.required("url", url);
    let description = fields.optional("description", line(NAME_MAX));
    let event_types = fields.given("event_types", event_types).unwrap_or_default();
    Some(NewEndpoint { url: url?, description, event_types })
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every reader")]
fn read_patch(fields: &mut Fields<'_>) -> Option<EndpointPatch> {
    Some(EndpointPatch {
        url: fields.given("url", url),
        description: fields.nullable("description", line(NAME_MAX)),
        event_types: fields.given("event_types", event_types),
        state: fields.given("state", state),
    })
}

/// Lists the endpoints; there are twenty at most.
#[utoipa::path(get, path = "/webhook-endpoints", operation_id = "list_webhook_endpoints", tag = "webhooks",
    responses((status = 200, description = "All", body = WebhookEndpoints), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Json<WebhookEndpoints>, Problem> {
    query.read(|_| Some(()))?;
    Ok(Json(WebhookEndpoints { data: app.store().webhook_endpoints(ctx.tenant).await? }))
}

/// Makes an endpoint. Events from now on are sent there by POST, signed with the headers of Standard Webhooks. The secret is shown in
/// this answer alone. A twenty-first endpoint is refused with 409 `too_many_endpoints`.
#[utoipa::path(post, path = "/webhook-endpoints", operation_id = "create_webhook_endpoint", tag = "webhooks", params(KeyParameter),
    request_body = bodies::NewEndpoint,
    responses((status = 201, description = "Made", body = WebhookEndpoint, headers(("Location" = String, description = "Its address"), ("ETag" = String, description = "Its state"))), CreateErrors))]
async fn create(State(app): State<App>, writer: Writer, key: Keyed, body: JsonBody) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), made);
    let write = writes::creation(writer.tenant, &body.read(read_new)?, Secret::generate().bytes());
    let Some(done) = app.store().apply(write, once).await? else {
        let detail = format!("There are {MAX_ENDPOINTS} endpoints, which is the most.");
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_endpoints", detail));
    };
    respond(done, made)
}

fn made((endpoint, secret): &(WebhookEndpoint, Vec<u8>)) -> Shown {
    let shown = WebhookEndpoint { secret: Some(Secret::of(secret.clone()).reveal()), ..endpoint.clone() };
    Shown::created(format!("{BASE}/webhook-endpoints/{}", endpoint.id), &shown).tagged(endpoint)
}

/// Shows an endpoint, without its secret.
#[utoipa::path(get, path = "/webhook-endpoints/{id}", operation_id = "get_webhook_endpoint", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path), IfNoneMatchParameter),
    responses((status = 200, description = "It", body = WebhookEndpoint, headers(("ETag" = String, description = "Its state"))),
        (status = 304, description = "It is in a state that If-None-Match names"), GetErrors))]
async fn get(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<WebhookEndpointId>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    Ok(show(found(app.store().webhook_endpoint(ctx.tenant, id).await?, "webhook endpoint")?, &known))
}

/// Changes an endpoint: what the body leaves out stays. Enabling it forgets its failures.
#[utoipa::path(patch, path = "/webhook-endpoints/{id}", operation_id = "change_webhook_endpoint", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path), MustMatchParameter, KeyParameter), request_body = bodies::EndpointPatch,
    responses((status = 200, description = "It as it is now", body = WebhookEndpoint, headers(("ETag" = String, description = "Its state"))), PatchErrors))]
async fn change(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<WebhookEndpointId>,
    (MustMatch(expected), key): (MustMatch, Keyed),
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), Shown::revised);
    let patch = body.read(read_patch)?;
    let look = app.store().webhook_endpoint(writer.tenant, id);
    if patch == EndpointPatch::default() {
        return unchanged(&found(look.await?, "webhook endpoint")?, &expected);
    }
    let changed = app.store().apply(writes::change(writer.tenant, id, &patch, &expected), once).await?;
    done_if(changed, Shown::revised, (look, "webhook endpoint")).await
}

/// Deletes an endpoint with its deliveries.
#[utoipa::path(delete, path = "/webhook-endpoints/{id}", operation_id = "delete_webhook_endpoint", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path), IfMatchParameter, KeyParameter),
    responses((status = 204, description = "It is gone"), MatchedActErrors))]
async fn delete(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<WebhookEndpointId>,
    (IfMatch(expected), key): (IfMatch, Keyed),
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], |_| Shown::gone());
    let deleted = app.store().apply(writes::deletion(writer.tenant, id, &expected), once).await?;
    let look = app.store().webhook_endpoint(writer.tenant, id);
    done_if(deleted, |_| Shown::gone(), (look, "webhook endpoint")).await
}

/// Lists the deliveries of an endpoint with their outcomes, the newest first. They are kept for 30 days.
#[utoipa::path(get, path = "/webhook-endpoints/{id}/deliveries", operation_id = "list_webhook_deliveries", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path), ("state" = Option<DeliveryState>, Query, description = "Only in this state"),
        ("before" = Option<WebhookDeliveryId>, Query, description = "Only those made before this one"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Without it 20")),
    responses((status = 200, description = "They", body = WebhookDeliveries), GetErrors))]
async fn deliveries(
    State(app): State<App>,
    ctx: Ctx,
    PathId(endpoint): PathId<WebhookEndpointId>,
    query: Query,
) -> Result<Json<WebhookDeliveries>, Problem> {
    let (state, before, limit) = query.read(|query| {
        let known = "must be one of pending, succeeded, failed";
        let read = |raw: &str| DeliveryState::parse(raw).ok_or_else(|| ("invalid_format", known.to_owned()));
        let (state, before) = (query.optional("state", read), query.optional("before", id::<WebhookDeliveryId>));
        let limit = query.optional("limit", |raw| whole(raw, 1, MAX_LIMIT)).unwrap_or(DEFAULT_LIMIT);
        Some((state, before, limit))
    })?;
    found(app.store().webhook_endpoint(ctx.tenant, endpoint).await?, "webhook endpoint")?;
    let page = app.store().webhook_deliveries((ctx.tenant, endpoint), state, before, limit).await?;
    let next_before = page.rows.last().filter(|_| page.has_more).map(|last| last.id);
    Ok(Json(WebhookDeliveries { data: page.rows, next_before }))
}

/// Sends a delivery again that has succeeded or failed, under the same `webhook-id`. One that is on its way is refused with 409
/// `delivery_pending`.
#[utoipa::path(post, path = "/webhook-endpoints/{id}/deliveries/{delivery_id}/redeliver", operation_id = "redeliver_webhook", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path), ("delivery_id" = WebhookDeliveryId, Path), KeyParameter),
    responses((status = 200, description = "It as it is now", body = WebhookDelivery), ActErrors))]
async fn redeliver(
    State(app): State<App>,
    writer: Writer,
    PathIds(endpoint, delivery): PathIds<WebhookEndpointId, WebhookDeliveryId>,
    key: Keyed,
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], Shown::changed);
    let again = app.store().apply(writes::redelivery(writer.tenant, endpoint, delivery), once).await?;
    let Some(done) = again else {
        found(app.store().webhook_delivery((writer.tenant, endpoint), delivery).await?, "webhook delivery")?;
        let detail = "The delivery is on its way already.";
        return Err(Problem::new(StatusCode::CONFLICT, "delivery_pending", detail));
    };
    app.store().ring();
    respond(done, Shown::changed)
}
