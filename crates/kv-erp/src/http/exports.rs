//! Exports over HTTP: a table of the tenant as CSV, streamed page by page.
//!
//! Invariants: at most a page is held of an export, and no connection to the database while the client reads; the reading ends when
//! the client hangs up or reads nothing for [`PATIENCE`]; an error under way breaks the body off, so that no part of a file passes
//! for the whole.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use kv_store::exports::{self, Export, ExportRow};
use kv_store::{StoreError, replicas};
use kv_types::exports::ExportKind;
use tokio::sync::mpsc;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::GetErrors;
use super::auth::confirm;
use super::ctx::Ctx;
use super::path::PathId;
use super::problem::Problem;
use super::query::Query;
use crate::app::App;
use crate::csv::table::{push_header, push_rows};
use crate::csv::write::Formulas;

/// How long a client may read nothing.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// How long an export may take in all.
pub(super) const EXPORT_TIME: Duration = Duration::from_hours(1);

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Exports a table as CSV (RFC 4180) in UTF-8: a header line, then all rows in the order of their keys; of orders a row for each line.
/// Instants are RFC 3339 in UTC, quantities and amounts whole numbers. It is read in pages of 1,000 rows and shows each row as it is
/// when its page is read. A body that ends without its last chunk is not whole.
#[utoipa::path(get, path = "/exports/{kind}", operation_id = "export", tag = "exports",
    params(("kind" = inline(ExportKind), Path), ("spreadsheet" = Option<bool>, Query,
        description = "With `true`, a text that begins with =, +, -, @, a tab or a carriage return has an apostrophe in front of it, so that a spreadsheet does not compute it")),
    responses((status = 200, description = "The file", body = String, content_type = "text/csv",
        example = "id,code,name,email,phone,version,created_at,updated_at\r\n018f0000-0000-7000-8000-000000000000,C-1001,Ada Lovelace,ada@example.com,,1,2026-01-01T00:00:00.000000Z,2026-01-01T00:00:00.000000Z\r\n"), GetErrors))]
async fn export(
    State(app): State<App>,
    ctx: Ctx,
    PathId(kind): PathId<ExportKind>,
    query: Query,
) -> Result<Response, Problem> {
    let formulas = query.read(|query| {
        let flag = query.optional("spreadsheet", |raw| {
            raw.parse().map_err(|_| ("invalid_format", "must be true or false".to_owned()))
        });
        Some(if flag == Some(true) { Formulas::Disarmed } else { Formulas::Raw })
    })?;
    let place = app.exports().take(ctx.tenant).ok_or_else(crowded)?;
    let reading = Reading { app, ctx, export: exports::of(kind), formulas };
    // Read before the answer begins: what fails at once is told as a problem.
    let steady = reading.app.store().steady().await;
    let first = replicas::within(steady, reading.page(None)).await?;
    // One page is on its way to the client while the next is read.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _place = place;
        let sending = replicas::within(steady, reading.send_all(first, sender));
        if timeout(EXPORT_TIME, sending).await.is_err() {
            tracing::warn!("an export took too long and broke off");
        }
    });
    Ok((headers(kind)?, Body::from_stream(body(receiver))).into_response())
}

/// As many as may run.
pub(super) fn crowded() -> Problem {
    Problem::unavailable("overloaded", "As many exports run as may at a time.", Duration::from_secs(1))
}

/// What is said of a file.
pub(super) fn headers(kind: ExportKind) -> Result<[(HeaderName, HeaderValue); 3], Problem> {
    let name = format!("attachment; filename=\"{}.csv\"", kind.as_str());
    Ok([
        (CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(|_| super::faults::internal())?),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ])
}

/// What is on the way to the client.
pub(super) enum Part {
    Rows(Vec<u8>),
    /// Everything was read.
    End,
}

/// The body: it ends well only behind [`Part::End`].
pub(super) fn body(receiver: mpsc::Receiver<Part>) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Part::Rows(rows)) => Some((Ok(rows.into()), Some(receiver))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("the export broke off")), None)),
        }
    })
}

struct Reading {
    app: App,
    ctx: Ctx,
    export: &'static Export,
    formulas: Formulas,
}

impl Reading {
    async fn page(&self, after: Option<&[String]>) -> Result<Vec<ExportRow>, StoreError> {
        self.app.store().export_page(self.ctx.tenant, self.export, after).await
    }

    async fn send_all(&self, first: Vec<ExportRow>, sender: mpsc::Sender<Part>) {
        let mut text = Vec::new();
        push_header(&mut text, self.export);
        let mut page = first;
        loop {
            push_rows(&mut text, self.export, &page, self.formulas);
            let after = page.last().filter(|_| page.len() == Export::PAGE).map(|last| self.export.key(last));
            if sender.send_timeout(Part::Rows(std::mem::take(&mut text)), PATIENCE).await.is_err() {
                return;
            }
            let Some(after) = after else { break };
            // It takes long, and whoever asked for it may have lost the right to it since it began.
            if confirm(&self.app, &self.ctx, &Method::GET).await.is_err() {
                return;
            }
            page = match self.page(Some(&after)).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an export broke off");
                    return;
                }
            };
        }
        // Whoever does not read it any more has gone.
        drop(sender.send_timeout(Part::End, PATIENCE).await);
    }
}
