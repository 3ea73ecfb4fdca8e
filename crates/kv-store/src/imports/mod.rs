//! Imports of files: how far each is, and the rows that bring it forward, each once.
//!
//! Invariants: an import has one upload at a time, which holds a lease and names itself with every step; rows of the catalogue are
//! made in the transaction that moves the progress ([`rows`]); goods go through the ledger under a key that is made of the import and
//! the place in the file, and the key's answer says which rows were accepted ([`receipts`]). A file that is sent again is therefore
//! taken up where the progress says, whatever died in between.
//!
//! Absent on purpose: files, but for those that wait for a job ([`waiting`]). What was sent is not kept; the sender has it, and its
//! hash tells whether it is the same.

pub(crate) mod receipts;
mod rows;
pub(crate) mod waiting;

use std::time::Duration;

use kv_types::events::EventKind;
use kv_types::imports::{Import, ImportKind, ImportState, OnConflict, Rejection};
use kv_types::{ImportId, JobId, TenantId, UserId};
use serde_json::json;
use thiserror::Error;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::audit_log;
use crate::events;
use crate::idempotency::{Open, Write, params};
use crate::session::Params;
use crate::statement::statements;
use crate::{Page, Store, StoreError};

pub use receipts::ReceiptRow;
pub use rows::ImportRow;
pub use waiting::{IMPORT_CSV, Received, Sender, WaitingFile};

statements! {
    /// A new one.
    INSERT_IMPORT = "insert into imports (tenant_id, id, kind, name, on_conflict, actor_id) values ($1, $2, $3, $4, $5, $6)
        returning id, kind, name, on_conflict, state, reason, lines_done, bytes_done, accepted, rejected, created_at, updated_at,
                  columns, prefix_hash, job_id";
    /// One import.
    GET_IMPORT = "select id, kind, name, on_conflict, state, reason, lines_done, bytes_done, accepted, rejected, created_at, updated_at,
               columns, prefix_hash, job_id
          from imports where tenant_id = $1 and id = $2";
    /// Rows that were rejected, after line $3.
    LIST_REJECTIONS = "select line, code, detail from import_rejections
         where tenant_id = $1 and import_id = $2 and line > $3 order by line limit $4";
    /// Begins an upload, if none is under way. One of goods has to come forward within twelve hours: its last step may rest on a key
    /// that is forgotten after a day.
    CLAIM_IMPORT = "update imports set upload_id = $3, upload_until = clock_timestamp() + interval '15 seconds'
         where tenant_id = $1 and id = $2 and state = 'open'
           and (upload_until is null or upload_until < clock_timestamp())
           and (kind <> 'stock-receipts' or updated_at > clock_timestamp() - interval '12 hours')
        returning id, kind, name, on_conflict, state, reason, lines_done, bytes_done, accepted, rejected, created_at, updated_at,
                  columns, prefix_hash, job_id";
    /// Says that an upload lives.
    RENEW_IMPORT = "update imports set upload_until = clock_timestamp() + interval '15 seconds'
         where tenant_id = $1 and id = $2 and upload_id = $3 and state = 'open' returning id";
    /// Ends an upload.
    RELEASE_IMPORT = "update imports set upload_id = null, upload_until = null
         where tenant_id = $1 and id = $2 and upload_id = $3 returning id";
    /// Moves the progress on from byte $12.
    ADVANCE_IMPORT = "update imports set lines_done = $4, bytes_done = $5, prefix_hash = $6, columns = $7, accepted = accepted + $8,
               rejected = rejected + $9, state = $10, reason = $11, updated_at = now(),
               upload_until = clock_timestamp() + interval '15 seconds'
         where tenant_id = $1 and id = $2 and upload_id = $3 and state = 'open' and bytes_done = $12
        returning id, kind, name, on_conflict, state, reason, lines_done, bytes_done, accepted, rejected, created_at, updated_at,
                  columns, prefix_hash, job_id";
    /// Notes what was rejected.
    INSERT_REJECTIONS = "insert into import_rejections (tenant_id, import_id, line, code, detail)
        select $1, $2, c.* from unnest($3::bigint[], $4::text[], $5::text[]) as c(line, code, detail)";
}

/// How long an upload is believed to live that says nothing.
pub const LEASE: Duration = Duration::from_secs(15);
/// Rejections with which an import is given up.
pub const MAX_REJECTIONS: i64 = 10_000;
/// Rows with which an import is given up.
pub const MAX_ROWS: i64 = 10_000_000;

