//! An upload whose sender does not wait: the file is kept in pieces, and a job does what the sender would have waited for.
//!
//! Invariants: what can be refused is refused before the file is kept: another file than that which was begun, a wrong header, more
//! than may be kept. The upload holds the import's lease, and ends in the transaction that makes the job.

use std::time::Instant;

use axum::body::Body;
use axum::http::StatusCode;
use kv_store::files::{FILE_BYTES, FileError, PIECE_BYTES, TENANT_BYTES};
use kv_store::imports::{ImportError, Received, Sender, Upload, WaitingFile};
use kv_types::ImportId;
use kv_types::imports::Import;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::intake::{BYTE_ORDER_MARK, RENEW_EVERY, Stopped};
use super::rows::Header;
use super::upload::{Next, Pieces, digest};
use crate::app::App;
use crate::csv::split::Splitter;
use crate::http::acting::Acting;
use crate::http::ctx::Ctx;
use crate::http::problem::Problem;

/// The same file once more changes nothing; another one has to wait.
pub(super) async fn compare(import: Import, waiting: &WaitingFile, body: Body) -> Result<Import, Problem> {
    let (seen, hash) = digest(body).await?;
    let is_same = seen == waiting.bytes && waiting.sha256 == hash;
    if is_same { Ok(import) } else { Err(ImportError::Busy.into()) }
}

/// Keeps a file and has a job made for it.
pub(super) async fn run(app: &App, ctx: &Ctx, id: ImportId, body: Body) -> Result<Import, Problem> {
    let store = app.store();
    let upload = store.claim_import(ctx.tenant, ctx.user, id).await?;
    let file = store.begin_import_file(&upload).await?;
    let mut keeper = Keeper::new(app, ctx, (&upload, file));
    let kept = match keeper.run(body).await {
        Ok(()) => keeper.hand_over().await,
        Err(stopped) => Err(stopped),
    };
    if kept.is_err() {
        // What is left of it is dropped with the next upload, or expires.
        let (dropped, released) = tokio::join!(store.drop_unfinished(ctx.tenant, file), store.release_import(&upload));
        if let Err(error) = dropped.and(released) {
            tracing::debug!(error = &error as &dyn std::error::Error, "a file that broke off was not dropped");
        }
    }
    Ok(kept?)
}

/// A file on its way into the database.
struct Keeper<'a> {
    app: &'a App,
    ctx: &'a Ctx,
    upload: &'a Upload,
    file: Uuid,
    pieces: i32,
    /// What is not written yet; less than a piece.
    buffer: Vec<u8>,
    hash: Sha256,
    seen: i64,
    renewed: Instant,
}

impl<'a> Keeper<'a> {
    fn new(app: &'a App, ctx: &'a Ctx, (upload, file): (&'a Upload, Uuid)) -> Self {
        let (hash, renewed) = (Sha256::new(), Instant::now());
        Self { app, ctx, upload, file, pieces: 0, buffer: Vec::with_capacity(PIECE_BYTES), hash, seen: 0, renewed }
    }

    async fn run(&mut self, body: Body) -> Result<(), Stopped> {
        let mut pieces = Pieces::of(body);
        loop {
            match pieces.next().await? {
                Next::Nothing => {}
                Next::Piece(piece) => self.take(&piece).await?,
                Next::End => break,
            }
            if self.renewed.elapsed() >= RENEW_EVERY {
                self.app.store().renew_import(self.upload).await?;
                self.renewed = Instant::now();
            }
        }
        if self.seen < self.upload.record.import.bytes_done {
            return Err(ImportError::Differs.into());
        }
        if self.pieces == 0 {
            self.check_header(Whole::Yes)?;
        }
        self.flush().await
    }

    async fn take(&mut self, mut bytes: &[u8]) -> Result<(), Stopped> {
        while !bytes.is_empty() {
            let room = PIECE_BYTES - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.note(now)?;
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == PIECE_BYTES {
                if self.pieces == 0 {
                    self.check_header(Whole::No)?;
                }
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Counts and hashes; what an earlier upload has done must be the same bytes.
    fn note(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        let done = self.upload.record.import.bytes_done;
        let missing = usize::try_from(done - self.seen).unwrap_or(0);
        let (before, behind) = bytes.split_at(missing.min(bytes.len()));
        self.hash.update(before);
        self.seen += before.len() as i64;
        if !before.is_empty() && self.seen == done {
            let hash = self.hash.clone().finalize();
            if self.upload.record.prefix_hash.as_deref().is_none_or(|kept| kept != hash.as_slice()) {
                return Err(ImportError::Differs.into());
            }
        }
        self.hash.update(behind);
        self.seen += behind.len() as i64;
        Ok(())
    }

    /// Looks at the first row, if it is among the first bytes: of a file that was begun it is known.
    fn check_header(&self, whole: Whole) -> Result<(), Problem> {
        if self.upload.record.columns.is_some() {
            return Ok(());
        }
        let kind = self.upload.record.import.kind;
        let mut rest = self.buffer.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.buffer);
        let mut splitter = Splitter::new(1);
        while !rest.is_empty() {
            let (used, is_row) = splitter.feed(rest);
            if is_row {
                return Header::read(kind, splitter.row()).map(drop);
            }
            rest = &rest[used..];
        }
        match whole {
            Whole::No => Ok(()),
            Whole::Yes if splitter.finish() => Header::read(kind, splitter.row()).map(drop),
            Whole::Yes => Header::read(kind, Ok(Vec::new())).map(drop),
        }
    }

    async fn flush(&mut self) -> Result<(), Stopped> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        Acting::Request(self.app, self.ctx).confirm().await?;
        let file = (self.ctx.tenant, self.file);
        self.app.store().add_piece(file, self.pieces, &self.buffer).await.map_err(of_file)?;
        self.pieces += 1;
        self.buffer.clear();
        Ok(())
    }

    async fn hand_over(self) -> Result<Import, Stopped> {
        let received = Received { file: self.file, pieces: self.pieces, sha256: self.hash.finalize().into() };
        let token = self.ctx.session.grant.api_token;
        let sender = Sender { user: self.ctx.user, token, request: self.ctx.request_id.as_str() };
        let record = self.app.store().queue_import(self.upload, &received, &sender).await?;
        Ok(record.import)
    }
}

/// Whether all of a file is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

fn of_file(error: FileError) -> Stopped {
    match error {
        FileError::TooLarge => {
            let detail = format!(
                "A file that is kept for a job has at most {} MiB; send it without Prefer: respond-async, or in parts.",
                FILE_BYTES >> 20
            );
            Stopped::Refused(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail))
        }
        FileError::Full => {
            let detail = format!(
                "The tenant keeps {} MiB of files, which is the most; wait for its jobs, or send the file without Prefer: \
                 respond-async.",
                TENANT_BYTES >> 20
            );
            Stopped::Refused(Problem::new(StatusCode::CONFLICT, "storage_full", detail))
        }
        FileError::Lost => ImportError::Busy.into(),
        FileError::Store(error) => ImportError::Store(error).into(),
    }
}
