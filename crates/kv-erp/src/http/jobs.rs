//! Jobs over HTTP: what follows from what was committed, as far as it is done.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kv_store::jobs::replay as replaying;
use kv_types::JobId;
use kv_types::jobs::{JobState, JobView};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{ActErrors, GetErrors, ListErrors, found};
use super::bodies::KeyParameter;
use super::ctx::Ctx;
use super::fields::Refused;
use super::idempotency::Keyed;
use super::path::PathId;
use super::problem::Problem;
use super::query::{DEFAULT_LIMIT, MAX_LIMIT, Query, whole};
use super::shown::{Shown, respond};
use super::writer::Writer;
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(replay))
}

/// Jobs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct Jobs {
    /// They.
    data: Vec<JobView>,
    /// What to give as `before` for the next ones; null on the last page.
    next_before: Option<JobId>,
}

fn state(raw: &str) -> Result<JobState, Refused> {
    let known = JobState::ALL.map(JobState::as_str).join(", ");
    JobState::parse(raw).ok_or_else(|| ("invalid_format", format!("must be one of {known}")))
}

/// The id of a page's last row.
pub(super) fn id<T: std::str::FromStr>(raw: &str) -> Result<T, Refused> {
    raw.parse().map_err(|_| ("invalid_format", "must be a UUID".to_owned()))
}

/// Lists jobs, the newest first. Done ones are kept for a day, dead ones for 30.
#[utoipa::path(get, path = "/jobs", operation_id = "list_jobs", tag = "jobs",
    params(("state" = Option<JobState>, Query, description = "Only in this state"),
        ("before" = Option<JobId>, Query, description = "Only those made before this one"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Without it 20")),
    responses((status = 200, description = "They", body = Jobs), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Json<Jobs>, Problem> {
    let (state, before, limit) = query.read(|query| {
        let state = query.optional("state", state);
        let before = query.optional("before", id::<JobId>);
        let limit = query.optional("limit", |raw| whole(raw, 1, MAX_LIMIT)).unwrap_or(DEFAULT_LIMIT);
        Some((state, before, limit))
    })?;
    let page = app.store().jobs(ctx.tenant, state, before, limit).await?;
    let next_before = page.rows.last().filter(|_| page.has_more).map(|last| last.id);
    Ok(Json(Jobs { data: page.rows, next_before }))
}

/// Shows a job.
#[utoipa::path(get, path = "/jobs/{id}", operation_id = "get_job", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, description = "It", body = JobView), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(id): PathId<JobId>) -> Result<Json<JobView>, Problem> {
    found(app.store().job(ctx.tenant, id).await?, "job").map(Json)
}

/// Begins a dead job anew, with all its attempts. One that is not dead is refused with 409 `job_not_dead`.
#[utoipa::path(post, path = "/jobs/{id}/replay", operation_id = "replay_job", tag = "jobs", params(("id" = JobId, Path), KeyParameter),
    responses((status = 200, description = "It as it is now", body = JobView), ActErrors))]
async fn replay(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<JobId>,
    key: Keyed,
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], Shown::changed);
    let replayed = app.store().apply(replaying(writer.tenant, id), once).await?;
    let Some(done) = replayed else {
        found(app.store().job(writer.tenant, id).await?, "job")?;
        let detail = "The job is not dead, or another one with its unique key is to be done.";
        return Err(Problem::new(StatusCode::CONFLICT, "job_not_dead", detail));
    };
    app.store().ring();
    respond(done, Shown::changed)
}
