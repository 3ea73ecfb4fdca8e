//! Files that a job does: what was sent for an import, and an export that is written.
//!
//! Invariants: an import takes the same steps as an upload does, under the same lease, so that whoever takes it up goes on where it
//! stopped; an export goes on behind the last page that is in its file. What is held of a file is a piece, or a page. An account that
//! may no longer do what it asked for has no more of it done.

use std::time::Duration;

use axum::body::Bytes;
use kv_store::audit_log::{self, Request, Trail};
use kv_store::exports::{self, Export, ExportProgress, ExportText};
use kv_store::files::{FileError, StoredFile};
use kv_store::imports::{ImportError, Upload};
use kv_store::jobs::Work;
use kv_store::{Store, StoreError};
use kv_types::imports::ImportState;
use kv_types::{ApiTokenId, ExportFileId, ImportId, TenantId, UserId};
use serde::Deserialize;
use uuid::Uuid;

use super::Worker;
use super::handlers::{Trouble, payload};
use super::life::Held;
use crate::app::shares::Share;
use crate::csv::table::{push_header, push_rows};
use crate::csv::write::Formulas;
use crate::http::acting::{Acting, may_still};
use crate::http::imports::{Intake, Stopped};

/// Files that a worker does at a time: each keeps a connection busy.
pub(super) const PLACES: usize = 4;
/// Those of one tenant.
pub(super) const PLACES_PER_TENANT: usize = 2;
/// When all places are taken, or somebody else has the file.
const LATER: Duration = Duration::from_secs(2);

/// What was sent, and who sent it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfImport {
    #[serde(rename = "import_id")]
    import: ImportId,
    #[serde(rename = "file_id")]
    file: Uuid,
    #[serde(rename = "user_id")]
    user: UserId,
    #[serde(rename = "token_id")]
    token: Option<ApiTokenId>,
    #[serde(rename = "request_id")]
    request: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfExport {
    export_id: ExportFileId,
}

/// A place among the files. What takes long keeps no other job waiting.
fn place(worker: &Worker, held: &Held) -> Result<Share, Trouble> {
    let share = worker.0.files.take(held.tenant).ok_or(Trouble::Later(LATER))?;
    held.leave_place();
    Ok(share)
}

/// Takes in a file that was sent for an import.
pub(super) async fn import(worker: &Worker, held: &Held) -> Result<Work, Trouble> {
    let of: OfImport = payload(held)?;
    let _place = place(worker, held)?;
    let trail = Trail::of(Request {
        actor: Some(of.user),
        token: of.token,
        operation: "upload_import",
        object_type: "import",
        id: Some(of.request.clone()),
        address: None,
    });
    Box::pin(audit_log::follow(trail, take_in(worker, held.tenant, &of))).await?;
    Ok(Work::Imported(of.file))
}

async fn take_in(worker: &Worker, tenant: TenantId, of: &OfImport) -> Result<(), Trouble> {
    let store = worker.store();
    let Some(file) = store.stored_file(tenant, of.file).await? else {
        return Err(Trouble::Poison("the file was kept for 24 hours and is gone".to_owned()));
    };
    let upload = match store.claim_import(tenant, of.user, of.import).await {
        Ok(upload) => upload,
        Err(error) => {
            return match store.import(tenant, of.import).await? {
                Some(now) if now.import.state == ImportState::Open => Err(of_import(error)),
                // Another upload has done it meanwhile. If it was of another file, nothing of this one was taken in.
                Some(now) if now.import.state == ImportState::Complete && now.prefix_hash != file.sha256 => {
                    Err(Trouble::Poison("another file was imported meanwhile, and nothing of this one".to_owned()))
                }
                Some(_) | None => Ok(()),
            };
        }
    };
    let acting = Acting::Account { store, tenant, user: of.user, operation: "upload_import" };
    feed((store, &acting), upload, (tenant, of.file, &file)).await
}

