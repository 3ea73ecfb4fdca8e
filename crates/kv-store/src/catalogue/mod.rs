//! Customers, products and warehouses.
//!
//! Invariants: one statement per operation; ids are UUIDv7 and lists go by id, so a list is in the order of creation and a
//! walk with a cursor meets every row that existed when it began exactly once, whatever is inserted meanwhile.
//! A change counts `version` up in the same statement.
//!
//! A list's statement has a constant limit inside the asked one. Without it PostgreSQL takes a general plan for a tenth of the
//! table, finds a plan of its own cheaper for every single page, and plans each time, which costs more than reading the page.
//!
//! Absent on purpose: soft deletion (what is in use cannot be deleted: the foreign keys say so) and totals of lists.

pub mod customers;
pub mod products;
pub mod warehouses;

use uuid::Uuid;

/// Most rows of a page; one more is read to see whether more follow.
pub const MAX_PAGE: i64 = 100;

/// The limit asked for, within what the statements give.
pub(crate) fn page_limit(asked: i64) -> i64 {
    asked.clamp(0, MAX_PAGE)
}

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

#[cfg(test)]
mod tests {
    use super::{MAX_PAGE, customers, products, warehouses};

    #[test]
    fn lists_read_one_row_more_than_a_page() {
        let inner = format!("order by id limit {}) page limit $3", MAX_PAGE + 1);
        for list in [customers::LIST_CUSTOMERS, products::LIST_PRODUCTS, warehouses::LIST_WAREHOUSES] {
            assert!(list.text.ends_with(&inner), "{}", list.name);
        }
    }
}
