//! Goods of an import: booked by the ledger, a receipt for each run of rows with one reference, under a key made of the import and
//! the place in its file. The key's answer says which rows were accepted, so that a step whose progress was lost tells the same
//! again, whatever was made or deleted since.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use kv_types::imports::Rejection;
use kv_types::stock::{MAX_LINES, Receive, ReceiveLine};
use kv_types::{Expected, IdempotencyKey, ProductId, Quantity, WarehouseId};
use uuid::Uuid;

use super::{GET_IMPORT, ImportError, Step, Upload, advance};
use crate::idempotency::{Answer, Asked, Done, KeyFault, Open};
use crate::session::Params;
use crate::statement::statements;
use crate::stock::{Action, Command, Refusal, StockError};
use crate::{Store, StoreError};

statements! {
    /// The products with these SKUs.
    FIND_SKUS = "select sku, id from products where tenant_id = $1 and sku = any($2::text[])";
    /// The warehouses with these codes.
    FIND_WAREHOUSE_CODES = "select code, id from warehouses where tenant_id = $1 and code = any($2::text[])";
}

/// Goods that arrived, as a row names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRow {
    /// What.
    pub sku: String,
    /// Where to.
    pub warehouse_code: String,
    /// How many.
    pub quantity: Quantity,
    /// The delivery.
    pub reference: Option<String>,
}

/// A receipt and the lines of its rows.
#[derive(Clone, Debug)]
struct Delivery {
    receive: Receive,
    rows: Vec<i64>,
}

/// What became of a step's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Booked {
    accepted: i64,
    rejections: Vec<Rejection>,
}

