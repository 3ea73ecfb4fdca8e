//! Reading receipts, adjustments and transfers: a head and its movements, in one round trip.

use std::collections::HashMap;

use kv_types::stock::{Adjustment, AdjustmentItem, Receipt, ReceiptItem, Transfer, TransferItem};
use kv_types::{AdjustmentId, ProductId, Quantity, ReceiptId, TenantId, TransferId, WarehouseId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::session::Params;
use crate::statement::{Statement, statements};
use crate::{Page, Store, StoreError};

statements! {
    /// One receipt's head.
    GET_RECEIPT = "select id, reference, created_at from receipts where tenant_id = $1 and id = $2";
    /// One adjustment's head.
    GET_ADJUSTMENT = "select id, reference, created_at, reason from adjustments where tenant_id = $1 and id = $2";
    /// One transfer's head.
    GET_TRANSFER = "select id, reference, created_at, from_warehouse_id, to_warehouse_id
          from transfers where tenant_id = $1 and id = $2";
    /// One document's lines. What comes in stands behind what goes out.
    GET_DOCUMENT_LINES = "select coalesce(receipt_id, adjustment_id, transfer_id), product_id, warehouse_id, d_received,
               quantity_after, version
          from stock_movements where tenant_id = $1 and coalesce(receipt_id, adjustment_id, transfer_id) = $2
         order by 1, document_line, kind desc, created_at, product_id, warehouse_id, version";
    /// Receipts' heads in the order of their ids, which is that of their making, after $2.
    LIST_RECEIPTS = "select id, reference, created_at from receipts where tenant_id = $1 and id > $2 order by id limit $3";
    /// The lines of the same receipts.
    LIST_RECEIPT_LINES = "select d.id, m.product_id, m.warehouse_id, m.d_received, m.quantity_after, m.version
          from (select id from receipts where tenant_id = $1 and id > $2 order by id limit $3) d
          join stock_movements m on m.tenant_id = $1 and coalesce(m.receipt_id, m.adjustment_id, m.transfer_id) = d.id
         order by 1, m.document_line, m.kind desc, m.created_at, m.product_id, m.warehouse_id, m.version";
    /// Adjustments' heads, likewise.
    LIST_ADJUSTMENTS = "select id, reference, created_at, reason
          from adjustments where tenant_id = $1 and id > $2 order by id limit $3";
    /// The lines of the same adjustments.
    LIST_ADJUSTMENT_LINES = "select d.id, m.product_id, m.warehouse_id, m.d_received, m.quantity_after, m.version
          from (select id from adjustments where tenant_id = $1 and id > $2 order by id limit $3) d
          join stock_movements m on m.tenant_id = $1 and coalesce(m.receipt_id, m.adjustment_id, m.transfer_id) = d.id
         order by 1, m.document_line, m.kind desc, m.created_at, m.product_id, m.warehouse_id, m.version";
    /// Transfers' heads, likewise.
    LIST_TRANSFERS = "select id, reference, created_at, from_warehouse_id, to_warehouse_id
          from transfers where tenant_id = $1 and id > $2 order by id limit $3";
    /// The lines of the same transfers.
    LIST_TRANSFER_LINES = "select d.id, m.product_id, m.warehouse_id, m.d_received, m.quantity_after, m.version
          from (select id from transfers where tenant_id = $1 and id > $2 order by id limit $3) d
          join stock_movements m on m.tenant_id = $1 and coalesce(m.receipt_id, m.adjustment_id, m.transfer_id) = d.id
         order by 1, m.document_line, m.kind desc, m.created_at, m.product_id, m.warehouse_id, m.version";
}

/// A movement as a document's line.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    product: ProductId,
    warehouse: WarehouseId,
    units: i64,
    quantity_after: i64,
    version: i64,
}

impl Store {
    /// One receipt.
    pub async fn receipt(&self, tenant: TenantId, id: ReceiptId) -> Result<Option<Receipt>, StoreError> {
        self.document(tenant, &GET_RECEIPT, id.uuid(), read_receipt).await
    }

    /// A page of receipts, oldest first, after an id.
    pub async fn receipts(
        &self,
        tenant: TenantId,
        after: Option<ReceiptId>,
        limit: i64,
    ) -> Result<Page<Receipt>, StoreError> {
        let after = after.map(ReceiptId::uuid);
        self.documents(tenant, [&LIST_RECEIPTS, &LIST_RECEIPT_LINES], (after, limit), read_receipt).await
    }

    /// One adjustment.
    pub async fn adjustment(&self, tenant: TenantId, id: AdjustmentId) -> Result<Option<Adjustment>, StoreError> {
        self.document(tenant, &GET_ADJUSTMENT, id.uuid(), read_adjustment).await
    }

