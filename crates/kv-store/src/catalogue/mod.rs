//! Customers, products and warehouses.
//!
//! Invariants: one statement per operation; ids are UUIDv7 and lists go by id, so a list is in the order of creation and a
//! walk with a cursor meets every row that existed when it began exactly once, whatever is inserted meanwhile.
//! A change counts `version` up in the same statement.
//!
//! Absent on purpose: soft deletion (what is in use cannot be deleted: the foreign keys say so) and totals of lists.

pub mod customers;
pub mod products;
pub mod warehouses;

use uuid::Uuid;

/// Where a list begins: behind `after`, or at the start. No row has the nil id, so one statement serves both.
pub(crate) fn start_after(after: Option<Uuid>) -> Uuid {
    after.unwrap_or(Uuid::nil())
}

/// The first of the rows that a statement with at most one gave, read.
pub(crate) fn first_row<T>(
    rows: &[tokio_postgres::Row],
    read: impl Fn(&tokio_postgres::Row) -> Result<T, tokio_postgres::Error>,
) -> Result<Option<T>, crate::StoreError> {
    Ok(rows.first().map(read).transpose()?)
}
