//! One upload: the file's bytes as they come, hashed, skipped as far as they are done, and then row by row in steps.
//!
//! Invariants: a step is cut at a number of rows and at the end of the file, never by time, so that a file which is sent again is cut
//! in the same places; what is held of the file is a row, a step's rows, and what came last from the socket.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method};
use futures_util::StreamExt as _;
use kv_store::imports::{ImportError, Step, Upload};
use kv_types::ImportId;
use kv_types::imports::{Import, ImportState, Rejection};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::faults;
use super::rows::{Header, Rows};
use crate::app::App;
use crate::csv::split::Splitter;
use crate::http::auth::confirm;
use crate::http::ctx::Ctx;
use crate::http::problem::Problem;

/// Rows of a step.
const STEP_ROWS: usize = 500;
/// How often an upload says that it lives: well within its lease.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How long nothing may come.
const IDLE: Duration = Duration::from_secs(10);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Takes a file in.
pub(super) async fn run(
    app: &App,
    ctx: &Ctx,
    id: ImportId,
    (headers, body): (&HeaderMap, Body),
) -> Result<Import, Problem> {
    let _share = app.uploads_of_tenants().take(ctx.tenant).ok_or_else(faults::crowded)?;
    let record = app.store().import(ctx.tenant, id).await?.ok_or(ImportError::NotFound)?;
    faults::check_media_type(headers)?;
    if record.import.state == ImportState::Complete {
        return verify(record.import, record.prefix_hash, body).await;
    }
    let upload = app.store().claim_import(ctx.tenant, ctx.user, id).await?;
    let mut intake = Intake::new((app, ctx), upload)?;
    let outcome = intake.run(body).await;
    // Otherwise the lease ends by itself.
    if let Err(error) = app.store().release_import(&intake.upload).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "an upload was not released");
    }
    outcome.map(|()| intake.upload.record.import)
}

/// A file that is done already: the same one changes nothing.
async fn verify(import: Import, prefix_hash: Option<Vec<u8>>, body: Body) -> Result<Import, Problem> {
    let (mut hash, mut seen) = (Sha256::new(), 0);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = next(&mut pieces, IDLE).await.ok_or_else(faults::idle)? {
        let piece = piece.map_err(|_| faults::incomplete())?;
        seen += piece.len() as i64;
        hash.update(&piece);
    }
    let is_same = seen == import.bytes_done && prefix_hash.is_some_and(|kept| kept == hash.finalize().as_slice());
    if is_same { Ok(import) } else { Err(ImportError::Differs.into()) }
}

/// What comes next; outer `None` when nothing does for so long.
async fn next<S: futures_util::Stream + Unpin>(pieces: &mut S, patience: Duration) -> Option<Option<S::Item>> {
    timeout(patience, pieces.next()).await.ok()
}

struct Intake<'a> {
    app: &'a App,
    ctx: &'a Ctx,
    upload: Upload,
    hash: Sha256,
    /// Bytes that were hashed.
    seen: i64,
    /// Bytes that an earlier upload has done.
    skip: i64,
    /// What may be a byte order mark, as long as it is not known; `None` when it is.
    lead: Option<Vec<u8>>,
    splitter: Splitter,
    header: Option<Header>,
    rows: Rows,
    rejections: Vec<Rejection>,
    renewed: Instant,
}

impl<'a> Intake<'a> {
    fn new((app, ctx): (&'a App, &'a Ctx), upload: Upload) -> Result<Self, Problem> {
        let (import, columns) = (&upload.record.import, upload.record.columns.as_ref());
        let (kind, skip, line) = (import.kind, import.bytes_done, import.lines_done + 1);
        let header = columns.map(|names| Header::read(kind, Ok(names.iter().map(String::as_str).collect())));
        Ok(Self {
            app,
            ctx,
            hash: Sha256::new(),
            seen: 0,
            skip,
            lead: (skip == 0).then(Vec::new),
            splitter: Splitter::new(line),
            header: header.transpose()?,
            rows: Rows::new(kind),
            rejections: Vec::new(),
            renewed: Instant::now(),
            upload,
        })
    }

    async fn run(&mut self, body: Body) -> Result<(), Problem> {
        let mut pieces = body.into_data_stream();
        let mut quiet_since = Instant::now();
        loop {
            match next(&mut pieces, RENEW_EVERY).await {
                None if quiet_since.elapsed() >= IDLE => return Err(faults::idle()),
                None => {}
                Some(None) => return self.end().await,
                Some(Some(Err(_))) => return Err(faults::incomplete()),
                Some(Some(Ok(piece))) => {
                    quiet_since = Instant::now();
                    self.take(piece).await?;
                    if self.upload.record.import.state == ImportState::Failed {
                        return Err(self.given_up());
                    }
                }
            }
            if self.renewed.elapsed() >= RENEW_EVERY {
                self.app.store().renew_import(&self.upload).await?;
                self.renewed = Instant::now();
            }
        }
    }

