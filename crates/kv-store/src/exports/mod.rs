//! Exports: whole tables of a tenant in pages by key, each a short transaction of its own, every column as text.
//!
//! Invariants: a page begins behind the key of the last row before it, so a row that is there from the beginning to the end is read
//! once, and what is made meanwhile may or may not be; a page is read along the primary key, also of a table without statistics. The
//! order names the table's columns: the bare names are those of the texts.
//!
//! Absent on purpose: one snapshot over all pages. It would hold back the clean-up of every table for as long as a client reads.

pub(crate) mod files;

use kv_types::TenantId;
use kv_types::exports::ExportKind;
use tokio_postgres::types::ToSql;

use crate::plan::Connection;
use crate::session::bind;
use crate::spent::queued;
use crate::statement::{Statement, statements};
use crate::{Store, StoreError};

pub use files::{EXPORT_CSV, ExportProgress, ExportText, MAX_EXPORT_FILES, NewExport, creation};

/// RFC 3339 in UTC with six digits of a second, as everywhere.
macro_rules! instant {
    ($column:literal) => {
        concat!("to_char(", $column, " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    };
}

statements! {
    /// Customers after $2.
    EXPORT_CUSTOMERS = concat!("select id::text, code, name, email, phone, version::text, ", instant!("created_at"), ", ",
        instant!("updated_at"), "
          from customers where tenant_id = $1 and id > $2::text::uuid order by customers.id limit 1000");
    /// Products after $2.
    EXPORT_PRODUCTS = concat!("select id::text, sku, name, description, uom, price_minor::text, currency, active::text, version::text, ",
        instant!("created_at"), ", ", instant!("updated_at"), "
          from products where tenant_id = $1 and id > $2::text::uuid order by products.id limit 1000");
    /// Warehouses after $2.
    EXPORT_WAREHOUSES = concat!("select id::text, code, name, priority::text, active::text, version::text, ", instant!("created_at"),
        ", ", instant!("updated_at"), "
          from warehouses where tenant_id = $1 and id > $2::text::uuid order by warehouses.id limit 1000");
    /// Stock levels after ($2, $3).
    EXPORT_LEVELS = concat!("select l.product_id::text, l.warehouse_id::text,
               (select p.sku from products p where p.tenant_id = $1 and p.id = l.product_id),
               (select w.code from warehouses w where w.tenant_id = $1 and w.id = l.warehouse_id),
               l.quantity::text, l.reserved_quantity::text, (l.quantity + l.reserved_quantity)::text, l.shipped_quantity::text,
               l.received_quantity::text, l.backorder_limit::text, l.version::text, ", instant!("l.updated_at"), "
          from stock_levels l where l.tenant_id = $1 and (l.product_id, l.warehouse_id) > ($2::text::uuid, $3::text::uuid)
         order by l.product_id, l.warehouse_id limit 1000");
    /// Movements after ($2, $3, $4).
    EXPORT_MOVEMENTS = concat!("select product_id::text, warehouse_id::text, version::text, kind, d_quantity::text, d_reserved::text,
               d_shipped::text, d_received::text, quantity_after::text, reserved_after::text, reservation_id::text, order_id::text,
               receipt_id::text, adjustment_id::text, transfer_id::text, reason, ", instant!("created_at"), "
          from stock_movements
         where tenant_id = $1 and (product_id, warehouse_id, version) > ($2::text::uuid, $3::text::uuid, $4::text::bigint)
         order by stock_movements.product_id, stock_movements.warehouse_id, stock_movements.version limit 1000");
    /// Lines of orders after ($2, $3), each with its order.
    EXPORT_ORDERS = concat!("select i.order_id::text, i.line::text, o.number::text, o.customer_id::text, o.status, o.currency,
               o.total_minor::text, o.reference, i.product_id::text, i.quantity::text, i.unit_price_minor::text, ",
        instant!("o.created_at"), "
          from (select order_id, line, product_id, quantity, unit_price_minor from order_items
                 where tenant_id = $1 and (order_id, line) > ($2::text::uuid, $3::text::integer)
                 order by order_id, line limit 1000) i
          join lateral (select number, customer_id, status, currency, total_minor, reference, created_at from orders
                 where tenant_id = $1 and id = i.order_id) o on true
         order by i.order_id, i.line");
}

/// A table's columns as they are exported, and how it is read.
#[derive(Debug)]
pub struct Export {
    /// The header.
    pub columns: &'static [&'static str],
    /// Those that hold what somebody wrote.
    pub texts: &'static [&'static str],
    statement: &'static Statement,
    /// The key before the first row, in the first columns.
    start: &'static [&'static str],
}

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Customers.
pub const CUSTOMERS: Export = Export {
    columns: &["id", "code", "name", "email", "phone", "version", "created_at", "updated_at"],
    texts: &["code", "name", "email", "phone"],
    statement: &EXPORT_CUSTOMERS,
    start: &[NIL],
};
/// Products.
pub const PRODUCTS: Export = Export {
    columns: &[
        "id",
        "sku",
        "name",
        "description",
        "uom",
        "price_minor",
        "currency",
        "active",
        "version",
        "created_at",
        "updated_at",
    ],
    texts: &["sku", "name", "description", "uom"],
    statement: &EXPORT_PRODUCTS,
    start: &[NIL],
};
/// Warehouses.
pub const WAREHOUSES: Export = Export {
    columns: &["id", "code", "name", "priority", "active", "version", "created_at", "updated_at"],
    texts: &["code", "name"],
    statement: &EXPORT_WAREHOUSES,
    start: &[NIL],
};
/// Stock levels.
pub const STOCK_LEVELS: Export = Export {
    columns: &[
        "product_id",
        "warehouse_id",
        "sku",
        "warehouse_code",
        "quantity",
        "reserved_quantity",
        "on_hand_quantity",
        "shipped_quantity",
        "received_quantity",
        "backorder_limit",
        "version",
        "updated_at",
    ],
    texts: &["sku", "warehouse_code"],
    statement: &EXPORT_LEVELS,
    start: &[NIL, NIL],
};
/// The ledger.
pub const STOCK_MOVEMENTS: Export = Export {
    columns: &[
        "product_id",
        "warehouse_id",
        "version",
        "kind",
        "d_quantity",
        "d_reserved",
        "d_shipped",
        "d_received",
        "quantity_after",
        "reserved_after",
        "reservation_id",
        "order_id",
        "receipt_id",
        "adjustment_id",
        "transfer_id",
        "reason",
        "created_at",
    ],
    texts: &["reason"],
    statement: &EXPORT_MOVEMENTS,
    start: &[NIL, NIL, "0"],
};
/// Orders, a row for each line.
pub const ORDERS: Export = Export {
    columns: &[
        "order_id",
        "line",
        "order_number",
        "customer_id",
        "status",
        "currency",
        "total_minor",
        "reference",
        "product_id",
        "quantity",
        "unit_price_minor",
        "created_at",
    ],
    texts: &["reference"],
    statement: &EXPORT_ORDERS,
    start: &[NIL, "0"],
};

/// How a kind is exported.
pub const fn of(kind: ExportKind) -> &'static Export {
    match kind {
        ExportKind::Customers => &CUSTOMERS,
        ExportKind::Products => &PRODUCTS,
        ExportKind::Warehouses => &WAREHOUSES,
        ExportKind::StockLevels => &STOCK_LEVELS,
        ExportKind::StockMovements => &STOCK_MOVEMENTS,
        ExportKind::Orders => &ORDERS,
    }
}

/// A row, a value for each column.
pub type ExportRow = Vec<Option<String>>;

impl Export {
    /// Rows of a page: as many as the statements give.
    pub const PAGE: usize = 1_000;

    /// The key of a row, behind which the next page begins.
    pub fn key(&self, row: &ExportRow) -> Vec<String> {
        row.iter().take(self.start.len()).map(|value| value.clone().unwrap_or_default()).collect()
    }
}

impl Store {
    /// A page of an export behind a key, or the first: [`Export::PAGE`] rows, or fewer when it is the last. A replica may give it that
    /// is as fresh as the task wants: [`Store::steady`] for all pages, so that none lacks what was there at the beginning.
    ///
    /// # Cancel safety
    /// Nothing is written, and a transaction that was begun ends with its commit.
    pub async fn export_page(
        &self,
        tenant: TenantId,
        export: &Export,
        after: Option<&[String]>,
    ) -> Result<Vec<ExportRow>, StoreError> {
        if let Some(replica) = self.replica().await {
            let answer = page_on(queued(replica.connection()).await, tenant, export, after).await;
            if let Some(answer) = self.of_replica(replica, answer) {
                return answer;
            }
        }
        match page_on(self.connection().await, tenant, export, after).await {
            Err(error) if error.is_stale_plan() => page_on(self.connection().await, tenant, export, after).await,
            done => done,
        }
    }
}

async fn page_on(
    connection: Result<Connection, StoreError>,
    tenant: TenantId,
    export: &Export,
    after: Option<&[String]>,
) -> Result<Vec<ExportRow>, StoreError> {
    let start: Vec<String> = export.start.iter().map(|&text| text.to_owned()).collect();
    let after = after.unwrap_or(&start);
    let tenant_id = tenant.get();
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&tenant_id];
    params.extend(after.iter().map(|key| key as &(dyn ToSql + Sync)));
    let client = connection?;
    let prepared = client.prepare_cached(export.statement.sql()).await?;
    let opening = format!(
        "begin isolation level read committed, read only; {}; set local enable_sort = off; \
             set local enable_seqscan = off; set local enable_bitmapscan = off",
        bind(tenant)
    );
    let (begun, rows, committed) = futures_util::join!(
        client.batch_execute(&opening),
        client.query(&prepared, &params),
        client.batch_execute("commit"),
    );
    let rows = begun.and(rows).map_err(StoreError::from).inspect_err(|error| {
        if error.is_stale_plan() {
            client.forget_plans();
        }
    })?;
    committed?;
    let read = |row: &tokio_postgres::Row| (0..row.len()).map(|place| row.try_get(place)).collect();
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}