impl Store {
    /// Books goods, each row with its line, and then moves their import on.
    ///
    /// # Errors
    /// [`ImportError::Differs`] when the same place of another file was booked, [`ImportError::Busy`] when another upload began, or
    /// the store's. Then the same step may be asked for again: it is not booked twice.
    /// # Cancel safety
    /// The goods are booked wholly or not at all; the progress may be missing, and comes with the same step asked for again.
    pub async fn import_receipts(
        &self,
        upload: &mut Upload,
        step: &Step,
        rows: &[(i64, ReceiptRow)],
    ) -> Result<(), ImportError> {
        let booked = self.book_receipts(upload, step, rows).await?;
        let (tenant, id) = (upload.tenant, upload.record.import.id);
        let transaction = Open::on(self).await?;
        let moved = async {
            transaction.begin_with(tenant, &GET_IMPORT, &[&tenant.get(), &id.uuid()]).await?;
            advance(&transaction, upload, step, (booked.accepted, &booked.rejections)).await
        };
        match moved.await {
            Ok(record) => {
                transaction.commit().await?;
                upload.record = record;
                Ok(())
            }
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }

    /// The ledger's part of a step, and what it says of the rows.
    async fn book_receipts(
        &self,
        upload: &Upload,
        step: &Step,
        rows: &[(i64, ReceiptRow)],
    ) -> Result<Booked, ImportError> {
        let mut rejections = step.rejections.clone();
        let mut deliveries = self.resolve(upload, rows, &mut rejections).await?;
        // Without anything to book the key is asked for all the same: the rows may have been booked before what they name was deleted.
        let asked = asked(upload, step);
        loop {
            rejections.sort_by_key(|rejection| rejection.line);
            let accepted = deliveries.iter().map(|delivery| delivery.rows.len() as i64).sum();
            let booked = Booked { accepted, rejections: rejections.clone() };
            if deliveries.is_empty() {
                return match self.kept(upload, &asked).await? {
                    Some(answer) => Booked::read(&answer),
                    None => Ok(booked),
                };
            }
            let receipts = deliveries.iter().map(|each| Action::receive(upload.tenant, each.receive.clone())).collect();
            let action = Action::group(receipts).map_err(|_| StoreError::Corrupt("the size of an import's step"))?;
            let kept = booked.write();
            let encode =
                Arc::new(move |_: &_| Answer { head: "204".to_owned(), body: kept.clone(), numbers_at: Vec::new() });
            let once = Some(self.once(upload.tenant, asked.clone(), encode));
            let command = Command { actor: upload.actor, fence: None, once, expected: Expected::Any, action };
            match self.stock().run(upload.tenant, command).await {
                Ok(Done::Now(_)) => return Ok(booked),
                Ok(Done::Before(answer)) => return Booked::read(&answer),
                Err(StockError::Refused(Refusal::Group(refused))) => {
                    // Deleted since they were looked up, or more than a level may hold.
                    for (place, refusal) in refused.into_iter().rev() {
                        let delivery = deliveries.remove(place);
                        rejections.extend(delivery.rows.iter().map(|line| reject(*line, &refusal)));
                    }
                }
                Err(StockError::Refused(Refusal::Key(fault)) | StockError::Store(StoreError::Key(fault))) => {
                    return Err(of_key(fault));
                }
                Err(StockError::Refused(_)) => return Err(StoreError::Undecided.into()),
                Err(StockError::Store(error)) => return Err(error.into()),
            }
        }
    }

    /// The answer that was kept for this step.
    async fn kept(&self, upload: &Upload, asked: &Asked) -> Result<Option<Answer>, ImportError> {
        let (tenant, keys) = (upload.tenant.get(), [asked.key.as_str()]);
        let keys = keys.as_slice();
        let params: Params<'_> = &[&tenant, &keys];
        let rows = self.run(upload.tenant, &crate::idempotency::table::FIND_KEYS, params).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let kept = crate::idempotency::KeyRow::read(row)?.kept;
        kept.judge(asked).map(Option::<&Answer>::cloned).map_err(of_key)
    }

    /// Finds what the rows name, and gathers them into receipts: rows that follow one another with the same reference are one.
    async fn resolve(
        &self,
        upload: &Upload,
        rows: &[(i64, ReceiptRow)],
        rejections: &mut Vec<Rejection>,
    ) -> Result<Vec<Delivery>, ImportError> {
        let tenant = upload.tenant.get();
        let skus: Vec<&str> = rows.iter().map(|(_, row)| row.sku.as_str()).collect();
        let codes: Vec<&str> = rows.iter().map(|(_, row)| row.warehouse_code.as_str()).collect();
        let (skus, codes): (
            [&(dyn tokio_postgres::types::ToSql + Sync); 2],
            [&(dyn tokio_postgres::types::ToSql + Sync); 2],
        ) = ([&tenant, &skus], [&tenant, &codes]);
        let (products, warehouses) = futures_util::try_join!(
            self.run(upload.tenant, &FIND_SKUS, &skus),
            self.run(upload.tenant, &FIND_WAREHOUSE_CODES, &codes),
        )?;
        let (products, warehouses) = (read_ids(&products)?, read_ids(&warehouses)?);
        let mut deliveries: Vec<Delivery> = Vec::new();
        for (line, row) in rows {
            let product = products.get(&row.sku).copied().map(ProductId::from_uuid);
            let warehouse = warehouses.get(&row.warehouse_code).copied().map(WarehouseId::from_uuid);
            let (Some(product), Some(warehouse)) = (product, warehouse) else {
                let (code, what, word) = match product {
                    None => ("unknown_product", "product", &row.sku),
                    Some(_) => ("unknown_warehouse", "warehouse", &row.warehouse_code),
                };
                let detail = format!("there is no {what} {word:?}");
                rejections.push(Rejection { line: *line, code: code.to_owned(), detail });
                continue;
            };
            let receive_line = ReceiveLine { product, warehouse, quantity: row.quantity };
            match deliveries.last_mut() {
                Some(last) if last.receive.reference == row.reference && last.rows.len() < MAX_LINES => {
                    last.receive.lines.push(receive_line);
                    last.rows.push(*line);
                }
                _ => {
                    let receive = Receive { lines: vec![receive_line], reference: row.reference.clone() };
                    deliveries.push(Delivery { receive, rows: vec![*line] });
                }
            }
        }
        Ok(deliveries)
    }
}

fn read_ids(rows: &[tokio_postgres::Row]) -> Result<HashMap<String, Uuid>, StoreError> {
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The step's key, and as its fingerprint the hash of the file up to its end.
fn asked(upload: &Upload, step: &Step) -> Asked {
    let import = &upload.record.import;
    let key: IdempotencyKey =
        format!("import/{}/{}", import.id, import.bytes_done).parse().expect("a path of an id and a number is a key");
    Asked { key, fingerprint: step.prefix_hash, line: format!("PUT /api/v1/imports/{}/content", import.id) }
}

fn of_key(fault: KeyFault) -> ImportError {
    match fault {
        KeyFault::Reused => ImportError::Differs,
        other => ImportError::Store(other.into()),
    }
}

fn reject(line: i64, refusal: &Refusal) -> Rejection {
    let (code, detail) = match refusal {
        Refusal::Overflow => ("out_of_range", "the stock level would leave its range".to_owned()),
        Refusal::Unknown(_) => ("unknown_reference", "the product or the warehouse is gone".to_owned()),
        other => ("refused", other.to_string()),
    };
    Rejection { line, code: code.to_owned(), detail }
}

impl Booked {
    /// As it is kept under the key: the count, and a line for each rejection.
    fn write(&self) -> Vec<u8> {
        let mut text = self.accepted.to_string();
        for Rejection { line, code, detail } in &self.rejections {
            let detail = detail.replace(['\n', '\t'], " ");
            write!(text, "\n{line}\t{code}\t{detail}").expect("a string takes what is written");
        }
        text.into_bytes()
    }

    fn read(answer: &Answer) -> Result<Self, ImportError> {
        Self::parse(&answer.body).ok_or_else(|| StoreError::Corrupt("the kept answer of an import's step").into())
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(body).ok()?.split('\n');
        let accepted = lines.next()?.parse().ok()?;
        let rejections = lines.map(|line| {
            let mut parts = line.splitn(3, '\t');
            let line = parts.next()?.parse().ok()?;
            Some(Rejection { line, code: parts.next()?.to_owned(), detail: parts.next()?.to_owned() })
        });
        Some(Self { accepted, rejections: rejections.collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_as_it_was_written() {
        let reject = |line, detail: &str| Rejection { line, code: "c".to_owned(), detail: detail.to_owned() };
        for rejections in [vec![], vec![reject(2, ""), reject(9, "there is no \"x\"")]] {
            let booked = Booked { accepted: 7, rejections };
            assert_eq!(Booked::parse(&booked.write()), Some(booked));
        }
    }
}
