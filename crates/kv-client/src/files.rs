//! Files: imports that are taken up where they ended, and exports, each waited for or done by a job.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use kv_types::exports::{ExportFile, ExportKind};
use kv_types::imports::{Import, ImportKind, OnConflict, Rejection};
use kv_types::{ExportFileId, ImportId};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWrite;

use crate::client::Client;
use crate::error::Error;
use crate::send::Call;

/// How long a file may take: as long as the service allows.
const FILE_TIMEOUT: Duration = Duration::from_hours(1);

/// Imports of files.
#[derive(Clone, Debug)]
pub struct Imports<'a>(&'a Client);

/// Exports into files that are kept for a day.
#[derive(Clone, Debug)]
pub struct ExportFiles<'a>(&'a Client);

/// Rows that were rejected.
#[derive(Clone, Debug, Deserialize)]
pub struct Rejections {
    /// The rows.
    pub data: Vec<Rejection>,
    /// What to give as `after` for the next page.
    pub next_after: Option<i64>,
}

impl Client {
    /// Imports of files.
    pub fn imports(&self) -> Imports<'_> {
        Imports(self)
    }

    /// Exports into files that a job writes.
    pub fn export_files(&self) -> ExportFiles<'_> {
        ExportFiles(self)
    }

    /// Writes a CSV file of all of a kind, for example `customers`, and says how many bytes it has. An error means that what was
    /// written is not the whole.
    pub async fn export<W: AsyncWrite + Unpin>(&self, kind: &str, to: &mut W) -> Result<u64, Error> {
        self.download(&Call::get(format!("/exports/{kind}")), to).await
    }
}

impl Imports<'_> {
    /// Begins one.
    pub async fn begin(&self, kind: ImportKind, on_conflict: OnConflict) -> Result<Import, Error> {
        self.0.write(Call::post("/imports").json(&json!({"kind": kind, "on_conflict": on_conflict}))?).await
    }

    /// Sends its file, again from the start if need be: what is done is skipped.
    pub async fn upload(&self, id: ImportId, file: impl Into<Bytes>) -> Result<Import, Error> {
        let call = Call::new(Method::PUT, format!("/imports/{id}/content"));
        self.0.read(call.file(file.into(), "text/csv", FILE_TIMEOUT)).await
    }

    /// Sends its file for a job to do it, and does not wait for that. The same file may be sent again.
    pub async fn leave(&self, id: ImportId, file: impl Into<Bytes>) -> Result<Import, Error> {
        let call = Call::new(Method::PUT, format!("/imports/{id}/content")).with("prefer", "respond-async");
        self.0.read(call.file(file.into(), "text/csv", FILE_TIMEOUT)).await
    }

    /// How far it is.
    pub async fn get(&self, id: ImportId) -> Result<Import, Error> {
        self.0.read(Call::get(format!("/imports/{id}"))).await
    }

    /// The rows that were rejected, behind a line of the file.
    pub async fn rejections(&self, id: ImportId, after: i64) -> Result<Rejections, Error> {
        self.0.read(Call::get(format!("/imports/{id}/rejections?after={after}&limit=100"))).await
    }
}

impl ExportFiles<'_> {
    /// Asks for one.
    pub async fn create(&self, kind: ExportKind) -> Result<ExportFile, Error> {
        self.0.write(Call::post("/export-files").json(&json!({"kind": kind}))?).await
    }

    /// How far it is.
    pub async fn get(&self, id: ExportFileId) -> Result<ExportFile, Error> {
        self.0.read(Call::get(format!("/export-files/{id}"))).await
    }

    /// Writes the file of one that is complete, and says how many bytes it has. An error means that what was written is not the whole.
    pub async fn read<W: AsyncWrite + Unpin>(&self, id: ExportFileId, to: &mut W) -> Result<u64, Error> {
        self.0.download(&Call::get(format!("/export-files/{id}/content")), to).await
    }
}
