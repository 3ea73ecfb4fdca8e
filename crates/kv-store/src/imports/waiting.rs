//! Files of imports that are done by a job: kept while they are sent, then handed over.
//!
//! Invariants: a file is kept under the lease of its upload, as rows are made under it; that it is whole and that there is a job to do
//! it is one transaction; of an import one file waits at a time, and it is gone in the transaction that ends its job.

use kv_types::{ApiTokenId, ImportId, JobId, TenantId, UserId};
use serde_json::json;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{ImportError, ImportRecord, Upload, read};
use crate::audit_log;
use crate::idempotency::Open;
use crate::jobs::INSERT_JOBS;
use crate::session::Params;
use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// Drops what an upload that broke off has left.
    DROP_PARTS = "delete from stored_files where tenant_id = $1 and import_id = $2 and not is_whole returning id";
    /// A file that is to be sent within the time of an upload.
    INSERT_IMPORT_FILE = "insert into stored_files (tenant_id, id, import_id, expires_at)
        values ($1, $2, $3, now() + interval '2 hours') returning id";
    /// Drops a file.
    DROP_FILE = "delete from stored_files where tenant_id = $1 and id = $2 returning id";
    /// Drops a file that was not handed over: of one that may have been, by a commit nobody answered, the job decides.
    DROP_UNFINISHED = "delete from stored_files where tenant_id = $1 and id = $2 and not is_whole returning id";
    /// Drops the other files of an import.
    DROP_OTHERS = "delete from stored_files where tenant_id = $1 and import_id = $2 and id <> $3 returning id";
    /// The file has all of its pieces.
    WHOLE_FILE = "update stored_files set is_whole = true, sha256 = $3, expires_at = now() + interval '24 hours'
         where tenant_id = $1 and id = $2 and pieces = $4 and not is_whole returning id";
    /// Ends an upload whose file a job does.
    QUEUE_IMPORT = "update imports set job_id = $4, upload_id = null, upload_until = null, updated_at = now()
         where tenant_id = $1 and id = $2 and upload_id = $3 and state = 'open'
        returning id, kind, name, on_conflict, state, reason, lines_done, bytes_done, accepted, rejected, created_at, updated_at,
                  columns, prefix_hash, job_id";
    /// The file that waits for its job, which is still to be done.
    WAITING_FILE = "select f.bytes, f.sha256
          from imports i
          join jobs j on j.tenant_id = $1 and j.id = i.job_id and j.state = 'open'
          join stored_files f on f.tenant_id = $1 and f.import_id = i.id and f.is_whole
         where i.tenant_id = $1 and i.id = $2";
}

/// The job that does a file: `{"import_id": .., "file_id": .., ..}`.
pub const IMPORT_CSV: &str = "import_csv";

/// A file that waits: its bytes, and SHA-256 of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingFile {
    /// How many.
    pub bytes: i64,
    /// Their hash.
    pub sha256: Vec<u8>,
}

/// A file that has come to its end.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// The file.
    pub file: Uuid,
    /// Its pieces.
    pub pieces: i32,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// Who sent a file, for whom a job then acts.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The account.
    pub user: UserId,
    /// Its API token, when it was no session.
    pub token: Option<ApiTokenId>,
    /// The request's id.
    pub request: &'a str,
}

impl Store {
    /// The file of an import that waits for its job, if there is one.
    ///
    /// # Errors
    /// The store's.
    pub async fn waiting_file(&self, tenant: TenantId, id: ImportId) -> Result<Option<WaitingFile>, StoreError> {
        let rows = self.run(tenant, &WAITING_FILE, &[&tenant.get(), &id.uuid()]).await?;
        match rows.as_slice() {
            [] => Ok(None),
            [row] => Ok(Some(WaitingFile { bytes: row.try_get(0)?, sha256: row.try_get(1)? })),
            _ => Err(StoreError::Corrupt("the file of an import")),
        }
    }

    /// Begins to keep the file of an upload; what an earlier one has left is dropped.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin_import_file(&self, upload: &Upload) -> Result<Uuid, StoreError> {
        let (tenant, import, file) = (upload.tenant, upload.record.import.id.uuid(), Uuid::now_v7());
        self.run(tenant, &DROP_PARTS, &[&tenant.get(), &import]).await?;
        self.run(tenant, &INSERT_IMPORT_FILE, &[&tenant.get(), &file, &import]).await?;
        Ok(file)
    }

    /// Drops a file whose upload broke off, unless it was handed over all the same.
    ///
    /// # Errors
    /// The store's.
    pub async fn drop_unfinished(&self, tenant: TenantId, file: Uuid) -> Result<(), StoreError> {
        self.run(tenant, &DROP_UNFINISHED, &[&tenant.get(), &file]).await.map(drop)
    }

    /// Hands a file over to a job, and ends the upload.
    ///
    /// # Errors
    /// [`ImportError::Busy`] when another upload began since, or the store's.
    /// # Cancel safety
    /// All of it happens or nothing.
    pub async fn queue_import(
        &self,
        upload: &Upload,
        received: &Received,
        sender: &Sender<'_>,
    ) -> Result<ImportRecord, ImportError> {
        let transaction = Open::on(self).await?;
        match queue(&transaction, upload, received, sender).await {
            Ok(record) => {
                transaction.commit().await?;
                self.bell().ring();
                Ok(record)
            }
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }
}

async fn queue(
    transaction: &Open,
    upload: &Upload,
    received: &Received,
    sender: &Sender<'_>,
) -> Result<ImportRecord, ImportError> {
    let (tenant, import) = (upload.tenant.get(), upload.record.import.id.uuid());
    let job = JobId::from_uuid(Uuid::now_v7());
    let params: Params<'_> = &[&tenant, &import, &upload.lease, &job.uuid()];
    let rows = transaction.begin_with(upload.tenant, &QUEUE_IMPORT, params).await?;
    let record = read(rows.first().ok_or(ImportError::Busy)?).map_err(StoreError::from)?;
    transaction.query(&DROP_OTHERS, &[&tenant, &import, &received.file]).await?;
    let whole: Params<'_> = &[&tenant, &received.file, &received.sha256.as_slice(), &received.pieces];
    if transaction.query(&WHOLE_FILE, whole).await?.is_empty() {
        return Err(ImportError::Busy);
    }
    let payload = json!({"import_id": upload.record.import.id, "file_id": received.file, "user_id": sender.user,
        "token_id": sender.token, "request_id": sender.request});
    let (ids, kinds, payloads, priorities) = (vec![job.uuid()], vec![IMPORT_CSV], vec![Json(&payload)], vec!["low"]);
    let (keys, times): (Vec<Option<&str>>, Vec<Option<jiff::Timestamp>>) = (vec![None], vec![None]);
    transaction.query(&INSERT_JOBS, &[&tenant, &ids, &kinds, &payloads, &priorities, &keys, &times]).await?;
    audit_log::note_done(transaction, upload.tenant, audit_log::current().as_ref(), [Some(import.to_string())]).await?;
    Ok(record)
}