    /// A page of adjustments, oldest first, after an id.
    pub async fn adjustments(
        &self,
        tenant: TenantId,
        after: Option<AdjustmentId>,
        limit: i64,
    ) -> Result<Page<Adjustment>, StoreError> {
        let after = after.map(AdjustmentId::uuid);
        self.documents(tenant, [&LIST_ADJUSTMENTS, &LIST_ADJUSTMENT_LINES], (after, limit), read_adjustment).await
    }

    /// One transfer.
    pub async fn transfer(&self, tenant: TenantId, id: TransferId) -> Result<Option<Transfer>, StoreError> {
        self.document(tenant, &GET_TRANSFER, id.uuid(), read_transfer).await
    }

    /// A page of transfers, oldest first, after an id.
    pub async fn transfers(
        &self,
        tenant: TenantId,
        after: Option<TransferId>,
        limit: i64,
    ) -> Result<Page<Transfer>, StoreError> {
        let after = after.map(TransferId::uuid);
        self.documents(tenant, [&LIST_TRANSFERS, &LIST_TRANSFER_LINES], (after, limit), read_transfer).await
    }

    async fn document<T>(
        &self,
        tenant: TenantId,
        head: &Statement,
        id: Uuid,
        read: fn(&Row, &[Line]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let parts = self.read_all(tenant, [head, &GET_DOCUMENT_LINES], &[&tenant.get(), &id]).await?;
        let [heads, lines] = &parts;
        Ok(assemble(heads, lines, read)?.pop())
    }

    async fn documents<T>(
        &self,
        tenant: TenantId,
        statements: [&Statement; 2],
        (after, limit): (Option<Uuid>, i64),
        read: fn(&Row, &[Line]) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let params: Params<'_> = &[&tenant.get(), &after.unwrap_or_default(), &(limit + 1)];
        let [heads, lines] = self.read_all(tenant, statements, params).await?;
        let mut rows = assemble(&heads, &lines, read)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Page { rows, has_more })
    }
}

/// Heads and their lines, as the two statements gave them.
pub(crate) fn assemble<T>(
    heads: &[Row],
    lines: &[Row],
    read: fn(&Row, &[Line]) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut of: HashMap<Uuid, Vec<Line>> = HashMap::new();
    for row in lines {
        of.entry(row.try_get(0)?).or_default().push(Line {
            product: ProductId::from_uuid(row.try_get(1)?),
            warehouse: WarehouseId::from_uuid(row.try_get(2)?),
            units: row.try_get(3)?,
            quantity_after: row.try_get(4)?,
            version: row.try_get(5)?,
        });
    }
    heads.iter().map(|head| read(head, of.get(&head.try_get(0)?).map_or(&[][..], Vec::as_slice))).collect()
}

pub(crate) fn read_receipt(head: &Row, lines: &[Line]) -> Result<Receipt, StoreError> {
    let item = |line: &Line| {
        Ok(ReceiptItem {
            product_id: line.product,
            warehouse_id: line.warehouse,
            quantity: Quantity::parse(line.units).map_err(|_| StoreError::Corrupt("a receipt's line"))?,
            quantity_after: line.quantity_after,
            version: line.version,
        })
    };
    Ok(Receipt {
        id: ReceiptId::from_uuid(head.try_get(0)?),
        reference: head.try_get(1)?,
        items: lines.iter().map(item).collect::<Result<_, StoreError>>()?,
        created_at: head.try_get(2)?,
    })
}

pub(crate) fn read_adjustment(head: &Row, lines: &[Line]) -> Result<Adjustment, StoreError> {
    let item = |line: &Line| AdjustmentItem {
        product_id: line.product,
        warehouse_id: line.warehouse,
        delta: line.units,
        quantity_after: line.quantity_after,
        version: line.version,
    };
    Ok(Adjustment {
        id: AdjustmentId::from_uuid(head.try_get(0)?),
        reason: head.try_get(3)?,
        reference: head.try_get(1)?,
        items: lines.iter().map(item).collect(),
        created_at: head.try_get(2)?,
    })
}

pub(crate) fn read_transfer(head: &Row, lines: &[Line]) -> Result<Transfer, StoreError> {
    let (pairs, rest) = lines.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(StoreError::Corrupt("a transfer's lines"));
    }
    let item = |[from, to]: &[Line; 2]| TransferItem {
        product_id: to.product,
        quantity: to.units,
        from_quantity_after: from.quantity_after,
        from_version: from.version,
        to_quantity_after: to.quantity_after,
        to_version: to.version,
    };
    Ok(Transfer {
        id: TransferId::from_uuid(head.try_get(0)?),
        from_warehouse_id: WarehouseId::from_uuid(head.try_get(3)?),
        to_warehouse_id: WarehouseId::from_uuid(head.try_get(4)?),
        reference: head.try_get(1)?,
        items: pairs.iter().map(item).collect(),
        created_at: head.try_get(2)?,
    })
}
