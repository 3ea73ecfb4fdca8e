//! Imports over HTTP: begun by a POST, fed by a PUT with the file as its body, and looked at meanwhile.
//!
//! A file may be sent again at any time: [`upload`] takes it up behind what is done, and [`keep`] has that done by a job. Its rows are
//! read in [`rows`], by the readers of the single requests, as [`intake`] takes them in.

mod faults;
mod intake;
mod keep;
mod rows;
mod upload;

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kv_store::imports::{NewImport, creation};
use kv_types::ImportId;
use kv_types::imports::{Import, ImportKind, OnConflict, Rejection};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use intake::{Intake, Stopped};

use super::answers::{BASE, ChangeErrors, CreateErrors, GetErrors, done, found};
use super::bodies::{self, KeyParameter, PreferParameter};
use super::ctx::Ctx;
use super::fields::{Fields, Refused, kind_of};
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::path::PathId;
use super::prefer::{PREFERENCE_APPLIED, RESPOND_ASYNC};
use super::problem::Problem;
use super::query::{MAX_LIMIT, Query, whole};
use super::shown::Shown;
use super::values::{NAME_MAX, line};
use super::writer::Writer;
use crate::app::App;
use upload::Taken;

/// The route whose body is a file.
pub(super) const UPLOAD_ROUTE: &str = "/api/v1/imports/{id}/content";
/// How long one upload may take; what is not done by then comes with the next one.
pub(super) const UPLOAD_TIME: Duration = Duration::from_hours(1);

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(get))
        .routes(routes!(content))
        .routes(routes!(rejections))
}

/// Rejections of an import, in the order of the file.
#[derive(Debug, Serialize, ToSchema)]
struct Rejections {
    /// The rows.
    data: Vec<Rejection>,
    /// What to give as `after` for the next ones; null when there are none yet.
    next_after: Option<i64>,
}

fn word<T>(parse: fn(&str) -> Option<T>, words: &'static str) -> impl Fn(Value) -> Result<T, Refused> {
    move |value| match value.as_str() {
        Some(text) => parse(text).ok_or_else(|| ("unknown_word", format!("must be one of {words}"))),
        None => Err(("wrong_type", format!("must be a string, not {}", kind_of(&value)))),
    }
}

fn read_new(fields: &mut Fields<'_>) -> Option<NewImport> {
    let kind = fields.required("kind", word(ImportKind::parse, "customers, products, stock-receipts"));
    let name = fields.optional("name", line(NAME_MAX));
    let on_conflict = fields.given("on_conflict", word(OnConflict::parse, "reject, update")).unwrap_or_default();
    Some(NewImport { kind: kind?, name, on_conflict })
}

fn made(import: &Import) -> Shown {
    Shown::created(format!("{BASE}/imports/{}", import.id), import)
}

/// Begins an import. Its rows come with `PUT /imports/{id}/content`.
#[utoipa::path(post, path = "/imports", operation_id = "create_import", tag = "imports", params(KeyParameter),
    request_body = bodies::NewImport,
    responses((status = 201, description = "Begun", body = Import, headers(("Location" = String, description = "Its address"))), CreateErrors))]
async fn create(State(app): State<App>, writer: Writer, key: Keyed, body: JsonBody) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), made);
    let write = creation(writer.tenant, writer.user, body.read(read_new)?);
    done(app.store().apply(write, once).await?, "import", made)
}

/// Shows an import: how far it is.
#[utoipa::path(get, path = "/imports/{id}", operation_id = "get_import", tag = "imports", params(("id" = ImportId, Path)),
    responses((status = 200, description = "It", body = Import), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(id): PathId<ImportId>) -> Result<Json<Import>, Problem> {
    found(app.store().import(ctx.tenant, id).await?.map(|record| record.import), "import").map(Json)
}

/// Takes the file in: CSV (RFC 4180) in UTF-8 with a header line, of any length. Its rows are done in steps of 500, each wholly or not
/// at all, and each once: after whatever went wrong the same file is sent again, and what is done is skipped. When it is another file,
/// 409 `import_content_differs`. A row that is wrong is rejected and does not stop the others; with 10,000 rejections, or 10,000,000
/// rows, the import is given up. One upload at a time: another one meets 409 `import_busy`, also for up to 15 seconds after a crash.
///
/// Columns: of customers `code`, `name`, `email`, `phone`; of products `sku`, `name`, `description`, `uom`, `price_minor`, `currency`,
/// `active`; of stock-receipts `sku`, `warehouse_code`, `quantity`, `reference` (rows that follow one another with one reference are one
/// receipt). An empty cell is a field left out. An import of stock-receipts has to come forward within twelve hours.
///
/// With `Prefer: respond-async` the file is kept, 256 MiB at most, and the answer is 202 as soon as it has come: a job does it, for the
/// account that sent it, and the import says how far that is. Meanwhile the same file is answered with 202 again, another one with 409
/// `import_busy`. It is kept until it is done, or for 24 hours. A tenant keeps 1 GiB of files; one more meets 409 `storage_full`.
#[utoipa::path(put, path = "/imports/{id}/content", operation_id = "upload_import", tag = "imports",
    params(("id" = ImportId, Path), PreferParameter),
    request_body(content = String, content_type = "text/csv", example = "code,name,email\r\nC-1001,Ada Lovelace,ada@example.com\r\n"),
    responses((status = 200, description = "The file is done", body = Import),
        (status = 202, description = "The file is kept, and a job does it", body = Import, headers(("Location" = String, description = "Where to look"), ("Preference-Applied" = String, description = "`respond-async`"))),
        ChangeErrors))]
async fn content(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<ImportId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Ok(match upload::run(&app, &ctx, id, (&headers, body)).await? {
        Taken::Done(import) => Json(import).into_response(),
        Taken::Kept(import) => {
            let headers =
                [(LOCATION, format!("{BASE}/imports/{}", import.id)), (PREFERENCE_APPLIED, RESPOND_ASYNC.to_owned())];
            (StatusCode::ACCEPTED, headers, Json(import)).into_response()
        }
    })
}

/// Lists the rows of an import that were rejected.
#[utoipa::path(get, path = "/imports/{id}/rejections", operation_id = "list_import_rejections", tag = "imports",
    params(("id" = ImportId, Path), ("after" = Option<i64>, Query, minimum = 0, description = "Only rows that begin behind this line"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "Without it 20")),
    responses((status = 200, description = "They", body = Rejections), GetErrors))]
async fn rejections(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<ImportId>,
    query: Query,
) -> Result<Json<Rejections>, Problem> {
    let (after, limit) = query.read(|query| {
        let after = query.optional("after", |raw| whole(raw, 0, i64::MAX)).unwrap_or(0);
        let limit = query.optional("limit", |raw| whole(raw, 1, MAX_LIMIT)).unwrap_or(20);
        Some((after, limit))
    })?;
    if app.store().import(ctx.tenant, id).await?.is_none() {
        return Err(Problem::not_found("import"));
    }
    let page = app.store().import_rejections(ctx.tenant, id, after, limit).await?;
    let next_after = page.rows.last().filter(|_| page.has_more).map(|last| last.line);
    Ok(Json(Rejections { data: page.rows, next_after }))
}
