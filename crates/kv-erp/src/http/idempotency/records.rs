//! What became of a key, and the end of one: how a caller that got no answer learns for good what happened.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use kv_store::idempotency::KeyRecord;
use kv_store::replicas::{Freshness, within};
use kv_types::IdempotencyKey;
use kv_types::time::rfc3339_micros;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::answers::{ActErrors, GetErrors};
use crate::http::ctx::Ctx;
use crate::http::faults;
use crate::http::path::PathId;
use crate::http::problem::Problem;
use crate::http::shown::Head;
use crate::http::writer::Writer;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get, make_void))
}

/// What became of an idempotency key.
#[derive(Debug, Serialize, ToSchema)]
struct KeyView {
    /// The key.
    key: String,
    /// `completed`: a write with it was done. `in_flight`: a request with it is under way in this process. `void`: nothing was
    /// done with it, and nothing will be until it expires.
    state: &'static str,
    /// The status of the answer, which a repeat is given again.
    #[schema(minimum = 200, maximum = 299)]
    status: Option<u16>,
    /// The request's method.
    method: Option<String>,
    /// The request's path.
    path: Option<String>,
    /// The address of what was made.
    location: Option<String>,
    /// When the write was done, or the key made void.
    #[serde(serialize_with = "instant")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// When the key is forgotten and may be used anew.
    #[serde(serialize_with = "instant")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

#[expect(clippy::ref_option, reason = "the shape that serde calls")]
fn instant<S: Serializer>(instant: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => rfc3339_micros(instant, serializer),
        None => serializer.serialize_none(),
    }
}

impl KeyView {
    fn of(key: &IdempotencyKey, record: KeyRecord) -> Result<Self, Problem> {
        let mut view = Self {
            key: key.to_string(),
            state: "in_flight",
            status: None,
            method: None,
            path: None,
            location: None,
            created_at: None,
            expires_at: None,
        };
        match record {
            KeyRecord::InFlight => {}
            KeyRecord::Void { created_at, expires_at } => {
                view.state = "void";
                (view.created_at, view.expires_at) = (Some(created_at), Some(expires_at));
            }
            KeyRecord::Completed { line, head, created_at, expires_at } => {
                let (Some(head), Some((method, path))) = (Head::read(&head), line.split_once(' ')) else {
                    tracing::error!(head, line, "a kept answer does not read as this program writes it");
                    return Err(faults::internal());
                };
                view.state = "completed";
                view.status = Some(head.status.as_u16());
                view.location = head.location.map(str::to_owned);
                (view.method, view.path) = (Some(method.to_owned()), Some(path.to_owned()));
                (view.created_at, view.expires_at) = (Some(created_at), Some(expires_at));
            }
        }
        Ok(view)
    }
}

/// Says what became of a key. 404: nothing with it has had an effect, and nothing with it is under way in this process. A
/// request that is still on its way to the service, or in another process, may yet have one: `DELETE` rules that out.
#[utoipa::path(get, path = "/idempotency/{key}", operation_id = "get_idempotency_key", tag = "idempotency",
    params(("key" = String, Path, min_length = 1, max_length = 255, pattern = "^[!-~]{1,255}$", example = "order-17")),
    responses((status = 200, description = "What became of it", body = KeyView), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(key): PathId<IdempotencyKey>) -> Result<Json<KeyView>, Problem> {
    // What became of a key must not be told by a replica that has not heard of it.
    let record = within(Freshness::Latest, app.store().key(ctx.tenant, &key)).await?;
    let record = record.ok_or_else(|| Problem::not_found("idempotency key: nothing was done with it"))?;
    KeyView::of(&key, record).map(Json)
}

/// Settles a key for good. When nothing with it has had an effect it becomes `void`, and whatever comes with it later, or is
/// under way now, is refused with 409 `idempotency_key_void`. When something has, that stays and is told: `completed`. Once
/// more is no change.
#[utoipa::path(delete, path = "/idempotency/{key}", operation_id = "void_idempotency_key", tag = "idempotency",
    params(("key" = String, Path, min_length = 1, max_length = 255, pattern = "^[!-~]{1,255}$", example = "order-17")),
    responses((status = 200, description = "`void` or `completed`, and it stays so until the key expires", body = KeyView), ActErrors))]
async fn make_void(
    State(app): State<App>,
    writer: Writer,
    PathId(key): PathId<IdempotencyKey>,
) -> Result<Json<KeyView>, Problem> {
    let record = app.store().void_key(writer.tenant, &key).await?;
    KeyView::of(&key, record).map(Json)
}
