//! A file's bytes as they come, hashed, skipped as far as they are done, and then row by row in steps.
//!
//! Invariants: a step is cut at a number of rows and at the end of the file, never by time, so that a file which is sent again is cut
//! in the same places; what is held of the file is a row, a step's rows, and what came last.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use kv_store::Store;
use kv_store::imports::{ImportError, Step, Upload};
use kv_types::imports::{Import, ImportState, Rejection};
use sha2::{Digest as _, Sha256};

use super::rows::{Header, Rows};
use crate::csv::split::Splitter;
use crate::http::acting::Acting;
use crate::http::problem::Problem;

/// Rows of a step.
const STEP_ROWS: usize = 500;
/// How often it says that it lives: well within its lease.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(5);

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a file is not taken in to its end.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The import's, or the store's.
    Import(ImportError),
    /// What a caller is told.
    Refused(Problem),
}

impl From<ImportError> for Stopped {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Stopped> for Problem {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Import(error) => error.into(),
            Stopped::Refused(problem) => problem,
        }
    }
}

/// A file on its way into an import.
pub(crate) struct Intake<'a> {
    store: &'a Store,
    acting: &'a Acting<'a>,
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
    pub(crate) fn new(store: &'a Store, acting: &'a Acting<'a>, upload: Upload) -> Result<Self, Stopped> {
        let (import, columns) = (&upload.record.import, upload.record.columns.as_ref());
        let (kind, skip, line) = (import.kind, import.bytes_done, import.lines_done + 1);
        let header = columns.map(|names| Header::read(kind, Ok(names.iter().map(String::as_str).collect())));
        Ok(Self {
            store,
            acting,
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

    /// The import as it is now.
    pub(crate) fn import(&self) -> &Import {
        &self.upload.record.import
    }

    /// Says that it lives, when it has not for a while.
    pub(crate) async fn keep(&mut self) -> Result<(), Stopped> {
        if self.renewed.elapsed() >= RENEW_EVERY {
            self.store.renew_import(&self.upload).await?;
            self.renewed = Instant::now();
        }
        Ok(())
    }

    /// Lets the next one begin.
    pub(crate) async fn release(&self) {
        // Otherwise the lease ends by itself.
        if let Err(error) = self.store.release_import(&self.upload).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "an upload was not released");
        }
    }

    /// Takes what comes next of the file.
    pub(crate) async fn take(&mut self, mut piece: Bytes) -> Result<(), Stopped> {
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
        self.take_rows(&piece).await?;
        if self.import().state == ImportState::Failed { Err(self.given_up()) } else { Ok(()) }
    }

    async fn take_lead(&mut self, lead: &[u8]) -> Result<(), Stopped> {
        if lead == BYTE_ORDER_MARK {
            self.note(lead);
            return Ok(());
        }
        self.take_rows(lead).await
    }

    /// The hash of what is done is that of the bytes that came.
    fn check_prefix(&self) -> Result<(), Stopped> {
        let hash = self.hash.clone().finalize();
        let is_same = self.upload.record.prefix_hash.as_deref().is_some_and(|kept| kept == hash.as_slice());
        if is_same { Ok(()) } else { Err(ImportError::Differs.into()) }
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.seen += bytes.len() as i64;
    }

    async fn take_rows(&mut self, mut bytes: &[u8]) -> Result<(), Stopped> {
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

    async fn take_row(&mut self) -> Result<(), Stopped> {
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

    /// The file has ended.
    pub(crate) async fn end(&mut self) -> Result<(), Stopped> {
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

    fn given_up(&self) -> Stopped {
        ImportError::Failed { reason: self.upload.record.import.reason.clone().unwrap_or_default() }.into()
    }

    async fn step(&mut self, reach: Reach) -> Result<(), Stopped> {
        // A file takes long, and its sender may have lost the right to send it since it began.
        self.acting.confirm().await?;
        let kind = self.upload.record.import.kind;
        // A file without a line has no header.
        let Some(header) = &self.header else { return Ok(Header::read(kind, Ok(Vec::new())).map(drop)?) };
        let step = Step {
            lines_done: self.splitter.line() - 1,
            bytes_done: self.seen,
            prefix_hash: self.hash.clone().finalize().into(),
            columns: header.names(),
            rejections: std::mem::take(&mut self.rejections),
            is_last: reach == Reach::End,
        };
        let store = self.store;
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
