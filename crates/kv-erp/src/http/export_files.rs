//! Exports into files: asked for by a POST, written by a job, and read when they are whole.
//!
//! Invariant: a body is as long as its `Content-Length`, so that no part of a file passes for the whole.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kv_store::exports::{MAX_EXPORT_FILES, NewExport, creation};
use kv_store::replicas;
use kv_types::ExportFileId;
use kv_types::exports::{ExportFile, ExportKind, ExportState};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{ActErrors, BASE, CreateErrors, GetErrors, found};
use super::auth::confirm;
use super::bodies::{self, KeyParameter};
use super::ctx::Ctx;
use super::exports::{EXPORT_TIME, PATIENCE, Part, body, crowded, headers};
use super::fields::{Fields, Refused, kind_of};
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::path::PathId;
use super::problem::Problem;
use super::shown::{Shown, respond};
use super::values::boolean;
use super::writer::Writer;
use crate::app::App;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(get)).routes(routes!(content))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
fn kind(value: Value) -> Result<ExportKind, Refused> {
    match value.as_str() {
        Some(text) => ExportKind::parse(text).ok_or_else(|| {
            let known = ExportKind::ALL.map(ExportKind::as_str).join(", ");
            ("unknown_word", format!("must be one of {known}"))
        }),
        None => Err(("wrong_type", format!("must be a string, not {}", kind_of(&value)))),
    }
}

fn read_new(fields: &mut Fields<'_>) -> Option<NewExport> {
    let kind = fields.required("kind", kind);
    let spreadsheet = fields.given("spreadsheet", boolean).unwrap_or(false);
    Some(NewExport { kind: kind?, spreadsheet })
}

fn accepted(export: &ExportFile) -> Shown {
    Shown::accepted(format!("{BASE}/export-files/{}", export.id), export)
}

/// Asks for an export into a file: a job writes it, for the account that asked, with the columns and rows of `GET /exports/{kind}`. It
/// is kept for 24 hours from its end, 256 MiB at most. A tenant keeps 100 of them (409 `too_many_export_files`), and 1 GiB in all.
#[utoipa::path(post, path = "/export-files", operation_id = "create_export_file", tag = "exports", params(KeyParameter),
    request_body = bodies::NewExport,
    responses((status = 202, description = "A job writes it", body = ExportFile, headers(("Location" = String, description = "Where to look"))), CreateErrors))]
async fn create(State(app): State<App>, writer: Writer, key: Keyed, body: JsonBody) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), accepted);
    let write = creation(writer.tenant, writer.user, body.read(read_new)?);
    let Some(done) = app.store().apply(write, once).await? else {
        let detail = format!("There are {MAX_EXPORT_FILES} exports, which is the most; each is kept for 24 hours.");
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_export_files", detail));
    };
    app.store().ring();
    respond(done, accepted)
}

/// Shows an export: how far it is, and until when it is kept.
#[utoipa::path(get, path = "/export-files/{id}", operation_id = "get_export_file", tag = "exports", params(("id" = ExportFileId, Path)),
    responses((status = 200, description = "It", body = ExportFile), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(id): PathId<ExportFileId>) -> Result<Json<ExportFile>, Problem> {
    found(app.store().export_file(ctx.tenant, id).await?, "export").map(Json)
}

/// Gives the file of an export that is complete. Before that: 409 `export_open`; of one that was given up: 409 `export_failed`.
#[utoipa::path(get, path = "/export-files/{id}/content", operation_id = "get_export_file_content", tag = "exports",
    params(("id" = ExportFileId, Path)),
    responses((status = 200, description = "The file", body = String, content_type = "text/csv",
        example = "id,code,name,email,phone,version,created_at,updated_at\r\n018f0000-0000-7000-8000-000000000000,C-1001,Ada Lovelace,ada@example.com,,1,2026-01-01T00:00:00.000000Z,2026-01-01T00:00:00.000000Z\r\n"), ActErrors))]
async fn content(State(app): State<App>, ctx: Ctx, PathId(id): PathId<ExportFileId>) -> Result<Response, Problem> {
    let export = found(app.store().export_file(ctx.tenant, id).await?, "export")?;
    let conflict = |code, detail: &'static str| Problem::new(StatusCode::CONFLICT, code, detail);
    match export.state {
        ExportState::Open => {
            return Err(conflict("export_open", "Its job is still to be done; look at the export.").retryable());
        }
        ExportState::Failed => {
            let reason = export.reason.unwrap_or_default();
            return Err(conflict("export_failed", "The export was given up; see reason.").with("reason", reason));
        }
        ExportState::Complete => {}
    }
    // Whoever has seen that it is complete must not be told by a replica that is a moment behind that it is not there.
    let wanted = app.store().steady().await;
    let file = found(replicas::within(wanted, app.store().stored_file(ctx.tenant, id.uuid())).await?, "export")?;
    let place = app.exports().take(ctx.tenant).ok_or_else(crowded)?;
    // One piece is on its way to the client while the next is read.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _place = place;
        let sending = replicas::within(wanted, send_all(&app, &ctx, (id, file.pieces), sender));
        if timeout(EXPORT_TIME, sending).await.is_err() {
            tracing::warn!("the reading of an export took too long and broke off");
        }
    });
    let length = [(CONTENT_LENGTH, file.bytes)];
    Ok((headers(export.kind)?, length, Body::from_stream(body(receiver))).into_response())
}

async fn send_all(app: &App, ctx: &Ctx, (id, pieces): (ExportFileId, i32), sender: mpsc::Sender<Part>) {
    for place in 0..pieces {
        // It takes long, and whoever asked for it may have lost the right to it since it began.
        if confirm(app, ctx, &Method::GET).await.is_err() {
            return;
        }
        let piece = match app.store().piece((ctx.tenant, id.uuid()), place).await {
            Ok(Some(piece)) => piece,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the reading of an export broke off");
                return;
            }
        };
        if sender.send_timeout(Part::Rows(piece), PATIENCE).await.is_err() {
            return;
        }
    }
    // Whoever does not read it any more has gone.
    drop(sender.send_timeout(Part::End, PATIENCE).await);
}
