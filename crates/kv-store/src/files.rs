//! Files that are kept for a while, in pieces: what was sent for an import that a job does, and what a job exported.
//!
//! Invariants: a file grows by whoever knows how many pieces it has, so two who write one cannot mix; a file is bounded, and so is
//! what a tenant keeps; a file that is not whole is read by nobody but who writes it; what has expired is found by nobody, and
//! deleted by [`crate::jobs::Forgetting::Files`].
//!
//! Absent on purpose: large objects, which know no row-level security, and files beside the database, which every process that does
//! a job would have to reach.

use kv_types::TenantId;
use thiserror::Error;
use uuid::Uuid;

use crate::session::Params;
use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// Adds a piece to a file that has $3 of them, if neither the file nor what the tenant keeps becomes too large.
    ADD_PIECE = "with grown as (
            update stored_files set pieces = pieces + 1, bytes = bytes + length($4::bytea)
             where tenant_id = $1 and id = $2 and pieces = $3 and not is_whole and bytes + length($4::bytea) <= $5
               and (select coalesce(sum(f.bytes), 0)::bigint from stored_files f where f.tenant_id = $1) + length($4::bytea) <= $6
            returning id)
        insert into stored_file_pieces (tenant_id, file_id, place, content) select $1, g.id, $3, $4 from grown g returning place";
    /// How large a file is that is being written.
    GROWING_FILE = "select pieces, bytes from stored_files where tenant_id = $1 and id = $2 and not is_whole";
    /// One piece.
    GET_PIECE = "select content from stored_file_pieces where tenant_id = $1 and file_id = $2 and place = $3";
    /// A whole file.
    GET_FILE = "select pieces, bytes, sha256 from stored_files
         where tenant_id = $1 and id = $2 and is_whole and expires_at > now()";
}

/// The most bytes of a piece.
pub const PIECE_BYTES: usize = 256 * 1024;
/// The most bytes of a file.
pub const FILE_BYTES: i64 = 256 * 1024 * 1024;
/// The most bytes of all files of a tenant. Whoever writes several at a time may exceed it by a piece of each.
pub const TENANT_BYTES: i64 = 1024 * 1024 * 1024;

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its pieces.
    pub pieces: i32,
    /// Its bytes.
    pub bytes: i64,
    /// SHA-256 of them, if it was sent.
    pub sha256: Option<Vec<u8>>,
}

/// Why a file does not grow.
#[derive(Debug, Error)]
pub enum FileError {
    /// It would be larger than [`FILE_BYTES`].
    #[error("the file is larger than may be kept")]
    TooLarge,
    /// The tenant would keep more than [`TENANT_BYTES`].
    #[error("the tenant keeps as many bytes of files as it may")]
    Full,
    /// It is not there any more, or somebody else writes it.
    #[error("the file is somebody else's or gone")]
    Lost,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Adds a piece to a file that has `place` pieces.
    ///
    /// # Errors
    /// [`FileError`].
    /// # Cancel safety
    /// It is added wholly or not at all.
    pub async fn add_piece(
        &self,
        (tenant, file): (TenantId, Uuid),
        place: i32,
        content: &[u8],
    ) -> Result<(), FileError> {
        let params: Params<'_> = &[&tenant.get(), &file, &place, &content, &FILE_BYTES, &TENANT_BYTES];
        if self.run(tenant, &ADD_PIECE, params).await?.is_empty() {
            return Err(self.why_not((tenant, file), place, content.len() as i64).await?);
        }
        Ok(())
    }

    /// Why a file did not grow by so many bytes behind so many pieces.
    pub(crate) async fn why_not(
        &self,
        (tenant, file): (TenantId, Uuid),
        place: i32,
        bytes: i64,
    ) -> Result<FileError, StoreError> {
        let rows = self.run(tenant, &GROWING_FILE, &[&tenant.get(), &file]).await?;
        let [row] = rows.as_slice() else {
            return if rows.is_empty() { Ok(FileError::Lost) } else { Err(StoreError::Corrupt("a stored file")) };
        };
        let (pieces, before): (i32, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(match () {
            () if pieces != place => FileError::Lost,
            () if before + bytes > FILE_BYTES => FileError::TooLarge,
            () => FileError::Full,
        })
    }

    /// A whole file that has not expired.
    ///
    /// # Errors
    /// The store's.
    pub async fn stored_file(&self, tenant: TenantId, file: Uuid) -> Result<Option<StoredFile>, StoreError> {
        let rows = self.run(tenant, &GET_FILE, &[&tenant.get(), &file]).await?;
        let [row] = rows.as_slice() else {
            return if rows.is_empty() { Ok(None) } else { Err(StoreError::Corrupt("a stored file")) };
        };
        Ok(Some(StoredFile { pieces: row.try_get(0)?, bytes: row.try_get(1)?, sha256: row.try_get(2)? }))
    }

    /// One piece of a file; `None` when it has not so many, or is gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn piece(&self, (tenant, file): (TenantId, Uuid), place: i32) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.run(tenant, &GET_PIECE, &[&tenant.get(), &file, &place]).await?;
        match rows.as_slice() {
            [] => Ok(None),
            [row] => Ok(Some(row.try_get(0)?)),
            _ => Err(StoreError::Corrupt("a piece of a stored file")),
        }
    }
}