async fn feed(
    (store, acting): (&Store, &Acting<'_>),
    upload: Upload,
    (tenant, id, file): (TenantId, Uuid, &StoredFile),
) -> Result<(), Trouble> {
    let mut intake = Intake::new(store, acting, upload).map_err(of_stopped)?;
    let outcome = async {
        for place in 0..file.pieces {
            let Some(piece) = store.piece((tenant, id), place).await? else {
                return Err(Trouble::Poison("a piece of the file is gone".to_owned()));
            };
            intake.take(Bytes::from(piece)).await.map_err(of_stopped)?;
            intake.keep().await.map_err(of_stopped)?;
        }
        intake.end().await.map_err(of_stopped)
    };
    let outcome = outcome.await;
    intake.release().await;
    // One that was given up says so itself.
    if intake.import().state == ImportState::Open { outcome } else { Ok(()) }
}

fn of_stopped(stopped: Stopped) -> Trouble {
    match stopped {
        Stopped::Import(error) => of_import(error),
        Stopped::Refused(problem) => Trouble::Poison(format!("{}: {}", problem.code(), problem.detail())),
    }
}

fn of_import(error: ImportError) -> Trouble {
    match error {
        ImportError::Store(error) => Trouble::Store(error),
        ImportError::Busy => Trouble::Later(LATER),
        other => Trouble::Poison(other.to_string()),
    }
}

/// Writes an export into its file.
pub(super) async fn export(worker: &Worker, held: &Held) -> Result<Work, Trouble> {
    let OfExport { export_id } = payload(held)?;
    let _place = place(worker, held)?;
    // Over, or expired: nothing is left to do.
    let Some(progress) = worker.store().export_progress(held.tenant, export_id).await? else {
        return Ok(Work::Nothing);
    };
    match write(worker, (held.tenant, export_id), progress).await {
        Ok(()) => Ok(Work::Exported(export_id)),
        Err(Unwritten::GivenUp(reason)) => Ok(Work::ExportFailed(export_id, reason)),
        Err(Unwritten::Lost) => Err(Trouble::Later(LATER)),
        Err(Unwritten::Store(error)) => Err(error.into()),
    }
}

/// Why an export's file is not whole.
enum Unwritten {
    GivenUp(&'static str),
    /// Somebody else writes it.
    Lost,
    Store(StoreError),
}

impl From<StoreError> for Unwritten {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FileError> for Unwritten {
    fn from(error: FileError) -> Self {
        match error {
            FileError::TooLarge => Self::GivenUp("too_large"),
            FileError::Full => Self::GivenUp("storage_full"),
            FileError::Lost => Self::Lost,
            FileError::Store(error) => Self::Store(error),
        }
    }
}

async fn write(
    worker: &Worker,
    (tenant, id): (TenantId, ExportFileId),
    progress: ExportProgress,
) -> Result<(), Unwritten> {
    let (store, export) = (worker.store(), exports::of(progress.kind));
    let formulas = if progress.spreadsheet { Formulas::Disarmed } else { Formulas::Raw };
    let ExportProgress { actor, mut after, mut pieces, .. } = progress;
    loop {
        if !may_still(store, (tenant, actor), "create_export_file").await? {
            return Err(Unwritten::GivenUp("not_allowed"));
        }
        let page = store.export_page(tenant, export, after.as_deref()).await?;
        let is_last = page.len() < Export::PAGE;
        let mut text = Vec::new();
        if pieces == 0 {
            push_header(&mut text, export);
        }
        push_rows(&mut text, export, &page, formulas);
        if let Some(last) = page.last() {
            after = Some(export.key(last));
        }
        if !text.is_empty() {
            let page = ExportText { text: &text, rows: page.len() as i64, after: after.as_deref() };
            pieces = store.add_export_page((tenant, id), pieces, &page).await?;
        }
        if is_last {
            return Ok(());
        }
    }
}