/// An import that is to be made.
#[derive(Clone, Debug)]
pub struct NewImport {
    /// What its rows are.
    pub kind: ImportKind,
    /// The caller's own word for it.
    pub name: Option<String>,
    /// What becomes of a row whose code or SKU is known already.
    pub on_conflict: OnConflict,
}

/// An import and what a further upload needs.
#[derive(Clone, Debug)]
pub struct ImportRecord {
    /// As it is shown.
    pub import: Import,
    /// The header's columns in their order, once rows are done.
    pub columns: Option<Vec<String>>,
    /// SHA-256 of the bytes that are done.
    pub prefix_hash: Option<Vec<u8>>,
}

/// An upload under way.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Whose.
    pub tenant: TenantId,
    /// Who sends it.
    pub actor: UserId,
    /// The import as it is now.
    pub record: ImportRecord,
    lease: Uuid,
}

/// How far some rows bring an import.
#[derive(Clone, Debug)]
pub struct Step {
    /// The lines done after them.
    pub lines_done: i64,
    /// The bytes done after them.
    pub bytes_done: i64,
    /// SHA-256 of those.
    pub prefix_hash: [u8; 32],
    /// The header's columns.
    pub columns: Vec<String>,
    /// What was rejected while reading.
    pub rejections: Vec<Rejection>,
    /// Whether the file ends here.
    pub is_last: bool,
}

/// Why an upload ends early.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Another upload of the import is under way.
    #[error("another upload of the import is under way")]
    Busy,
    /// It was given up.
    #[error("the import was given up: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
    /// It did not come forward for too long.
    #[error("the import did not come forward for twelve hours")]
    Stale,
    /// There is none.
    #[error("there is no such import")]
    NotFound,
    /// The file is not the one that was begun.
    #[error("the file is another one than that which was begun")]
    Differs,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn read(row: &Row) -> Result<ImportRecord, tokio_postgres::Error> {
    let (kind, on_conflict, state): (&str, &str, &str) = (row.try_get(1)?, row.try_get(3)?, row.try_get(4)?);
    let import = Import {
        id: ImportId::from_uuid(row.try_get(0)?),
        // The columns' checks let no other words in.
        kind: ImportKind::parse(kind).expect("the kind of an import is one of those in its check"),
        name: row.try_get(2)?,
        on_conflict: OnConflict::parse(on_conflict).expect("what a conflict does is one of those in its check"),
        state: ImportState::parse(state).expect("the state of an import is one of those in its check"),
        reason: row.try_get(5)?,
        lines_done: row.try_get(6)?,
        bytes_done: row.try_get(7)?,
        accepted: row.try_get(8)?,
        rejected: row.try_get(9)?,
        job_id: row.try_get::<_, Option<Uuid>>(14)?.map(JobId::from_uuid),
        created_at: row.try_get(10)?,
        updated_at: row.try_get(11)?,
    };
    Ok(ImportRecord { import, columns: row.try_get(12)?, prefix_hash: row.try_get(13)? })
}

/// The making of an import.
pub fn creation(tenant: TenantId, actor: UserId, new: NewImport) -> Write<Import> {
    let NewImport { kind, name, on_conflict } = new;
    Write {
        tenant,
        statement: &INSERT_IMPORT,
        params: params![tenant.get(), Uuid::now_v7(), kind.as_str(), name, on_conflict.as_str(), actor.uuid()],
        read: |row| read(row).map(|record| record.import),
    }
}

impl Store {
    /// One import.
    pub async fn import(&self, tenant: TenantId, id: ImportId) -> Result<Option<ImportRecord>, StoreError> {
        let rows = self.run(tenant, &GET_IMPORT, &[&tenant.get(), &id.uuid()]).await?;
        Ok(rows.first().map(read).transpose()?)
    }

    /// Rows of an import that were rejected, after a line of its file.
    pub async fn import_rejections(
        &self,
        tenant: TenantId,
        id: ImportId,
        after: i64,
        limit: i64,
    ) -> Result<Page<Rejection>, StoreError> {
        let params: Params<'_> = &[&tenant.get(), &id.uuid(), &after, &(limit + 1)];
        let rows = self.run(tenant, &LIST_REJECTIONS, params).await?;
        let read = |row: &Row| -> Result<Rejection, tokio_postgres::Error> {
            Ok(Rejection { line: row.try_get(0)?, code: row.try_get(1)?, detail: row.try_get(2)? })
        };
        Ok(Page::from_rows(&rows, limit, read)?)
    }