    async fn take(&mut self, mut piece: Bytes) -> Result<(), Problem> {
        if self.seen < self.skip {
            let left = usize::try_from(self.skip - self.seen).unwrap_or(usize::MAX);
            let done = piece.split_to(left.min(piece.len()));
            self.note(&done);
            if self.seen == self.skip {
                self.check_prefix()?;
            }
        }
        if let Some(mut lead) = self.lead.take() {
            let missing = BYTE_ORDER_MARK.len() - lead.len();
            lead.extend_from_slice(&piece.split_to(missing.min(piece.len())));
            if lead.len() < BYTE_ORDER_MARK.len() {
                self.lead = Some(lead);
                return Ok(());
            }
            self.take_lead(&lead).await?;
        }
        self.take_rows(&piece).await
    }

    async fn take_lead(&mut self, lead: &[u8]) -> Result<(), Problem> {
        if lead == BYTE_ORDER_MARK {
            self.note(lead);
            return Ok(());
        }
        self.take_rows(lead).await
    }

    /// The hash of what is done is that of the bytes that came.
    fn check_prefix(&self) -> Result<(), Problem> {
        let hash = self.hash.clone().finalize();
        let is_same = self.upload.record.prefix_hash.as_deref().is_some_and(|kept| kept == hash.as_slice());
        if is_same { Ok(()) } else { Err(ImportError::Differs.into()) }
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.seen += bytes.len() as i64;
    }

    async fn take_rows(&mut self, mut bytes: &[u8]) -> Result<(), Problem> {
        while !bytes.is_empty() && self.upload.record.import.state == ImportState::Open {
            let (used, is_row) = self.splitter.feed(bytes);
            self.note(&bytes[..used]);
            bytes = &bytes[used..];
            if is_row {
                self.take_row().await?;
            }
        }
        Ok(())
    }

    async fn take_row(&mut self) -> Result<(), Problem> {
        let Some(header) = &self.header else {
            self.header = Some(Header::read(self.upload.record.import.kind, self.splitter.row())?);
            return Ok(());
        };
        self.rejections.extend(self.rows.push(header, self.splitter.row_line(), self.splitter.row()));
        if self.rows.len() + self.rejections.len() >= STEP_ROWS {
            self.step(Reach::Row).await?;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Problem> {
        if self.seen < self.skip {
            return Err(ImportError::Differs.into());
        }
        if let Some(lead) = self.lead.take() {
            self.take_lead(&lead).await?;
        }
        if self.splitter.finish() {
            self.take_row().await?;
        }
        if self.upload.record.import.state == ImportState::Open {
            self.step(Reach::End).await?;
        }
        match self.upload.record.import.state {
            ImportState::Failed => Err(self.given_up()),
            _ => Ok(()),
        }
    }

    fn given_up(&self) -> Problem {
        ImportError::Failed { reason: self.upload.record.import.reason.clone().unwrap_or_default() }.into()
    }

    async fn step(&mut self, reach: Reach) -> Result<(), Problem> {
        // A file takes long, and its sender may have lost the right to send it since it began.
        confirm(self.app, self.ctx, &Method::PUT).await?;
        let kind = self.upload.record.import.kind;
        // A file without a line has no header.
        let Some(header) = &self.header else { return Header::read(kind, Ok(Vec::new())).map(drop) };
        let step = Step {
            lines_done: self.splitter.line() - 1,
            bytes_done: self.seen,
            prefix_hash: self.hash.clone().finalize().into(),
            columns: header.names(),
            rejections: std::mem::take(&mut self.rejections),
            is_last: reach == Reach::End,
        };
        let store = self.app.store();
        match std::mem::replace(&mut self.rows, Rows::new(kind)) {
            Rows::Customers(rows) => store.import_rows(&mut self.upload, &step, &rows).await?,
            Rows::Products(rows) => store.import_rows(&mut self.upload, &step, &rows).await?,
            Rows::Receipts(rows) => store.import_receipts(&mut self.upload, &step, &rows).await?,
        }
        self.renewed = Instant::now();
        Ok(())
    }
}

/// How far a step goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Row,
    End,
}
