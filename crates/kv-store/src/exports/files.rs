//! Exports into files: asked for, and then written by a job, a page at a time.
//!
//! Invariants: an export is asked for in the transaction that makes its job; a page's text, its rows and the key behind which the next
//! begins are one transaction that names how many pieces were there before, so whoever takes a job up goes on where the file ends, and
//! of two that do so one is told that it has lost; that the file is whole is the transaction that ends the job.

use kv_types::events::EventKind;
use kv_types::exports::{ExportFile, ExportKind, ExportState};
use kv_types::{ExportFileId, JobId, TenantId, UserId};
use serde_json::json;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::events;
use crate::files::{FILE_BYTES, FileError, PIECE_BYTES, TENANT_BYTES};
use crate::idempotency::{Open, Write, params};
use crate::session::Params;
use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// A new one with its job, unless there are too many.
    INSERT_EXPORT = "with filed as (
            insert into stored_files (tenant_id, id, expires_at)
            select $1, $2, now() + interval '24 hours'
             where (select count(*) from stored_files f where f.tenant_id = $1 and f.import_id is null and f.expires_at > now()) < $7
            returning id, bytes, expires_at),
        queued as (
            insert into jobs (tenant_id, id, kind, payload, priority)
            select $1, $3, 'export_csv', jsonb_build_object('export_id', f.id), 'low' from filed f)
        insert into export_files (tenant_id, id, kind, spreadsheet, actor_id, job_id)
        select $1, f.id, $4, $5, $6, $3 from filed f
        returning id, kind, spreadsheet, state, reason, rows, 0::bigint, job_id, created_at, finished_at,
                  created_at + interval '24 hours'";
    /// One. What its job says of it, when that is dead, holds until the job is replayed.
    GET_EXPORT = "select e.id, e.kind, e.spreadsheet,
               case when e.state = 'open' and j.state = 'dead' then 'failed' else e.state end,
               case when e.state = 'open' and j.state = 'dead' then 'job_dead' else e.reason end,
               e.rows, f.bytes, e.job_id, e.created_at, coalesce(e.finished_at, case when j.state = 'dead' then j.finished_at end),
               f.expires_at
          from export_files e
          join stored_files f on f.tenant_id = $1 and f.id = e.id
          left join jobs j on j.tenant_id = $1 and j.id = e.job_id
         where e.tenant_id = $1 and e.id = $2 and f.expires_at > now()";
    /// How far one is that is being written.
    PROGRESS_OF_EXPORT = "select e.kind, e.spreadsheet, e.actor_id, e.after_key, f.pieces
          from export_files e join stored_files f on f.tenant_id = $1 and f.id = e.id
         where e.tenant_id = $1 and e.id = $2 and e.state = 'open' and f.expires_at > now()";
    /// Adds a page to a file that has $3 pieces.
    ADD_PAGE = "with grown as (
            update stored_files set pieces = pieces + cardinality($4::bytea[]), bytes = bytes + $5
             where tenant_id = $1 and id = $2 and pieces = $3 and not is_whole and bytes + $5 <= $8
               and (select coalesce(sum(f.bytes), 0)::bigint from stored_files f where f.tenant_id = $1) + $5 <= $9
            returning id),
        moved as (
            update export_files e set rows = e.rows + $6, after_key = $7
              from grown g where e.tenant_id = $1 and e.id = g.id and e.state = 'open' returning e.id)
        insert into stored_file_pieces (tenant_id, file_id, place, content)
        select $1, m.id, ($3 + c.at - 1)::integer, c.content
          from moved m cross join unnest($4::bytea[]) with ordinality as c(content, at)
        returning place";
    /// The file is whole.
    COMPLETE_EXPORT = "with whole as (
            update stored_files set is_whole = true, expires_at = now() + interval '24 hours'
             where tenant_id = $1 and id = $2 and not is_whole returning id)
        update export_files e set state = 'complete', finished_at = now()
          from whole w where e.tenant_id = $1 and e.id = w.id and e.state = 'open'
        returning e.id, e.kind, e.state, e.reason, e.rows";
    /// It is given up, and what was written is dropped.
    FAIL_EXPORT = "with dropped as (delete from stored_file_pieces where tenant_id = $1 and file_id = $2),
        emptied as (update stored_files set bytes = 0, pieces = 0 where tenant_id = $1 and id = $2 and not is_whole returning id)
        update export_files e set state = 'failed', reason = $3, rows = 0, finished_at = now()
          from emptied f where e.tenant_id = $1 and e.id = f.id and e.state = 'open'
        returning e.id, e.kind, e.state, e.reason, e.rows";
}

/// Exports that a tenant keeps at most.
pub const MAX_EXPORT_FILES: i64 = 100;

/// The job that writes one: `{"export_id": ..}`.
pub const EXPORT_CSV: &str = "export_csv";

/// What is to be exported.
#[derive(Clone, Copy, Debug)]
pub struct NewExport {
    /// What.
    pub kind: ExportKind,
    /// Whether texts that a spreadsheet would compute have an apostrophe in front of them.
    pub spreadsheet: bool,
}

/// How far an export is that is being written.
#[derive(Clone, Debug)]
pub struct ExportProgress {
    /// What is exported.
    pub kind: ExportKind,
    /// Whether formulas are disarmed.
    pub spreadsheet: bool,
    /// Who asked for it.
    pub actor: UserId,
    /// The key of the last row that is in it; `None` before the first page.
    pub after: Option<Vec<String>>,
    /// The pieces that are there.
    pub pieces: i32,
}

