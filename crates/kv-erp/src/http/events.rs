//! Events over HTTP: what happened, from a place on.

use axum::Json;
use axum::extract::State;
use kv_types::events::{Event, EventKind};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::ListErrors;
use super::bodies::EventType;
use super::ctx::Ctx;
use super::fields::Refused;
use super::problem::Problem;
use super::query::{DEFAULT_LIMIT, MAX_LIMIT, Query, whole};
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Events in the order of their places.
#[derive(Debug, Serialize, ToSchema)]
struct Events {
    /// They.
    data: Vec<Event>,
    /// What to give as `after` the next time: the place of the last of them, or what was given when there are none.
    next_after: i64,
    /// Whether there are more already.
    has_more: bool,
}

/// The type of an event.
pub(super) fn kind(raw: &str) -> Result<EventKind, Refused> {
    EventKind::parse(raw).ok_or_else(|| {
        let known = EventKind::ALL.map(EventKind::as_str).join(", ");
        ("invalid_format", format!("must be one of {known}"))
    })
}

/// Lists events behind a place, the oldest first. Nothing ever appears at or before a place that was shown, so a reader that goes on
/// from `next_after` misses nothing. Events are kept for 30 days; they appear once a worker has placed them, within a second.
#[utoipa::path(get, path = "/events", operation_id = "list_events", tag = "events",
    params(("after" = Option<i64>, Query, minimum = 0, description = "Only events behind this place; without it from the first"),
        ("type" = Option<EventType>, Query, description = "Only of this type", example = "order.created"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Without it 20")),
    responses((status = 200, description = "They", body = Events), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Json<Events>, Problem> {
    let (after, kind, limit) = query.read(|query| {
        let after = query.optional("after", |raw| whole(raw, 0, i64::MAX)).unwrap_or(0);
        let kind = query.optional("type", kind);
        let limit = query.optional("limit", |raw| whole(raw, 1, MAX_LIMIT)).unwrap_or(DEFAULT_LIMIT);
        Some((after, kind, limit))
    })?;
    let page = app.store().events(ctx.tenant, after, kind.map(EventKind::as_str), limit).await?;
    let next_after = page.rows.last().map_or(after, |last| last.position);
    Ok(Json(Events { data: page.rows, next_after, has_more: page.has_more }))
}
