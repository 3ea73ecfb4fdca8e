//! Rows of the catalogue, made or changed in the transaction that moves their import on.

use std::collections::{HashMap, HashSet};

use kv_types::catalogue::{NewCustomer, NewProduct};
use kv_types::imports::{OnConflict, Rejection};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{GET_IMPORT, ImportError, ImportRecord, Step, Upload, advance};
use crate::catalogue::bulk::{BulkRow, Stamp, UPSERT_CUSTOMERS, UPSERT_PRODUCTS, params_of};
use crate::conflict::Retries;
use crate::idempotency::{Open, Param};
use crate::statement::Statement;
use crate::{Store, StoreError};

/// How often a step begins anew that was a victim of somebody else's.
const ROUNDS: usize = 3;

/// A row that may be imported.
pub trait ImportRow: BulkRow {
    /// Makes rows, and changes those whose word is known.
    const UPSERT: &'static Statement;
    /// The code of a rejection because the word is known.
    const TAKEN: &'static str;
}

impl ImportRow for NewCustomer {
    const UPSERT: &'static Statement = &UPSERT_CUSTOMERS;
    const TAKEN: &'static str = "duplicate_code";
}

impl ImportRow for NewProduct {
    const UPSERT: &'static Statement = &UPSERT_PRODUCTS;
    const TAKEN: &'static str = "duplicate_sku";
}

impl Store {
    /// Makes rows, each with its line, and moves their import on, all in one transaction.
    ///
    /// # Errors
    /// [`ImportError::Busy`] when another upload began, or the store's; then nothing was written, but for
    /// [`StoreError::OutcomeUnknown`].
    /// # Cancel safety
    /// All of it happens or nothing.
    pub async fn import_rows<N: ImportRow>(
        &self,
        upload: &mut Upload,
        step: &Step,
        rows: &[(i64, N)],
    ) -> Result<(), ImportError> {
        let mut retries = Retries::new(self.conflicts());
        let mut round = 1;
        loop {
            match self.try_rows(upload, step, rows).await {
                Err(ImportError::Store(error)) if round < ROUNDS && error.is_stale_plan() => round += 1,
                Err(ImportError::Store(error)) => retries.after(error).await.map_err(ImportError::Store)?,
                done => {
                    upload.record = done?;
                    return Ok(());
                }
            }
        }
    }

    async fn try_rows<N: ImportRow>(
        &self,
        upload: &Upload,
        step: &Step,
        rows: &[(i64, N)],
    ) -> Result<ImportRecord, ImportError> {
        let transaction = Open::on(self).await?;
        match rows_in(&transaction, upload, step, rows).await {
            Ok(record) => {
                transaction.commit().await?;
                Ok(record)
            }
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }
}

async fn rows_in<N: ImportRow>(
    transaction: &Open,
    upload: &Upload,
    step: &Step,
    rows: &[(i64, N)],
) -> Result<ImportRecord, ImportError> {
    let (tenant, id) = (upload.tenant, upload.record.import.id);
    transaction.begin_with(tenant, &GET_IMPORT, &[&tenant.get(), &id.uuid()]).await?;
    let mut rejections = step.rejections.clone();
    let on_conflict = upload.record.import.on_conflict;
    let (chosen, twice) = choose(rows, on_conflict);
    let made = write(transaction, upload, (&chosen, &step.columns), on_conflict).await?;
    let is_missing = |(place, _): &(usize, _)| !made.contains(place);
    let taken = chosen.iter().copied().enumerate().filter(is_missing).map(|(_, row)| row).chain(twice);
    rejections.extend(taken.map(|(line, row)| reject::<N>(*line, row.word())));
    rejections.sort_by_key(|rejection| rejection.line);
    let accepted = (rows.len() + step.rejections.len() - rejections.len()) as i64;
    advance(transaction, upload, step, (accepted, &rejections)).await
}

fn reject<N: ImportRow>(line: i64, word: &str) -> Rejection {
    Rejection { line, code: N::TAKEN.to_owned(), detail: format!("{word:?} is known already") }
}

type Rows<'a, N> = Vec<&'a (i64, N)>;

/// The rows to write, and those that an earlier one forbids. Of changes the last one of a word holds, as if all were written.
fn choose<N: ImportRow>(rows: &[(i64, N)], on_conflict: OnConflict) -> (Rows<'_, N>, Rows<'_, N>) {
    if on_conflict == OnConflict::Update {
        let mut last: HashMap<&str, usize> = HashMap::with_capacity(rows.len());
        last.extend(rows.iter().enumerate().map(|(place, (_, row))| (row.word(), place)));
        let is_last = |(place, row): &(usize, &(i64, N))| last.get(row.1.word()) == Some(place);
        return (rows.iter().enumerate().filter(is_last).map(|(_, row)| row).collect(), Vec::new());
    }
    let mut known = HashSet::with_capacity(rows.len());
    rows.iter().partition(|(_, row)| known.insert(row.word()))
}

/// The places of the rows that were written.
async fn write<N: ImportRow>(
    transaction: &Open,
    upload: &Upload,
    (rows, columns): (&[&(i64, N)], &Vec<String>),
    on_conflict: OnConflict,
) -> Result<HashSet<usize>, StoreError> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|_| Uuid::now_v7()).collect();
    let places: HashMap<Uuid, usize> = ids.iter().copied().zip(0..).collect();
    let values: Vec<&N> = rows.iter().map(|(_, row)| row).collect();
    let params: Vec<Param> = params_of(upload.tenant, ids, &values);
    let mut params: Vec<_> = params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
    if on_conflict == OnConflict::Update {
        // A row that was there keeps its own id, and every row is written, as far as the file has its columns.
        params.push(columns);
        transaction.query(N::UPSERT, &params).await?;
        return Ok((0..rows.len()).collect());
    }
    let made = transaction.query(N::INSERT, &params).await?;
    made.iter().map(|row| Ok(places[&Stamp::read(row)?.id])).collect()
}