/// A page as it stands in the file.
#[derive(Clone, Debug)]
pub struct ExportText<'a> {
    /// Its text.
    pub text: &'a [u8],
    /// Its rows.
    pub rows: i64,
    /// The key of the last row so far; `None` when there is none.
    pub after: Option<&'a [String]>,
}

/// The columns' checks let no other words in.
fn kind_of(raw: &str) -> ExportKind {
    ExportKind::parse(raw).expect("the kind of an export is one of those in its check")
}

fn read(row: &Row) -> Result<ExportFile, Error> {
    Ok(ExportFile {
        id: ExportFileId::from_uuid(row.try_get(0)?),
        kind: kind_of(row.try_get(1)?),
        spreadsheet: row.try_get(2)?,
        state: ExportState::parse(row.try_get(3)?).expect("the state of an export is one of those in its check"),
        reason: row.try_get(4)?,
        rows: row.try_get(5)?,
        bytes: row.try_get(6)?,
        job_id: JobId::from_uuid(row.try_get(7)?),
        created_at: row.try_get(8)?,
        finished_at: row.try_get(9)?,
        expires_at: row.try_get(10)?,
    })
}

/// The asking for an export; nothing is made when there are [`MAX_EXPORT_FILES`].
pub fn creation(tenant: TenantId, actor: UserId, new: NewExport) -> Write<ExportFile> {
    let (id, job) = (Uuid::now_v7(), Uuid::now_v7());
    let NewExport { kind, spreadsheet } = new;
    Write {
        tenant,
        statement: &INSERT_EXPORT,
        params: params![tenant.get(), id, job, kind.as_str(), spreadsheet, actor.uuid(), MAX_EXPORT_FILES],
        read,
    }
}

/// Completes an export, or gives it up, in the transaction that ends its job, and says so. It may be over or gone already.
pub(crate) async fn finish_export(
    transaction: &Open,
    tenant: TenantId,
    id: ExportFileId,
    reason: Option<&str>,
) -> Result<Vec<Row>, StoreError> {
    let (owner, file) = (tenant.get(), id.uuid());
    let rows = match reason {
        None => transaction.query(&COMPLETE_EXPORT, &[&owner, &file]).await?,
        Some(reason) => transaction.query(&FAIL_EXPORT, &[&owner, &file, &reason]).await?,
    };
    if let Some(row) = rows.first() {
        let (kind, state, reason): (&str, &str, Option<&str>) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let rows: i64 = row.try_get(4)?;
        let data = json!({"export_id": id, "kind": kind, "state": state, "reason": reason, "rows": rows});
        events::write(transaction, tenant, EventKind::ExportFinished, &data).await?;
    }
    Ok(rows)
}

impl Store {
    /// One export into a file that has not expired.
    ///
    /// # Errors
    /// The store's.
    pub async fn export_file(&self, tenant: TenantId, id: ExportFileId) -> Result<Option<ExportFile>, StoreError> {
        let rows = self.run(tenant, &GET_EXPORT, &[&tenant.get(), &id.uuid()]).await?;
        match rows.as_slice() {
            [] => Ok(None),
            [row] => Ok(Some(read(row)?)),
            _ => Err(StoreError::Corrupt("an export")),
        }
    }

    /// How far an export is that is still to be written; `None` when it is over or gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn export_progress(
        &self,
        tenant: TenantId,
        id: ExportFileId,
    ) -> Result<Option<ExportProgress>, StoreError> {
        let rows = self.run(tenant, &PROGRESS_OF_EXPORT, &[&tenant.get(), &id.uuid()]).await?;
        let [row] = rows.as_slice() else {
            return if rows.is_empty() { Ok(None) } else { Err(StoreError::Corrupt("an export")) };
        };
        Ok(Some(ExportProgress {
            kind: kind_of(row.try_get(0)?),
            spreadsheet: row.try_get(1)?,
            actor: UserId::from_uuid(row.try_get(2)?),
            after: row.try_get(3)?,
            pieces: row.try_get(4)?,
        }))
    }

    /// Adds a page to an export's file that has `pieces` pieces, and says how many it has now.
    ///
    /// # Errors
    /// [`FileError`]: [`FileError::Lost`] when somebody else writes it, or it is over.
    /// # Cancel safety
    /// The page is there wholly or not at all.
    pub async fn add_export_page(
        &self,
        (tenant, id): (TenantId, ExportFileId),
        pieces: i32,
        page: &ExportText<'_>,
    ) -> Result<i32, FileError> {
        let (text, file) = (page.text, id.uuid());
        let contents: Vec<&[u8]> = text.chunks(PIECE_BYTES).collect();
        let bytes = text.len() as i64;
        let params: Params<'_> =
            &[&tenant.get(), &file, &pieces, &contents, &bytes, &page.rows, &page.after, &FILE_BYTES, &TENANT_BYTES];
        let added = self.run(tenant, &ADD_PAGE, params).await?.len();
        if added == 0 {
            return Err(self.why_not((tenant, file), pieces, bytes).await?);
        }
        i32::try_from(added).map(|added| pieces + added).map_err(|_| FileError::TooLarge)
    }
}
