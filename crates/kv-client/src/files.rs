//! Files: imports that are taken up where they ended, and exports.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use kv_types::ImportId;
use kv_types::imports::{Import, ImportKind, OnConflict, Rejection};
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

    /// How far it is.
    pub async fn get(&self, id: ImportId) -> Result<Import, Error> {
        self.0.read(Call::get(format!("/imports/{id}"))).await
    }

    /// The rows that were rejected, behind a line of the file.
    pub async fn rejections(&self, id: ImportId, after: i64) -> Result<Rejections, Error> {
        self.0.read(Call::get(format!("/imports/{id}/rejections?after={after}&limit=100"))).await
    }
}
