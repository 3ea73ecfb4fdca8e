//! Receipts, adjustments and transfers: their heads as a batch writes them. Their lines are movements.

use jiff::Timestamp;
use uuid::Uuid;

use super::board::Board;
use super::connection::Connection;
use super::entry::{Document, NewDocument};
use crate::StoreError;
use crate::session::Params;
use crate::statement::statements;

statements! {
    /// Receipts.
    INSERT_RECEIPTS = "insert into receipts (tenant_id, id, reference, actor_id, created_at)
        select $1, c.*, $5 from unnest($2::uuid[], $3::text[], $4::uuid[]) as c";
    /// Adjustments.
    INSERT_ADJUSTMENTS = "insert into adjustments (tenant_id, id, reference, actor_id, reason, created_at)
        select $1, c.*, $6 from unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[]) as c";
    /// Transfers.
    INSERT_TRANSFERS = "insert into transfers (tenant_id, id, reference, actor_id, from_warehouse_id, to_warehouse_id, created_at)
        select $1, c.*, $7 from unnest($2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[]) as c";
}

/// Writes the heads of a batch's documents.
pub(super) async fn write(connection: &Connection, tenant: i64, board: &Board) -> Result<(), StoreError> {
    if board.effects.documents.is_empty() {
        return Ok(());
    }
    let of = |is_wanted: fn(Document) -> bool| -> Vec<&NewDocument> {
        board.effects.documents.iter().filter(|new| is_wanted(new.document)).collect()
    };
    let receipts = of(|document| matches!(document, Document::Receipt(_)));
    let adjustments = of(|document| matches!(document, Document::Adjustment(_)));
    let transfers = of(|document| matches!(document, Document::Transfer(_)));
    futures_util::try_join!(
        write_receipts(connection, (tenant, board.now), &receipts),
        write_adjustments(connection, (tenant, board.now), &adjustments),
        write_transfers(connection, (tenant, board.now), &transfers),
    )?;
    Ok(())
}

/// The columns that all documents have.
fn common<'a>(new: &[&'a NewDocument]) -> (Vec<Uuid>, Vec<Option<&'a str>>, Vec<Uuid>) {
    let ids = new.iter().map(|new| new.document.uuid()).collect();
    let references = new.iter().map(|new| new.reference.as_deref()).collect();
    (ids, references, new.iter().map(|new| new.actor.uuid()).collect())
}

async fn write_receipts(
    connection: &Connection,
    (tenant, now): (i64, Timestamp),
    new: &[&NewDocument],
) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let (ids, references, actors) = common(new);
    connection.execute(&INSERT_RECEIPTS, &[&tenant, &ids, &references, &actors, &now]).await.map(drop)
}

async fn write_adjustments(
    connection: &Connection,
    (tenant, now): (i64, Timestamp),
    new: &[&NewDocument],
) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let (ids, references, actors) = common(new);
    let reasons: Vec<Option<&str>> = new.iter().map(|new| new.reason.as_deref()).collect();
    let params: Params<'_> = &[&tenant, &ids, &references, &actors, &reasons, &now];
    connection.execute(&INSERT_ADJUSTMENTS, params).await.map(drop)
}

async fn write_transfers(
    connection: &Connection,
    (tenant, now): (i64, Timestamp),
    new: &[&NewDocument],
) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let (ids, references, actors) = common(new);
    let from: Vec<Option<Uuid>> = new.iter().map(|new| new.between.map(|(from, _)| from.uuid())).collect();
    let to: Vec<Option<Uuid>> = new.iter().map(|new| new.between.map(|(_, to)| to.uuid())).collect();
    let params: Params<'_> = &[&tenant, &ids, &references, &actors, &from, &to, &now];
    connection.execute(&INSERT_TRANSFERS, params).await.map(drop)
}