    /// Begins an upload of an open import.
    ///
    /// # Errors
    /// [`ImportError::NotFound`], [`ImportError::Busy`], [`ImportError::Failed`], [`ImportError::Stale`], or the store's.
    /// # Cancel safety
    /// A dropped future may leave the import busy for [`LEASE`].
    pub async fn claim_import(&self, tenant: TenantId, actor: UserId, id: ImportId) -> Result<Upload, ImportError> {
        let lease = Uuid::now_v7();
        let rows = self.run(tenant, &CLAIM_IMPORT, &[&tenant.get(), &id.uuid(), &lease]).await?;
        if let Some(row) = rows.first() {
            let record = read(row).map_err(StoreError::from)?;
            return Ok(Upload { tenant, actor, record, lease });
        }
        let record = self.import(tenant, id).await?.ok_or(ImportError::NotFound)?;
        Err(match record.import.state {
            // Complete since it was looked at: by another upload.
            ImportState::Complete => ImportError::Busy,
            ImportState::Failed => ImportError::Failed { reason: record.import.reason.unwrap_or_default() },
            ImportState::Open => {
                let silent = jiff::Timestamp::now().duration_since(record.import.updated_at);
                let is_stale = record.import.kind == ImportKind::StockReceipts && silent.as_hours() >= 12;
                if is_stale { ImportError::Stale } else { ImportError::Busy }
            }
        })
    }

    /// Says that an upload lives.
    ///
    /// # Errors
    /// [`ImportError::Busy`] when it was taken for dead and another one began.
    pub async fn renew_import(&self, upload: &Upload) -> Result<(), ImportError> {
        let params: Params<'_> = &[&upload.tenant.get(), &upload.record.import.id.uuid(), &upload.lease];
        let rows = self.run(upload.tenant, &RENEW_IMPORT, params).await?;
        if rows.is_empty() { Err(ImportError::Busy) } else { Ok(()) }
    }

    /// Ends an upload, so that the next one need not wait for [`LEASE`].
    pub async fn release_import(&self, upload: &Upload) -> Result<(), StoreError> {
        let params: Params<'_> = &[&upload.tenant.get(), &upload.record.import.id.uuid(), &upload.lease];
        self.run(upload.tenant, &RELEASE_IMPORT, params).await.map(drop)
    }
}

/// Notes the rejections and moves the progress on, in a transaction that has begun.
async fn advance(
    transaction: &Open,
    upload: &Upload,
    step: &Step,
    (accepted, rejections): (i64, &[Rejection]),
) -> Result<ImportRecord, ImportError> {
    let (tenant, before) = (upload.tenant.get(), &upload.record.import);
    let id = before.id.uuid();
    if !rejections.is_empty() {
        let lines: Vec<i64> = rejections.iter().map(|rejection| rejection.line).collect();
        let codes: Vec<&str> = rejections.iter().map(|rejection| rejection.code.as_str()).collect();
        let details: Vec<&str> = rejections.iter().map(|rejection| rejection.detail.as_str()).collect();
        transaction.query(&INSERT_REJECTIONS, &[&tenant, &id, &lines, &codes, &details]).await?;
    }
    let rejected = rejections.len() as i64;
    let (state, reason) = match () {
        () if before.rejected + rejected >= MAX_REJECTIONS => (ImportState::Failed, Some("too_many_rejections")),
        () if before.accepted + before.rejected + accepted + rejected > MAX_ROWS => {
            (ImportState::Failed, Some("too_many_rows"))
        }
        () if step.is_last => (ImportState::Complete, None),
        () => (ImportState::Open, None),
    };
    let params: Params<'_> = &[
        &tenant,
        &id,
        &upload.lease,
        &step.lines_done,
        &step.bytes_done,
        &step.prefix_hash.as_slice(),
        &step.columns,
        &accepted,
        &rejected,
        &state.as_str(),
        &reason,
        &before.bytes_done,
    ];
    let rows = transaction.query(&ADVANCE_IMPORT, params).await?;
    // Another upload has begun since.
    let record = read(rows.first().ok_or(ImportError::Busy)?).map_err(StoreError::from)?;
    if state != ImportState::Open {
        let Import { id, kind, state, reason, accepted, rejected, .. } = &record.import;
        let data = json!({"import_id": id, "kind": kind, "state": state, "reason": reason, "accepted": accepted,
            "rejected": rejected});
        events::write(transaction, upload.tenant, EventKind::ImportFinished, &data).await?;
    }
    audit_log::note_done(transaction, upload.tenant, audit_log::current().as_ref(), [Some(id.to_string())]).await?;
    Ok(record)
}
